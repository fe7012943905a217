"""Weights that a router mixes from several banks, by the architecture."""

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn

from nas.errors import UsageError
from nas.sharing.bank import Bank, Override, TensorRef, fresh, is_within, tensor_refs
from nas.sharing.embedding import ArchitectureEmbedding
from nas.sharing.sharing import Sharing
from nas.space import Architecture, Space
from nas.streams import Stream, derive_seed

__all__ = ["RoutedExperts"]


class RoutedExperts(Sharing):
    """Some layers read a convex combination of experts, with coefficients that a network learns from the architecture.

    Mixture-of-Supernets (Jawahar et al., 2023): ``W = sum_e r_e W_e`` with ``r = softmax(router(architecture))``, a
    matter of the architecture alone and not of the input. Layer-wise routing has one router for all such layers of one
    parent, so that those of a feed-forward network share their coefficients. Neuron-wise routing has one for each
    layer and coefficients ``[D, experts]``, a row for each of its D outputs; subnets with fewer of them see the first
    rows. What the subnet needs of ``W`` is cut out after the mixing.

    Expert 0 is the model itself, the others have fresh weights of their own, as in the authors' code: copies would give
    the router nothing to choose from, as its gradient goes by how experts differ. Where the model is trained already
    they should be copies of it plus noise. One expert is plain sharing. A masked step masks expert 0 alone: of the
    others and of the routers all moves.

    Args:
        experts: how many.
        only: patterns of the module paths of the layers that have experts, as in ``fnmatch``.
        neuron_wise: whether each output of a layer has coefficients of its own.
        noise: makes experts copies of the model; the standard deviation of what is added to each tensor, in units of
            the tensor's own. By default experts have weights of their own.
        hidden: features of a router.
        seed: of experts and routers.
        embedding: what the routers are told about an architecture; :class:`ArchitectureEmbedding` by default.

    Raises:
        UsageError: fewer than one expert.
    """

    name = "routed-experts"

    def __init__(
        self,
        experts: int = 2,
        only: str | Sequence[str] = ("*.feed_forward.*",),
        neuron_wise: bool = False,
        noise: float | None = None,
        hidden: int = 128,
        seed: int = 0,
        embedding: Callable[[Architecture], Sequence[float]] | None = None,
    ) -> None:
        super().__init__()
        if experts < 1:
            raise UsageError(f"RoutedExperts has experts={experts}; give 1 or more.")
        self.experts, self.only = experts, (only,) if isinstance(only, str) else tuple(only)
        self.neuron_wise, self.noise, self.hidden, self.seed = neuron_wise, noise, hidden, seed
        self.embedding = embedding

    def bind(self, model: nn.Module, space: Space) -> None:
        """Makes the experts and their routers.

        Raises:
            UsageError: no layer has experts, or one whose parameters do not agree on its outputs would have them
                neuron-wise; or a module cannot have fresh weights.
        """
        self._embed = self.embedding or ArchitectureEmbedding(space)
        self._refs = _routed(model, self.only)
        self._parameters_of_one = sum(parameter.numel() for parameter in model.parameters())
        rows = self._rows()
        with torch.random.fork_rng():
            torch.manual_seed(derive_seed(self.seed, Stream.EXPERTS))
            self.copies = nn.ModuleList(self._expert(model, number) for number in range(1, self.experts))
            self.routers = nn.ModuleDict(self._make_routers(len(self._embed(space.largest())), rows))
        self.routers.to(self._refs[0].tensor)

    @property
    def banks(self) -> int:
        return self.experts

    def weights(self, architecture: Architecture, bank: int | None, within: str = "") -> Sequence[Override]:
        """The mixed tensors, of a fresh graph at each call."""
        here = [ref for ref in self._refs if is_within(ref.path, within)]
        if self._is_plain or not here:
            return ()
        gates = self._gates(architecture, (self._router_of(ref) for ref in here))
        mixed = {ref.key: self._mixed(ref, gates[self._router_of(ref)]) for ref in here}
        return [Override(ref.module, ref.name, mixed[ref.key]) for ref in here]

    def key(self, architecture: Architecture, bank: int | None, path: str) -> Hashable:
        if self._is_plain or not any(is_within(ref.path, path) for ref in self._refs):
            return None
        return tuple(self._embed(architecture))

    def gates(self, architecture: Architecture) -> dict[str, Tensor]:
        """The coefficients ``[1 or D, experts]`` by the path of what shares them; rows add up to one."""
        return {_path(name): gates for name, gates in self._gates(architecture, self.routers).items()}

    @torch.no_grad()
    def distance_of_experts(self) -> float:
        """How far experts are apart, in units of their size: 0 for copies, 1 for weights without relation.

        The root of the variance between experts over the mean square of their weights, of all tensors together.
        """
        apart = size = 0.0
        for key, own in self._first().items():
            tensors = torch.stack([own, *(bank[key] for bank in self._banks())]).double()
            apart += float(tensors.var(0).sum())
            size += float(tensors.square().mean(0).sum())
        return math.sqrt(apart / size)

    def describe(self) -> dict[str, Any]:
        return {
            **super().describe(),
            "neuron_wise": self.neuron_wise,
            "layers": list(dict.fromkeys(ref.path for ref in self._refs)),
            "parameters_of_one": self._parameters_of_one,
        }

    @property
    def _is_plain(self) -> bool:
        """Whether there is nothing to mix: one expert, or tensors on the meta device, which have no values."""
        return self.experts == 1 or self._refs[0].tensor.is_meta

    def _gates(self, architecture: Architecture, routers: Iterable[str]) -> dict[str, Tensor]:
        like = self._refs[0].tensor
        numbers = torch.tensor(self._embed(architecture), dtype=like.dtype, device=like.device)
        return {name: self.routers[name](numbers).view(-1, self.experts).softmax(-1) for name in dict.fromkeys(routers)}

    def _mixed(self, ref: TensorRef, gates: Tensor) -> Tensor:
        own = ref.tensor
        experts = [own, *(bank[ref.key] for bank in self._banks())]
        rows = ((-1,) + (1,) * own.dim())[: own.dim()]
        parts = [gate.view(rows) * expert for gate, expert in zip(gates.unbind(-1), experts, strict=True)]
        return reduce(torch.add, parts)

    def _banks(self) -> Iterator[Bank]:
        for bank in self.copies:
            assert isinstance(bank, Bank)
            yield bank

    def _first(self) -> dict[str, Tensor]:
        """The weights of expert 0 by name."""
        return {ref.key: ref.tensor for ref in self._refs}

    @torch.no_grad()
    def _expert(self, model: nn.Module, number: int) -> Bank:
        if self.noise is None:
            tensors = fresh(model, derive_seed(self.seed, Stream.EXPERTS, number))
            return Bank({key: tensors[key] for key in self._first()})
        bank = Bank(self._first())
        for parameter in bank.parameters():
            noise = torch.randn(parameter.shape).to(parameter)
            parameter.add_(noise * parameter.std(correction=0), alpha=self.noise)
        return bank

    def _router_of(self, ref: TensorRef) -> str:
        """The name of a router: the path of the layer that first held the tensor, or of its parent."""
        layer = ref.key.rpartition(".")[0]
        return "/" + (layer if self.neuron_wise else layer.rpartition(".")[0]).replace(".", "/")

    def _rows(self) -> dict[str, int]:
        """How many rows of coefficients each router gives."""
        sizes: dict[str, set[tuple[int, ...]]] = {}
        for ref in self._refs:
            sizes.setdefault(self._router_of(ref), set()).add(tuple(ref.tensor.shape[:1]))
        if not self.neuron_wise:
            return dict.fromkeys(sizes, 1)
        for name, found in sizes.items():
            if len(found) > 1 or () in found:
                raise UsageError(
                    f"'{_path(name)}' cannot have experts for each output: its parameters do not all have a row for "
                    "each; leave it out of only, or use neuron_wise=False."
                )
        return {name: rows for name, ((rows,),) in sizes.items()}

    def _make_routers(self, inputs: int, rows: Mapping[str, int]) -> dict[str, nn.Module]:
        if self.experts == 1:
            return {}
        return {
            name: nn.Sequential(nn.Linear(inputs, self.hidden), nn.ReLU(), nn.Linear(self.hidden, count * self.experts))
            for name, count in rows.items()
        }


def _path(router: str) -> str:
    return router[1:].replace("/", ".")


def _routed(model: nn.Module, only: Sequence[str]) -> list[TensorRef]:
    """The parameters of the layers that match, and wherever else these are held; UsageError if none does."""
    held = [ref for ref in tensor_refs(model) if isinstance(ref.tensor, nn.Parameter)]
    matched = {ref.key for ref in held if any(fnmatchcase(ref.path, pattern) for pattern in only)}
    if not matched:
        paths = list(dict.fromkeys(ref.path for ref in held))
        raise UsageError(
            f"no layer with parameters has a path that matches only={list(only)}; "
            f"paths of this model are {', '.join(map(repr, paths[:: len(paths) // 4 + 1]))}."
        )
    return [ref for ref in held if ref.key in matched]
