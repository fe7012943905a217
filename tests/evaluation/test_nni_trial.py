"""Trial code of NNI evaluates architectures as it is."""

import json
import re
import sys
from pathlib import Path

import pytest

from nas.errors import UsageError
from nas.evaluation import EVALUATORS
from nas.evaluation.evaluators import traits_of
from nas.run import Run
from nas.setup.config import RunConfig
from nas.setup.trust import reached
from nas.space import Architecture

pytest.importorskip("nni", reason="the extra nas-supernet[nni] is not installed")

TRIALS = "nni:nni_trials"
ARCHITECTURE = Architecture({"x": 5})


def test_a_final_result_is_the_score() -> None:
    assert EVALUATORS[f"{TRIALS}:one_number"](ARCHITECTURE) == {"score": -2.0}
    assert traits_of(f"{TRIALS}:one_number").metrics == {"score": True}


def test_other_numbers_of_a_result_are_metrics() -> None:
    assert EVALUATORS[f"{TRIALS}:several"](ARCHITECTURE) == {"score": 5.0, "cost": 10.0}


def test_a_search_runs_trials(tmp_path: Path) -> None:
    space = tmp_path / "space.json"
    space.write_text(json.dumps({"x": {"_type": "choice", "_value": [1, 2, 3, 4]}}))
    run = Run(space=str(space), evaluator=f"{TRIALS}:one_number", strategy="exhaustive", candidates=4)
    assert run.search("run", tmp_path).row["best"]["architecture"] == {"x": 3}


def test_trials_are_code_that_only_its_user_may_name() -> None:
    config = RunConfig(space="nni:nasbench201", strategy="nni:TPE", evaluator="nni:mine:train")
    assert reached(config) == {"evaluator": "mine:train"}


@pytest.mark.parametrize(
    ("trial", "message"),
    [
        ("silent", "reported no final result for architecture"),
        ("text", "reported 'good'; report a number"),
        ("missing", "has no 'missing'"),
        ("__all__", "is of type list, expected a function"),
    ],
)
def test_what_a_trial_does_wrong_is_told(trial: str, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        EVALUATORS[f"{TRIALS}:{trial}"](ARCHITECTURE)


def test_without_nni_trials_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nni", None)
    with pytest.raises(UsageError, match=re.escape("pip install 'nas-supernet[nni]'")):
        EVALUATORS["nni:mine:train"]
