"""Cutting the space of a supernet while it trains: each part goes on with weights and optimiser state of its own."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Generic, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from nas.errors import UsageError
from nas.sharing.few_shot import FewShot
from nas.sharing.gradient_matching import GradientMatching
from nas.sharing.partition import Division, Partition
from nas.supernet import Supernet
from nas.training.context import Context
from nas.training.fresh_banks import FreshBanks
from nas.training.gradient_distances import GradientDistances
from nas.training.listener import Listener
from nas.training.phase import Phase
from nas.wording import counted

__all__ = ["ByGradients", "Cut", "EveryCandidate", "Restart", "with_cuts"]

Restart = Literal["none", "final", "all"]
"""Whether banks begin anew where the space is cut: never, after the last cut, or after each."""

Scheme = TypeVar("Scheme", bound=Partition)


class Cut(Listener, Generic[Scheme]):
    """Has the regions of the space cut when a phase begins; to be extended.

    Args:
        scheme: of the supernet.
        distances: between the gradients of candidates, where they decide.
    """

    def __init__(self, scheme: Scheme, distances: GradientDistances | None = None) -> None:
        self.scheme, self.distances = scheme, distances
        self._made: list[Division] = []

    def divide(self, context: Context) -> None:
        """Has the scheme cut its regions."""
        raise TypeError(f"{type(self).__name__} must define divide()")

    def begin(self, context: Context) -> None:
        known = len(self.scheme.divisions)
        self.divide(context)
        self._made = list(self.scheme.divisions[known:])

    def record(self) -> dict[str, Any]:
        """How regions were cut in the epoch, if they were, and how many forward and backward passes decided it."""
        made, self._made = self._made, []
        passes = 0 if self.distances is None else self.distances.take_passes()
        return {
            **({"divisions": [self.scheme.describe_division(division) for division in made]} if made else {}),
            **({"gradient_passes": passes} if passes else {}),
        }

    def _compared(self, bank: int, choices: Sequence[str], context: Context) -> dict[str, npt.NDArray[np.float64]]:
        """The distances between the candidates of some choices in the region of a bank, where they can vary alone."""
        assert self.distances is not None
        found = {name: self.distances(bank, name, context) for name in choices}
        return {name: each.numpy() for name, each in found.items() if each is not None}


def with_cuts(
    phase: Phase,
    shares: Sequence[float],
    cut: Cut[Any],
    *,
    times: Sequence[int] = (),
    fresh: FreshBanks | None = None,
    restart: Restart = "none",
) -> list[Phase]:
    """A training in levels, each but the first of which begins with a cut, and each with optimiser and schedule anew.

    Args:
        phase: whose recipe's epochs the levels share out.
        shares: of the epochs, after which there is a cut, rounded to whole epochs so that each level has one; 0 for a
            cut before the first.
        cut: of the supernet's scheme.
        times: by which the epochs of each level are multiplied, where each of its banks trains for as many.
        fresh: begins banks anew.
        restart: after which cuts it does.

    Raises:
        UsageError: there are fewer epochs than levels.
    """
    lengths, whole = _lengths(shares, phase.recipe.epochs), phase.recipe
    levels: list[Phase] = []
    for number, length in enumerate(lengths):
        if not length:
            continue
        epochs = length * (times[number] if times else 1)
        warmup = whole.warmup_epochs * epochs / whole.epochs
        restarts = number and (restart == "all" or (restart == "final" and number == len(lengths) - 1))
        listeners = [*phase.listeners, *([cut] if number else []), *([fresh] if restarts and fresh else [])]
        recipe = whole.model_copy(update={"epochs": epochs, "warmup_epochs": warmup})
        levels.append(replace(phase, recipe=recipe, listeners=listeners, name=f"level {number + 1}"))
    return levels


def _lengths(shares: Sequence[float], epochs: int) -> list[int]:
    """Of the levels; the first has none where there is a cut before it."""
    skipped = bool(shares) and shares[0] == 0
    inner = list(shares[1:] if skipped else shares)
    if epochs <= len(inner):
        raise UsageError(
            f"the space is cut after shares {', '.join(f'{share:g}' for share in shares)} of the training, so it needs "
            f"{counted(len(inner) + 1, 'epoch')} or more, but training.epochs is {epochs}; give it more."
        )
    ends = [0]
    for left, share in zip(range(len(inner), 0, -1), inner, strict=True):
        ends.append(min(max(round(share * epochs), ends[-1] + 1), epochs - left))
    lengths = [end - start for start, end in pairwise([*ends, epochs])]
    return [0, *lengths] if skipped else lengths


class EveryCandidate(Cut[FewShot]):
    """Cuts the space once, by every candidate of some choices (few-shot supernets, Zhao et al., 2021).

    Args:
        supernet: whose sharing scheme is :class:`~nas.sharing.FewShot`.
        distances: that decide by which choice, where the scheme names none.

    Raises:
        UsageError: it is another scheme, or nothing decides.
    """

    def __init__(self, supernet: Supernet, distances: GradientDistances | None = None) -> None:
        super().__init__(_scheme(supernet, FewShot, self), distances)
        if distances is None and self.scheme.open:
            raise UsageError(
                "few-shot is to find the choice by which the space is cut, but EveryCandidate has no distances; give "
                "it some, or name choices."
            )

    def divide(self, context: Context) -> None:
        if self.scheme.open:
            self.scheme.choose(self._compared(0, self.scheme.open, context))
        self.scheme.divide()


class ByGradients(Cut[GradientMatching]):
    """Cuts regions where the gradients of candidates disagree (gradient matching, Hu et al., 2022).

    Args:
        supernet: whose sharing scheme is :class:`~nas.sharing.GradientMatching`.
        distances: between the gradients.

    Raises:
        UsageError: it is another scheme.
    """

    def __init__(self, supernet: Supernet, distances: GradientDistances) -> None:
        super().__init__(_scheme(supernet, GradientMatching, self), distances)

    def divide(self, context: Context) -> None:
        for bank in range(self.scheme.used):
            self.scheme.update(bank, self._compared(bank, self.scheme.splittable(bank), context))


def _scheme(supernet: Supernet, kind: type[Scheme], listener: Listener) -> Scheme:
    if not isinstance(supernet.sharing, kind):
        raise UsageError(
            f"{type(listener).__name__} tells {kind.__name__} how to cut the space, but the supernet shares by "
            f"{type(supernet.sharing).__name__}; make it with sharing={kind.__name__}()."
        )
    return supernet.sharing
