"""Projections of attention as combinations of matrices that all layers share."""

import math
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Literal

import torch
from torch import Tensor, nn

from nas.errors import UsageError
from nas.nn.tree import below
from nas.sharing.bank import Bank, Override, Source, TensorRef
from nas.sharing.layers import Layer, equal_layers
from nas.sharing.sharing import Sharing
from nas.space import Architecture, Choice, Space
from nas.streams import Stream, rng

__all__ = ["AttentionAtoms"]


class AttentionAtoms(Sharing):
    """Layer l reads ``W_l = sum_s c_ls D_s`` for each of its projections (MASA, Zhussip et al., 2025).

    The atoms ``D`` ``[S, out, in]`` of a kind of projection (queries, keys, values, outputs) are shared by all layers,
    the coefficients ``c`` ``[layers, S]`` are learnt with them, without weight decay. How many atoms there are, the
    same for all kinds, is a choice ``atoms``; fewer are the leading ones. What a subnet needs of ``W`` is cut out after
    the sum. An extracted network has the sums, :meth:`nas.Supernet.stored_parameters` counts atoms and coefficients.

    Args:
        atoms: candidates of the number of atoms, up to one a layer; by default a sixth, a third, a half of the layers,
            and as many as there are layers.
        only: patterns of the names of weights, as in ``fnmatch``; vectors are left to their layer.
        start: ``fresh``, atoms are weights of the first layers and coefficients random orthogonal rows of mean norm
            one; ``trained``, both are the singular value decomposition of the weights that the layers have, of all
            combinations of so many atoms the nearest to them.
        seed: of the coefficients.

    Raises:
        UsageError: a number of atoms below one.
    """

    name = "attention-atoms"

    def __init__(
        self,
        atoms: Sequence[int] = (),
        only: str | Sequence[str] = ("*att*weight",),
        start: Literal["fresh", "trained"] = "fresh",
        seed: int = 0,
    ) -> None:
        super().__init__()
        if atoms and min(atoms) < 1:
            raise UsageError(f"AttentionAtoms has atoms={list(atoms)}; give numbers of 1 or more.")
        self.atoms, self.start, self.seed = tuple(atoms), start, seed
        self.only = (only,) if isinstance(only, str) else tuple(only)

    def choices(self, model: nn.Module) -> Mapping[str, Choice]:
        """How many atoms there are.

        Raises:
            UsageError: no layers are equal, none of their weights matches, or there would be more atoms than layers.
        """
        groups = [group for group in equal_layers(model, ("*",)) if any(self._refs(group[0]))]
        if len(groups) != 1:
            raise UsageError(
                "AttentionAtoms shares weights of one group of equal layers, but patterns "
                f"only={list(self.only)} match those of {len(groups)}; name others, such as "
                "'layers.*.attention.*_weight'."
            )
        (self._layers,) = groups
        count = len(self._layers)
        if max(self.atoms, default=1) > count:
            raise UsageError(f"AttentionAtoms has atoms={list(self.atoms)}, but there are {count} layers; give fewer.")
        self._choice = Choice(self.atoms or _shares(count), name="atoms")
        return {layer.path: self._choice for layer in self._layers}

    @property
    def needs_trained(self) -> bool:
        return self.start != "fresh"

    @torch.no_grad()
    def bind(self, model: nn.Module, space: Space) -> None:
        """Makes atoms and coefficients."""
        made: dict[str, nn.Parameter] = {}
        for number, kind in enumerate(ref.key for ref in self._refs(self._layers[0])):
            own = torch.stack([ref.tensor for layer in self._layers for ref in self._refs(layer) if ref.key == kind])
            coefficients, atoms = self._decomposed(own) if self.start == "trained" else self._fresh(own, number)
            made[kind] = nn.Parameter(atoms)
            rows = zip(self._layers, coefficients, strict=True)
            made |= {_coefficients(layer, kind): nn.Parameter(row.clone()) for layer, row in rows}
        self.shared = Bank(made)

    def weights(self, architecture: Architecture, bank: int | None, within: str = "") -> list[Override]:
        if "atoms" not in architecture:  # none of the layers runs
            return []
        taken, here = int(architecture["atoms"]), [layer for layer in self._layers if layer.touches(within)]
        return [self._sum(layer, ref, taken) for layer in here for ref in self._refs(layer)]

    def describe(self) -> dict[str, Any]:
        kinds = [ref.key for ref in self._refs(self._layers[0])]
        return {**super().describe(), "atoms": list(self._choice.candidates), "weights": kinds, "start": self.start}

    def _sum(self, layer: Layer, ref: TensorRef, taken: int) -> Override:
        atoms, coefficients = self.shared[ref.key], self.shared[_coefficients(layer, ref.key)]
        inner = tuple(atoms.shape[1:])
        made_of = (Source(atoms, (taken, *inner), (None, *range(len(inner)))), Source(coefficients, (taken,), (None,)))
        return Override(ref.module, ref.name, torch.tensordot(coefficients[:taken], atoms[:taken], 1), made_of)

    def _refs(self, layer: Layer) -> Iterator[TensorRef]:
        """The weights of a layer that are sums of atoms."""
        for ref in layer.parameters:
            name = below(layer.path, ref.key)
            if ref.tensor.dim() > 1 and any(fnmatchcase(name, pattern) for pattern in self.only):
                yield ref

    def _fresh(self, own: Tensor, kind: int) -> tuple[Tensor, Tensor]:
        """Coefficients ``[layers, atoms]`` and atoms ``[atoms, *weight]``, given the weights ``[layers, *weight]``."""
        layers, most = len(own), max(self._choice.candidates)
        drawn = rng(self.seed, Stream.ATOMS, kind).standard_normal((layers, most))
        orthogonal = torch.linalg.qr(torch.from_numpy(drawn))[0] * math.sqrt(layers / most)
        return orthogonal.to(own), own[:most].clone()

    def _decomposed(self, own: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`_fresh`, of rows whose product is the nearest to the weights."""
        most = max(self._choice.candidates)
        u, s, v = torch.linalg.svd(own.flatten(1), full_matrices=False)
        return u[:, :most], (s[:most, None] * v[:most]).view(-1, *own.shape[1:]).contiguous()


def _shares(layers: int) -> list[int]:
    return sorted({math.ceil(layers * share) for share in (1 / 6, 1 / 3, 1 / 2, 1)})


def _coefficients(layer: Layer, kind: str) -> str:
    """The name of the coefficients of a layer."""
    return f"{layer.path}.{kind}.coefficients"
