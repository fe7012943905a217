"""From weights of options to the gates of choices."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal

from torch import Tensor

from nas.errors import UsageError, did_you_mean
from nas.nn import Gate
from nas.nn.gate import Idle

__all__ = ["soft_gates"]


def soft_gates(
    options: Mapping[str, tuple[Any, ...]],
    weights: Mapping[str, Tensor],
    active: Mapping[str, Sequence[int]],
    idle: Mapping[str, Literal["ones", "outputs"]],
    only: Mapping[str, Sequence[int]],
    within: Callable[[], AbstractContextManager[None]],
) -> dict[str, Gate]:
    """A gate for each choice.

    Args:
        options: of every choice.
        weights: for every choice a tensor ``[options]``.
        active: for some choices the positions of the options to run; all of others.
        idle: for some choices how the weights of the options that do not run learn.
        only: for some choices the positions of the options that there are; all of others.
        within: what is open while an option that does not run gives an output to learn from.

    Raises:
        UsageError: an unknown choice, or one without a weight for each option or without an active one.
    """
    for name in (*weights, *active, *idle, *only):
        if name not in options:
            raise UsageError(f"gates name '{name}', which is no choice; {did_you_mean(name, options)}")
    gates = {}
    for name, each in options.items():
        there = only.get(name, range(len(each)))
        running = list(active.get(name, there))
        if name not in weights or weights[name].shape != (len(each),) or not running:
            raise UsageError(f"choice '{name}' needs a tensor of {len(each)} gate weights and an active option.")
        others = [position for position in there if position not in running]
        rest = None
        if name in idle and others:
            rest = Idle(tuple(each[i] for i in others), weights[name][others], idle[name], within)
        gates[name] = Gate(tuple(each[i] for i in running), weights[name][running], rest)
    return gates
