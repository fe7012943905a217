"""The training of a run's supernet, with scores of its smallest and its largest network on the way."""

from collections.abc import Sequence
from dataclasses import replace

from nas.evaluation.epoch_scores import EpochScores
from nas.setup.run_setup import Setup
from nas.space import Samplable
from nas.training import Phase

__all__ = ["with_scores"]

_FAMILIES = ("single-path", "sandwich", "nested")
"""Of methods whose networks have their weights from the first epoch on: no gates and no banks that are still learnt."""


def with_scores(setup: Setup, phases: Sequence[Phase], drawn_from: Samplable) -> Sequence[Phase]:
    """The same phases, in which one listener evaluates after epochs; untouched where that would mean nothing.

    Args:
        drawn_from: the architectures that are trained.
    """
    if setup.method.family not in _FAMILIES:
        return phases
    watched = {"largest": drawn_from.largest(), "smallest": drawn_from.smallest()}
    scores = EpochScores(setup.searched, setup.data, watched)
    return [replace(phase, listeners=(*phase.listeners, scores)) for phase in phases]
