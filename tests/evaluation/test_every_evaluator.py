"""Our evaluators keep to what every evaluator must do, and so does a function of one architecture."""

from pathlib import Path

import pandas as pd
import pytest

from nas.evaluation import Evaluator
from nas.evaluation.evaluators import make_evaluator
from nas.problem import Problem
from nas.space import Architecture
from nas.testing import EvaluatorSuite

SETTINGS = {"batch_size": 64, "calibration_images": 100}


def depth(architecture: Architecture) -> float:
    return architecture["depth"] / 3


class TestEveryEvaluator(EvaluatorSuite):
    @pytest.fixture(
        autouse=True, params=["shared-weights", "standalone", "grown", "table", "zero-cost", f"{__name__}:depth"]
    )
    def evaluator(self, request: pytest.FixtureRequest, tmp_path: Path) -> None:
        self.name, self.path = request.param, tmp_path / "known.csv"

    def make(self, problem: Problem) -> Evaluator:
        known = [{"architecture": each.key, "accuracy": each["depth"] / 3} for each in problem.space]
        pd.DataFrame(known).to_csv(self.path, index=False)
        options = {"path": str(self.path)} if self.name == "table" else {}
        return make_evaluator(self.name, problem, options, SETTINGS, "accuracy")
