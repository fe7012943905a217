"""Single-Path NAS: a larger size is on while the weights that it adds are large enough."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from nas.errors import UsageError
from nas.nn import Cell, OneOf
from nas.nn.channel_ranges import Ranges, Region, select
from nas.supernet.relaxations.relaxation import Decision, GateWeights, Relaxation
from nas.supernet.relaxations.sampling import spread
from nas.supernet.supernet import Supernet

__all__ = ["Thresholds", "indicator"]

Parts = list[tuple[nn.Parameter, Region]]
"""Regions of parameters that do not overlap."""


class Thresholds(Relaxation):
    """Runs the largest size whose added weights all pass their thresholds (Single-Path NAS, Stamoulis et al., 2019).

    In order of size candidate ``i`` of a choice adds weights ``w_i`` to those of candidate ``i - 1``: the ring around a
    kernel, channels, blocks. With ``d_i = indicator(norm(w_i) - t_i)`` and ``passed_i = d_1 * ... * d_i`` its gate is
    ``passed_i - passed_(i+1)``: one-hot to the last bit, differentiable in the thresholds ``t`` and in the weights. The
    gates are the probabilities too, so that an expected cost is that of the architecture that runs. The "logits" are
    the thresholds; that of the smallest candidate has no effect. They start at zero, where the largest is on.

    Unlike as published the weights that a candidate adds are those of all kernels and matrices that it makes larger,
    while all other choices are at their largest: there they are those of the depthwise kernel alone, and indicators of
    channels see the kernel without its ring where that is off. The dropout of indicators during a warm-up is left out.

    Args:
        supernet: whose weights are compared; it follows one architecture, and stays as it is.

    Raises:
        UsageError: a choice between modules or edges, or one whose candidates do not each keep the weights of the next
            smaller one and add some; or a supernet with several sets of weights.
    """

    def __init__(self, supernet: Supernet) -> None:
        if supernet.sharing.banks > 1:
            raise UsageError(
                f"single-path compares the weights of one supernet, but {type(supernet.sharing).__name__} has "
                f"{supernet.sharing.banks} sets of them; use one set, or another method."
            )
        self._order = supernet.space.order
        before = supernet.architecture
        try:
            self._added = {name: _additions(supernet, name, order) for name, order in self._order.items()}
        finally:
            supernet.activate(before)

    def initial(self, decision: Decision) -> Tensor:
        return torch.zeros(len(decision.options))

    def gate(self, decision: Decision, logits: Tensor, progress: float) -> GateWeights:
        return GateWeights(self.probabilities(decision, logits), tuple(range(len(logits))))

    def probabilities(self, decision: Decision, logits: Tensor) -> Tensor:
        smallest, *others = self._order[decision.name]
        passed = [logits.new_ones(())]
        for position, parts in zip(others, self._added[decision.name], strict=True):
            passed.append(passed[-1] * indicator(_norm(parts).to(logits) - logits[position]))
        values = torch.stack(passed) - torch.stack([*passed[1:], logits.new_zeros(())])
        return spread(values, [smallest, *others], len(logits))


def indicator(value: Tensor) -> Tensor:
    """One where ``value >= 0``, else zero, to the last bit; with the gradient of ``sigmoid(value)``."""
    soft = value.sigmoid()
    return (value >= 0).to(value) + (soft - soft.detach())


def _norm(parts: Parts) -> Tensor:
    """The L2 norm of all parts together, a scalar; its gradient is zero where all weights are."""
    norms = [torch.linalg.vector_norm(select(parameter, region)) for parameter, region in parts]
    norm: Tensor = torch.linalg.vector_norm(torch.stack(norms))
    return norm


def _additions(supernet: Supernet, name: str, order: Sequence[int]) -> list[Parts]:
    """What each candidate but the smallest adds to the next smaller one; leaves another architecture active."""
    if any(isinstance(reader, OneOf | Cell) for reader in supernet.readers(name)):
        raise UsageError(
            f"single-path needs nested sizes, but choice '{name}' is between modules, none of which is a part of "
            "another; use another method."
        )
    space = supernet.space
    largest, candidates = space.largest(), [space.choices[name][position] for position in order]
    used = []
    for candidate in candidates:
        supernet.activate(space.complete({**largest, name: candidate}))
        used.append(_in_use(supernet))
    additions = []
    for (less, smaller), (more, larger) in pairwise(zip(candidates, used, strict=True)):
        additions.append(_outside(larger, smaller))
        if not additions[-1] or _outside(smaller, larger):
            raise UsageError(
                f"single-path needs nested sizes, but candidate {more!r} of choice '{name}' does not keep all weights "
                f"of {less!r} and add to them; use another method."
            )
    return additions


def _in_use(supernet: Supernet) -> dict[nn.Parameter, list[Region]]:
    """The regions in use of every kernel and matrix, each with ranges for all dimensions."""
    used: dict[nn.Parameter, list[Region]] = {}
    for parameter, region in supernet.active_regions():
        if parameter.dim() > 1:
            whole = tuple(((0, size),) for size in parameter.shape[len(region) :])
            used.setdefault(parameter, []).append((*region, *whole))
    return used


def _outside(some: dict[nn.Parameter, list[Region]], others: dict[nn.Parameter, list[Region]]) -> Parts:
    """What some regions hold that the others do not, each weight once."""
    parts: Parts = []
    for parameter, regions in some.items():
        taken = list(others.get(parameter, ()))
        for region in regions:
            pieces = [region]
            for other in taken:
                pieces = [rest for piece in pieces for rest in _subtract(piece, other)]
            parts += [(parameter, piece) for piece in pieces]
            taken.append(region)
    return parts


def _subtract(region: Region, other: Region) -> list[Region]:
    """The part of a region outside another, as regions that do not overlap."""
    pieces: list[Region] = []
    inside: Region = ()
    for dim, (ranges, others) in enumerate(zip(region, other, strict=True)):
        outside = _subtract_ranges(ranges, others)
        if outside:
            pieces.append((*inside, outside, *region[dim + 1 :]))
        inside = (*inside, _subtract_ranges(ranges, outside))
        if not inside[-1]:
            break
    return pieces


def _subtract_ranges(ranges: Ranges, others: Ranges) -> Ranges:
    """The indices in some ranges that are not in the others."""
    for start, stop in others:
        pieces = (piece for low, high in ranges for piece in ((low, min(high, start)), (max(low, stop), high)))
        ranges = tuple((low, high) for low, high in pieces if low < high)
    return ranges
