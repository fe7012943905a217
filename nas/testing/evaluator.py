"""What every evaluator must do."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch

from nas.data import load
from nas.evaluation import Evaluator, MakesNetworks, TalliesExamples
from nas.problem import Problem
from nas.space import Architecture
from nas.supernet import Supernet
from nas.testing.spaces import small_model
from nas.training import Recipe

__all__ = ["EvaluatorSuite"]


class EvaluatorSuite:
    """Tests of a :class:`nas.evaluation.Evaluator`.

    >>> from nas.evaluation.trained_alone import TrainedAlone
    >>> class TestTrainedAlone(EvaluatorSuite):
    ...     def make(self, problem):
    ...         return TrainedAlone(problem)

    Attributes:
        make: a fresh evaluator, given a problem.
    """

    make: Callable[[Problem], Evaluator]

    def problem(self) -> Problem:
        """A small one; another if it must be of a kind."""
        torch.manual_seed(0)
        data = load("digits", limit=100)
        return Problem(Supernet(small_model()), data, retraining=Recipe(epochs=1, batch_size=50))

    def test_rows_are_those_of_each_alone_in_order(self) -> None:
        """Workers get other batches, and a resumed search evaluates the rest: nothing depends on what came before."""
        problem, evaluator, asked = self._made()
        table, other = evaluator(asked), self.make(problem)
        alone = pd.concat([other([each]) for each in reversed(asked)][::-1], ignore_index=True)
        pd.testing.assert_frame_equal(table.reset_index(drop=True), alone)

    def test_it_gives_the_finite_numbers_that_it_promises(self) -> None:
        """What ``metrics`` names, which is searched for; without it the metric of the data."""
        problem, evaluator, asked = self._made()
        table = evaluator(asked)
        promised = getattr(evaluator, "metrics", [problem.task.metric.name])
        assert len(table) == len(asked) and set(promised) <= set(table.columns)
        assert np.isfinite(table[list(promised)].to_numpy(float)).all()

    def test_it_leaves_the_supernet_as_it_was(self) -> None:
        """Others of the same process evaluate and deliver by its weights."""
        problem, evaluator, asked = self._made()
        before = {name: tensor.clone() for name, tensor in problem.supernet.state_dict().items()}
        evaluator(asked)
        assert all(torch.equal(tensor, before[name]) for name, tensor in problem.supernet.state_dict().items())
        assert not getattr(evaluator, "needs_supernet", False) or evaluator.supernet is problem.supernet  # type: ignore[attr-defined]

    def test_examples_and_networks_are_those_that_it_evaluated(self) -> None:
        """Only of an evaluator that tallies examples or makes networks; candidates are compared pair by pair."""
        problem, evaluator, asked = self._made()
        if not isinstance(evaluator, TalliesExamples | MakesNetworks):
            pytest.skip("it neither tallies examples nor makes networks")
        if isinstance(evaluator, TalliesExamples):
            tallies, table = evaluator.tallies(asked, problem.data.validation), evaluator(asked)
            assert [len(tally.results) for tally in tallies] == [len(problem.data.validation)] * len(asked)
            told = pd.DataFrame([tally.metrics() for tally in tallies])
            shared = [name for name in table if name in told]
            pd.testing.assert_frame_equal(told[shared], table[shared].reset_index(drop=True))
        if isinstance(evaluator, MakesNetworks):
            (x, _) = next(iter(problem.data.validation.batches(4)))
            output = evaluator.network(asked[0])(x)
            assert output.shape[1:] == problem.data.output_shape and output.isfinite().all()

    def _made(self) -> tuple[Problem, Evaluator, list[Architecture]]:
        problem = self.problem()
        space = problem.space
        asked = dict.fromkeys([space.largest(), space.smallest(), *(space.sample(seed) for seed in range(2))])
        return problem, self.make(problem), list(asked)
