"""Weights that a router mixes from several banks, by the architecture."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from nas.errors import UsageError
from nas.space import Architecture, Space
from nas.supernet.sharing.bank import Bank, Place, Slot, is_within, places
from nas.supernet.sharing.embedding import ArchitectureEmbedding
from nas.supernet.sharing.sharing import Sharing

__all__ = ["RoutedExperts"]


class RoutedExperts(Sharing):
    """Some layers read a convex combination of experts, with coefficients that a network learns from the architecture.

    Mixture-of-Supernets (Jawahar et al., 2023): ``W = sum_e r_e W_e`` with ``r = softmax(router(architecture))``, a
    matter of the architecture alone and not of the input. Layer-wise routing has one router for all such layers of one
    parent, so that those of a feed-forward network share their coefficients. Neuron-wise routing has one for each
    layer and coefficients ``[D, experts]``, a row for each of its D outputs; subnets with fewer of them see the first
    rows. What the subnet needs of ``W`` is cut out after the mixing.

    Expert 0 is the model itself, the others are copies of it plus noise: the mean of experts of their own would have
    too small a variance. One expert is plain sharing. A masked step masks expert 0 alone: of the others and of the
    routers all moves.

    Args:
        experts: how many.
        only: patterns of the module paths of the layers that have experts, as in ``fnmatch``.
        neuron_wise: whether each output of a layer has coefficients of its own.
        noise: standard deviation of what is added to each tensor of an expert, in units of the tensor's own.
        hidden: features of a router.
        seed: of noise and routers.
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
        noise: float = 0.1,
        hidden: int = 128,
        seed: int = 0,
        embedding: Callable[[Architecture], Sequence[float]] | None = None,
    ) -> None:
        super().__init__()
        if experts < 1:
            raise UsageError(f"RoutedExperts has experts={experts}; give 1 or more.")
        self.experts, self.only = experts, (only,) if isinstance(only, str) else tuple(only)
        self.neuron_wise, self.noise, self.hidden, self.seed, self.embedding = (
            neuron_wise,
            noise,
            hidden,
            seed,
            embedding,
        )

    def bind(self, model: nn.Module, space: Space) -> None:
        """Makes the experts and their routers.

        Raises:
            UsageError: no layer has experts, or one whose parameters do not agree on its outputs would have them
                neuron-wise.
        """
        self._embed = self.embedding or ArchitectureEmbedding(space)
        self._places = _routed(model, self.only)
        self._parameters_of_one = sum(parameter.numel() for parameter in model.parameters())
        inputs = len(self._embed(space.largest()))
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            self.copies = nn.ModuleList(self._noisy_copy() for _ in range(1, self.experts))
            self.routers = nn.ModuleDict(
                {
                    name: _router(inputs, self.hidden, rows * self.experts)
                    for name, rows in self._rows()
                    if self.experts > 1
                }
            )
        self.routers.to(_own(self._places[0]).device)

    def weights(self, architecture: Architecture, bank: int | None, within: str = "") -> Sequence[Slot]:
        """The mixed tensors, of a fresh graph at each call."""
        here = [place for place in self._places if is_within(place.path, within)]
        if self.experts == 1 or not here:
            return ()
        gates = self._gates(architecture, (self._router_of(place) for place in here))
        return [Slot(place.module, place.name, self._mixed(place, gates[self._router_of(place)])) for place in here]

    def key(self, architecture: Architecture, bank: int | None, path: str) -> Hashable:
        if self.experts == 1 or not any(is_within(place.path, path) for place in self._places):
            return None
        return tuple(self._embed(architecture))

    def gates(self, architecture: Architecture) -> dict[str, Tensor]:
        """The coefficients ``[1 or D, experts]`` by the path of what shares them; rows add up to one."""
        return {name[1:].replace("/", "."): gates for name, gates in self._gates(architecture, self.routers).items()}

    def describe(self) -> dict[str, Any]:
        return {
            **super().describe(),
            "experts": self.experts,
            "neuron_wise": self.neuron_wise,
            "layers": list(dict.fromkeys(place.path for place in self._places)),
            "parameters_of_one": self._parameters_of_one,
        }

    def _gates(self, architecture: Architecture, routers: Iterable[str]) -> dict[str, Tensor]:
        names = list(dict.fromkeys(routers))
        numbers = torch.tensor(self._embed(architecture), device=next(self.parameters()).device)
        return {name: self.routers[name](numbers).view(-1, self.experts).softmax(-1) for name in names}

    def _mixed(self, place: Place, gates: Tensor) -> Tensor:
        own = _own(place)
        experts = [own, *(bank[place.key] for bank in self._banks())]
        rows = ((-1,) + (1,) * own.dim())[: own.dim()]
        parts = [gate.view(rows) * expert for gate, expert in zip(gates.unbind(-1), experts, strict=True)]
        return torch.stack(parts).sum(0)

    def _banks(self) -> Iterator[Bank]:
        for bank in self.copies:
            assert isinstance(bank, Bank)
            yield bank

    @torch.no_grad()
    def _noisy_copy(self) -> Bank:
        bank = Bank({place.key: _own(place) for place in self._places})
        for parameter in bank.parameters():
            noise = torch.randn(parameter.shape).to(parameter)
            parameter.add_(noise * parameter.std(correction=0), alpha=self.noise)
        return bank

    def _router_of(self, place: Place) -> str:
        """The name of a router: the path of the layer that first held the tensor, or of its parent."""
        layer = place.key.rpartition(".")[0]
        return "/" + (layer if self.neuron_wise else layer.rpartition(".")[0]).replace(".", "/")

    def _rows(self) -> Iterator[tuple[str, int]]:
        """Each router and the number of rows of coefficients that it gives."""
        for name in dict.fromkeys(map(self._router_of, self._places)):
            sizes = {_own(place).shape[:1] for place in self._places if self._router_of(place) == name}
            if self.neuron_wise and (len(sizes) > 1 or () in sizes):
                raise UsageError(
                    f"neuron-wise experts need a layer with as many outputs as each of its parameters has rows, but "
                    f"'{name[1:].replace('/', '.')}' has parameters of {sorted(map(tuple, sizes))} rows; "
                    "leave it out of only, or use neuron_wise=False."
                )
            yield name, sizes.pop()[0] if self.neuron_wise else 1


def _router(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))


def _own(place: Place) -> Tensor:
    tensor: Tensor = getattr(place.module, place.name)
    return tensor


def _routed(model: nn.Module, only: Sequence[str]) -> list[Place]:
    """The parameters of the layers that match, and wherever else these are held.

    Raises:
        UsageError: none does.
    """
    held = [place for place in places(model) if isinstance(_own(place), nn.Parameter)]
    matched = {place.key for place in held if any(fnmatchcase(place.path, pattern) for pattern in only)}
    if not matched:
        paths = list(dict.fromkeys(place.path for place in held))
        raise UsageError(
            f"no layer with parameters has a path that matches only={list(only)}; "
            f"paths of this model are {', '.join(map(repr, paths[:: len(paths) // 4 + 1]))}."
        )
    return [place for place in held if place.key in matched]
