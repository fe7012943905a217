"""A user's ways to train a supernet, through the command: to ONNX and report, killed and resumed, with two workers."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from nas.cli import main
from nas.setup import RunFolder

METHODS = ["ALPHA", "ATTENTIVE", "CURIOUS", "ONCE_FOR_ALL"]
SETTINGS: dict[str, Any] = {
    "space": "mobilenet",
    "space_args": {"widths": [8, 16], "strides": [2, 2], "depths": [1, 2], "stem": 4, "head": 8},
    "data": "digits",
    "limit": 120,
    "candidates": 6,
    "random_baseline": 2,
    "constraints": ["flops <= 80% of largest"],
}


@pytest.fixture(autouse=True)
def _beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    shutil.copy(Path(__file__).parent / "own_methods.py", tmp_path / "my_methods.py")
    (tmp_path / "run.yaml").write_text(json.dumps(SETTINGS))
    monkeypatch.chdir(tmp_path)
    yield
    sys.modules.pop("my_methods", None)


def nas(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)


def search(method: str, name: str, *more: str) -> int:
    return nas("search", "--config", "run.yaml", "--method", f"my_methods:{method}", "--name", name, *more)


def scores(name: str) -> pd.DataFrame:
    table = pd.read_csv(Path("results") / name / "candidates.csv")
    return table[["id", "selection_accuracy", "selection_loss", "flops"]]


@pytest.mark.parametrize(
    "method", ["CURIOUS", *(pytest.param(each, marks=pytest.mark.slow) for each in ("ONCE_FOR_ALL", *METHODS[:2]))]
)
def test_it_trains_to_onnx_and_report_and_ends_alike_when_it_was_killed(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert search(method, "straight") == 0
    best = json.loads(Path("results/straight/best.json").read_text())
    assert best["method"] == f"my_methods:{method}"
    assert Path("results/straight/best.onnx").exists() and Path("results/straight/report.html").exists()
    log, killed = RunFolder.log, []

    def dies(self: RunFolder, stage: str, **values: Any) -> None:
        log(self, stage, **values)
        if stage == "train" and "epoch" in values and len(killed) < 2:
            killed.append(values["epoch"])
            raise KeyboardInterrupt

    monkeypatch.setattr(RunFolder, "log", dies)
    assert [search(method, "killed"), nas("resume", "killed"), nas("resume", "killed")] == [130, 130, 0]
    assert killed == [0, 1]
    pd.testing.assert_frame_equal(scores("killed"), scores("straight"))


def test_phases_of_progressive_shrinking_train_what_they_say() -> None:
    assert search("ONCE_FOR_ALL", "phases") == 0
    epochs = [json.loads(line) for line in Path("results/phases/log.jsonl").read_text().splitlines()]
    names = [epoch["phase"] for epoch in epochs if "phase" in epoch]
    assert names == [*["largest"] * 3, *["kernel"] * 3, *["kernel+depth"] * 3, *["kernel+depth+width+expansion"] * 3]


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_with_two_workers_the_scores_are_the_same(method: str) -> None:
    assert search(method, "alone") == 0 and search(method, "two", "--workers", "2") == 0
    pd.testing.assert_frame_equal(scores("two"), scores("alone"))
