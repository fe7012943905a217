"""What every search strategy must do."""

import random
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from nas.search import Result, Strategy
from nas.space import Architecture, Space
from nas.testing.spaces import NESTED, WIDE

__all__ = ["StrategySuite"]


class StrategySuite:
    """Tests of a :class:`nas.search.Strategy`.

    >>> from nas.search import RandomSearch
    >>> class TestRandomSearch(StrategySuite):
    ...     def make(self, space, seed):
    ...         return RandomSearch(space, seed)

    Attributes:
        make: a fresh strategy, given a space and a seed.
        draws: whether the seed decides what is proposed.
    """

    make: Callable[[Space, int], Strategy]
    draws = True

    @pytest.mark.parametrize("space", [WIDE, NESTED], ids=["wide", "nested"])
    @pytest.mark.parametrize("objectives", [1, 2])
    def test_proposals_are_new_members_and_no_more_than_asked(self, space: Space, objectives: int) -> None:
        """The pool has as many slots as it asks for, and a proposal that was made before is a round lost."""
        batches = _ask_and_tell(self.make(space, 3), space, rounds=8, batch=6, objectives=objectives)
        proposed = [architecture for batch in batches for architecture in batch]
        assert all(len(batch) <= 6 for batch in batches)
        assert all(architecture in space for architecture in proposed)
        assert len(set(proposed)) == len(proposed) >= min(space.size, 20)

    def test_it_is_a_function_of_seed_and_results(self) -> None:
        """A killed search is resumed by asking and telling a new strategy the same again: no other random numbers."""
        played = []
        for other in (1, 2):
            random.seed(other)
            np.random.seed(other)
            played.append([_ask_and_tell(self.make(WIDE, seed), WIDE, rounds=5, batch=10) for seed in (3, 4)])
        assert played[0] == played[1]
        assert (played[0][0] != played[0][1]) is self.draws

    @pytest.mark.parametrize("space", [NESTED, Space({"only": [1]})], ids=["nested", "single"])
    def test_a_small_space_is_visited_wholly_and_then_ends(self, space: Space) -> None:
        """No proposals while no results are awaited end the search. Results that it did not ask for are no reason."""
        strategy, known = self.make(space, 0), list(space)[: space.size // 3]
        strategy.tell(_results_of(space, known))
        strategy.tell([])
        batches = _ask_and_tell(strategy, space, rounds=space.size, batch=7)
        assert {*known, *(architecture for batch in batches for architecture in batch)} == set(space)
        assert strategy.ask(7) == []

    def test_it_may_be_asked_again_before_results_are_there(self) -> None:
        """Workers that are free ask while others still evaluate, and these finish in any order."""
        strategy = self.make(WIDE, 0)
        asked = [strategy.ask(5) for _ in range(4)]
        for batch in reversed(asked):
            strategy.tell(_results_of(WIDE, batch))
        proposed = [architecture for batch in [*asked, strategy.ask(5)] for architecture in batch]
        assert asked[0] and len(set(proposed)) == len(proposed)

    def test_infeasible_and_failed_results_alone_do_not_stop_it(self) -> None:
        """Under a tight constraint nothing is evaluated for long; a training that diverges has no objectives."""
        strategy = self.make(WIDE, 0)
        for number in range(8):
            batch = strategy.ask(20)
            assert batch, "nothing is proposed, though nearly all of the space is left"
            strategy.tell([Result(architecture, {}, None, float(number % 2)) for architecture in batch])


def _results_of(space: Space, architectures: Sequence[Architecture], objectives: int = 2) -> list[Result]:
    """Objectives from the indices; every fifth is infeasible without evaluation, some after it."""
    results = []
    for architecture in architectures:
        total = float(space.indices([architecture]).sum())
        cheap = int(architecture.id, 16) % 5 == 0
        violation = 0.5 if cheap else 0.25 if total % 7 == 0 else 0.0
        vector = None if cheap else (-total, total**2 / 10)[:objectives]
        results.append(Result(architecture, {"total": total}, vector, violation))
    return results


def _ask_and_tell(
    strategy: Strategy, space: Space, *, rounds: int, batch: int, objectives: int = 2
) -> list[list[Architecture]]:
    asked = []
    for _ in range(rounds):
        asked.append(strategy.ask(batch))
        strategy.tell(_results_of(space, asked[-1], objectives))
    return asked
