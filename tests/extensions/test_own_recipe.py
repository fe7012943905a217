"""A choice of the recipe, read by evaluator and cost of a user, through the command to ONNX and report."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from nas.cli import main

HERE = Path(__file__).parent
TINY: dict[str, Any] = {
    "space": "chain",
    "space_args": {"layers": [1, 1], "width": 4, "head": 16},
    "data": "digits",
    "extra": {"learning_rate": [0.001, 0.1], "image_size": [6, 8]},
    "evaluator": "beside_me:Tuned",
    "limit": 200,
    "candidates": 8,
    "random_baseline": 0,
    "costs": ["beside_me:trainings"],
    "constraints": ["trainings <= 100"],
    "cost": "flops",
    "retraining": {"epochs": 1},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with the user's module in it."""
    shutil.copy(HERE / "own_recipe.py", tmp_path / "beside_me.py")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("beside_me", None)


def search(folder: Path, *more: str, **changes: Any) -> int:
    """The exit code."""
    (folder / "run.yaml").write_text(json.dumps({**TINY, **changes}))
    with pytest.raises(SystemExit) as ended:
        main(["search", "--config", "run.yaml", "--name", "own", *more])
    return int(ended.value.code or 0)


def test_the_network_is_trained_by_the_recipe_that_was_chosen(folder: Path) -> None:
    assert search(folder, constraints=[]) == 0
    table = pd.read_csv(folder / "results/own/candidates.csv")
    rates = [json.loads(each)["learning_rate"] for each in table["architecture"]]
    assert set(rates) == {0.001, 0.1} and table["trainings"].tolist() == [1 / rate for rate in rates]
    best = json.loads((folder / "results/own/best.json").read_text())["best"]
    assert best["architecture"]["learning_rate"] == 0.1, "a tenth of a percent teaches nothing in an epoch"
    assert (folder / "results/own/best.onnx").stat().st_size and (folder / "results/own/report.html").exists()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"extra": {"learning_rat": [0.1]}},
            "extra names 'learning_rat', a choice that nothing in this run reads, be it task 'digits', evaluator "
            "'beside_me:Tuned' or its costs; did you mean 'learning_rate'?",
        ),
        (
            {"evaluator": "shared-weights", "costs": [], "constraints": []},
            "extra names 'learning_rate', a choice that nothing in this run reads",
        ),
    ],
)
def test_what_nothing_reads_is_refused(
    changes: dict[str, Any], sentence: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert search(folder, **changes) == 2
    assert sentence in " ".join(capsys.readouterr().err.split())
    assert not (folder / "results/own").exists()
