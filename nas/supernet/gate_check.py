"""Whether a model computes under one-hot gates what it computes under the architecture that they stand for.

Every elastic layer does. What stands between layers may not: where the channels of an elastic width are split, shuffled
or reshaped, the channels that a soft gate keeps at zero end up where those of a smaller width would be.
"""

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from nas.errors import UsageError
from nas.nn import Cell, Elastic, OneOf, SwitchableBatchNorm2d
from nas.nn.module_calls import calls, first_different_call, tensors
from nas.nn.switchable import UngatedConv2d
from nas.nn.tree import modules
from nas.space import Architecture, Space, candidate_key

__all__ = ["check_gates"]

_TOLERANCE = 1e-3
"""Of the largest number of an output; what rounding makes of it is a hundredth of that."""


class Gated(Protocol):
    """What is asked of a supernet."""

    model: nn.Module
    space: Space
    bank: int | None

    @property
    def options(self) -> Mapping[str, tuple[Any, ...]]: ...

    def readers(self, name: str) -> Sequence[Elastic]: ...

    def activate(self, architecture: Mapping[str, Any], bank: int | None) -> None: ...

    def mix(self, weights: Mapping[str, Tensor], active: Mapping[str, Sequence[int]], *, bank: int | None) -> None: ...

    def __call__(self, *inputs: Tensor) -> Any: ...


@torch.no_grad()
def check_gates(supernet: Gated, names: Collection[str], *inputs: Tensor) -> None:
    """Compares each candidate of sizes that soft gates mix, once, with the network that it stands for.

    It takes two inferences for the smallest architecture, each larger one and the largest, and for each candidate that
    was in none of them. Choices between modules alone need no check, and sizes that are aligned feature by feature
    (:class:`~nas.nn.SwitchableBatchNorm2d`) stand for no slice.

    An architecture that cannot be run on the inputs, since their width is a choice itself, is left out.

    Args:
        supernet: in evaluation mode; it follows other gates afterwards.
        names: of the choices that are mixed.
        inputs: of the model, of which two examples are enough.

    Raises:
        UsageError: an output differs.
    """
    mixed = [name for name in supernet.space.choices if name in names and _is_size(supernet, name)]
    for architecture in _covering(supernet, mixed):
        if _differs(supernet, architecture, mixed, inputs):
            alone = [name for name in mixed if _differs(supernet, architecture, [name], inputs)]
            raise _refusal(supernet, architecture, alone[:1] or mixed, inputs)


def _is_size(supernet: Gated, name: str) -> bool:
    readers = supernet.readers(name)
    chooses = all(isinstance(reader, OneOf | Cell) for reader in readers)
    return not chooses and not any(isinstance(reader, SwitchableBatchNorm2d | UngatedConv2d) for reader in readers)


def _covering(supernet: Gated, mixed: Sequence[str]) -> Iterator[Architecture]:
    """Architectures that hold every candidate of the mixed choices, as far as each is active in any."""
    space = supernet.space
    missing = {(name, candidate_key(candidate)): candidate for name in mixed for candidate in space.choices[name]}
    steps = max((len(space.choices[name]) for name in mixed), default=0)
    for step in range(steps):
        architecture = space.complete({}, step / max(1, steps - 1))
        yield architecture
        for name, value in architecture.items():
            missing.pop((name, candidate_key(value)), None)
    for (name, _), candidate in missing.items():
        reached = space.largest_with(name)
        if reached is not None:
            yield space.complete({**reached, name: candidate})


def _differs(supernet: Gated, architecture: Architecture, mixed: Sequence[str], inputs: Sequence[Tensor]) -> bool:
    supernet.activate(architecture, supernet.bank)
    try:
        exact = supernet(*inputs)
    except (RuntimeError, IndexError):  # an input whose size is a choice fits the largest alone: there is no slice
        return False
    _mix(supernet, architecture, mixed)
    return not _alike(exact, supernet(*inputs))


def _mix(supernet: Gated, architecture: Architecture, mixed: Sequence[str]) -> None:
    """Makes the supernet follow one-hot gates; only those of the mixed choices run all of their options."""
    device = next((each.device for each in supernet.model.parameters()), None)
    weights, active = {}, {}
    for name, options in supernet.options.items():
        taken = architecture.get(name, supernet.space.choices[name][supernet.space.order[name][-1]])
        is_subset = options != supernet.space.choices[name]
        kept = [position for position, each in enumerate(options) if (each in taken if is_subset else each == taken)]
        weights[name] = torch.zeros(len(options), device=device).index_fill(0, torch.tensor(kept, device=device), 1.0)
        if name not in mixed:
            active[name] = kept
    supernet.mix(weights, active, bank=supernet.bank)


def _alike(exact: Any, other: Any) -> bool:
    """Whether outputs are the same, but for channels of zeros that the gates leave in one dimension."""
    return all(itertools.starmap(_equal, zip(_numbers(exact), _numbers(other), strict=True)))


def _equal(exact: Tensor, other: Tensor) -> bool:
    if exact.dim() != other.dim():
        return False
    wider = [dim for dim, (size, own) in enumerate(zip(other.shape, exact.shape, strict=True)) if size != own]
    if len(wider) > 1:
        return False
    a, b = (each.sum(wider) if wider else each for each in (exact, other))
    finite = a.isfinite() & b.isfinite()  # weights that are not trained yet may overflow
    if not finite.any():
        return True
    return bool((a - b)[finite].abs().max() <= _TOLERANCE * max(float(a[finite].abs().max()), 1e-6))


def _numbers(output: Any) -> list[Tensor]:
    return [each for each in tensors(output) if each.numel() and each.is_floating_point()]


def _refusal(supernet: Gated, architecture: Architecture, mixed: Sequence[str], inputs: Sequence[Tensor]) -> UsageError:
    names = " and ".join(f"'{name}' at {architecture[name]!r}" for name in mixed if name in architecture)
    supernet.activate(architecture, supernet.bank)
    exact = calls(modules(supernet.model), lambda: supernet(*inputs))
    _mix(supernet, architecture, mixed)
    other = calls(modules(supernet.model), lambda: supernet(*inputs))
    place = first_different_call(exact, other, lambda y, z: not _alike(y, z))
    seen = "its output" if place is None else f"the output of '{place}'"
    return UsageError(
        f"choice {names} cannot be mixed by soft gates: under a one-hot gate {seen} is not that of the network which "
        "the gate stands for, so something before it splits, shuffles or reshapes the channels of an elastic width; "
        "make a width that is split of its parts, as in nas.space.concatenate(c, c), or put a module for each "
        "candidate into a nas.nn.OneOf, or use a method that trains one architecture at a time."
    )
