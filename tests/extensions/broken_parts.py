"""Parts that are wrong in one thing each, and the test that must tell."""

import json
import pathlib
import random
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from own_annealing import Annealing
from own_counts import Counts, Deviance
from torch import Tensor, nn

import nas
from nas.evaluation.inherited_weights import InheritedWeights
from nas.hardware import CPU
from nas.nn import Linear
from nas.predictors import LinearPredictor
from nas.sampling import Uniform
from nas.search import Result
from nas.sharing import OneBank
from nas.space import Architecture
from nas.tasks import Metric, Tally
from nas.testing import (
    ElasticLayerSuite,
    EvaluatorSuite,
    PathSamplerSuite,
    PredictorSuite,
    SharingSuite,
    StrategySuite,
    TargetSuite,
    TaskSuite,
)
from nas.training import Context, Path


class TestProposesOutside(StrategySuite):
    fails = "test_proposals_are_new_members_and_no_more_than_asked"

    class Part(Annealing):
        def ask(self, n: int) -> list[Architecture]:
            return [Architecture({**each, "colour": "red"}) for each in super().ask(n)]

    make = Part


class TestProposesMore(StrategySuite):
    fails = "test_proposals_are_new_members_and_no_more_than_asked"

    class Part(Annealing):
        def ask(self, n: int) -> list[Architecture]:
            return super().ask(n + 1)

    make = Part


class TestDrawsFromTheGlobalGenerator(StrategySuite):
    fails = "test_it_is_a_function_of_seed_and_results"

    class Part(Annealing):
        def ask(self, n: int) -> list[Architecture]:
            return random.sample(found, len(found)) if (found := super().ask(n)) else []

    make = Part


class TestGivesUp(StrategySuite):
    fails = "test_infeasible_and_failed_results_alone_do_not_stop_it"

    class Part(Annealing):
        def tell(self, results: Sequence[Result]) -> None:
            if results and not any(result.objectives for result in results):
                self.proposed = set(range(self.space.size))

    make = Part


class TestCountsSteps(PathSamplerSuite):
    fails = "test_a_training_that_goes_on_draws_what_it_would_have_drawn"

    class Part(Uniform):
        drawn = 0

        def draw(self, context: Context) -> list[Path]:
            self.drawn += 1
            return super().draw(Context(self.drawn))

    make = Part


class TestNeverTrainsTheFirst(PathSamplerSuite):
    fails = "test_every_candidate_is_trained"

    class Part(Uniform):
        def draw(self, context: Context) -> list[Path]:
            (path,) = super().draw(context)
            name, candidates = next(iter(self.space.choices.items()))
            return [path._replace(architecture=self.space.complete({**path.architecture, name: candidates[-1]}))]

    make = Part


class TestSharesABlockThatDiffers(SharingSuite):
    fails = "test_a_population_is_evaluated_as_each_alone_and_as_its_network"

    class Alternating(OneBank):
        name = "alternating"

        def bank_of(self, architecture: Architecture) -> int:
            return int(architecture.id, 16) % self.models

        def key(self, architecture: Architecture, bank: int | None, path: str) -> None:
            return None

    def make(self) -> OneBank:
        return self.Alternating(3)


class TestLoadsWhateverItFinds(PredictorSuite):
    fails = "test_a_file_that_is_missing_damaged_or_of_another_guard_is_refused"

    class Part(LinearPredictor):
        @classmethod
        def load(cls, path: Any, guard: Any) -> LinearPredictor:
            return super().load(
                path, json.loads(pathlib.Path(path).read_text())["guard"] if pathlib.Path(path).exists() else guard
            )

    make = Part


class TestForgetsTheBatch(TargetSuite):
    fails = "test_the_fingerprint_tells_conditions_apart"

    class Part(CPU):
        def fingerprint(self) -> str:
            return f"cpu-{self.threads}-{self.dtype}"

    make = Part


class TestJudgesByRank(EvaluatorSuite):
    fails = "test_rows_are_those_of_each_alone_in_order"

    class Part(InheritedWeights):
        def __call__(self, architectures: Any, *more: Any) -> pd.DataFrame:
            return super().__call__(architectures, *more).rank()

    make = Part


class TestPromisesMore(EvaluatorSuite):
    fails = "test_it_gives_the_finite_numbers_that_it_promises"

    class Part(InheritedWeights):
        metrics: ClassVar = {"speed": "maximise"}

    make = Part


class CountsSuite(TaskSuite):
    def targets(self) -> Tensor:
        return (torch.arange(60) % 5 + 1.0)[:, None]

    def right(self, targets: Tensor) -> Tensor:
        return targets.log()


class TestTalliesTheLastBatch(CountsSuite):
    fails = "test_a_tally_depends_neither_on_batches_nor_on_their_order"

    class Part(Counts):
        def tally(self, groups: Any = None) -> Tally:
            class Last(Deviance):
                def metrics(self) -> dict[str, float]:
                    return {**super().metrics(), "loss": float(self._results[-1].mean())}

            return Last(groups)

    make = Part


class TestPointsTheWrongWay(CountsSuite):
    fails = "test_the_better_network_is_better_by_metric_results_and_score"

    class Part(Counts):
        metric = Metric("deviance", maximise=True)

    make = Part


class TestAgreesWithEverybody(CountsSuite):
    fails = "test_a_network_agrees_with_itself_and_not_with_another"

    class Part(Counts):
        def agree(self, answers: np.ndarray, expected: np.ndarray) -> np.ndarray:
            return np.ones(answers.shape, bool)

    make = Part


class TestExtractsTheLastChannels(ElasticLayerSuite):
    fails = "test_the_extracted_layer_equals_the_elastic_one_at_every_candidate"

    shape = (5,)

    class Last(Linear):
        def plain(self, copy: Any) -> nn.Module:
            plain = super().plain(copy)
            plain.weight = nn.Parameter(self.weight[-len(plain.weight) :].detach().clone())
            return plain

    def model(self) -> nn.Module:
        width = nas.Choice([2, 4, 8], name="width")
        return nn.Sequential(self.Last(5, width), nn.ReLU(), Linear(width, 3))
