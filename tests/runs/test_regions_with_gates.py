"""Runs whose regions learn gates: each arrives at an architecture, and the best on validation becomes the network."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from killing import finish, outcome

from nas.errors import UsageError
from nas.setup import RunFolder, Setup, resolve

SETTINGS: dict[str, Any] = {
    "space": "chain",
    "space_args": {"layers": [1, 1, 1], "width": 4, "head": 16},
    "data": "digits",
    "limit": 120,
    "random_baseline": 0,
    "training": {"epochs": 3, "batch_size": 16},
    "retraining": {"epochs": 1},
}
METHODS: dict[str, dict[str, Any]] = {
    "few-shot:darts": {"candidates": 3},
    "gradient-matching:gdas": {"sharing_args": {"repeats": 2}},
    "few-shot:proxyless": {"constraints": ["flops <= 60% of largest"], "candidates": 5, "cost": "flops"},
}


def settings(method: str) -> dict[str, Any]:
    return {**SETTINGS, "method": method, **METHODS[method]}


def epochs_of(folder: RunFolder) -> list[dict[str, Any]]:
    lines = map(json.loads, folder.log_file.read_text().splitlines())
    return [line for line in lines if line.get("stage") == "train" and "epoch" in line]


def test_the_best_architecture_of_a_region_becomes_an_onnx_file(tmp_path: Path) -> None:
    finish(tmp_path, settings("few-shot:darts"))
    folder = RunFolder(tmp_path / "run")
    best, derived = json.loads(folder.best.read_text()), json.loads(folder.derived.read_text())
    last = epochs_of(folder)[-1]
    regions = last["architecture"]["derived_by_bank"]
    assert len(regions) == best["sharing"]["banks"] == 3 and derived in regions
    (division,) = best["sharing"]["divisions"]
    for bank, taken in division["parts"].items():
        assert [regions[int(bank)][division["choice"]]] == taken
    rows = list(csv.DictReader((tmp_path / "run/candidates.csv").open()))
    scores = {row["architecture"]: float(row["selection_accuracy"]) for row in rows}
    assert len(scores) == 3 and {json.dumps(json.loads(text)) for text in scores} == set(map(json.dumps, regions))
    assert max(scores.values()) == next(scores[text] for text in scores if json.loads(text) == derived)
    session = onnxruntime.InferenceSession(folder.onnx)
    (output,) = session.run(None, {session.get_inputs()[0].name: np.zeros((2, 1, 8, 8), np.float32)})
    assert output.shape == (2, 10)
    assert "mean over the regions" in folder.report.read_text()


def test_fewer_epochs_than_levels_are_refused_before_anything_is_measured(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"needs 2 epochs or more, but training\.epochs is 1"):
        finish(tmp_path, {**settings("few-shot:darts"), "training": {"epochs": 1}})
    assert not RunFolder(tmp_path / "run").log_file.exists()


@pytest.mark.parametrize(
    "method", ["gradient-matching:gdas", pytest.param("few-shot:proxyless", marks=pytest.mark.slow)]
)
def test_a_run_killed_after_each_epoch_gives_the_same_answer(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference, killed = tmp_path / "reference", tmp_path / "killed"
    finish(reference, settings(method))
    log, kills = RunFolder.log, list[int]()

    def log_and_die(self: RunFolder, stage: str, **values: Any) -> None:
        log(self, stage, **values)
        if stage == "train" and values.get("epoch", 3) not in (*kills, 3):
            kills.append(values["epoch"])
            raise KeyboardInterrupt

    monkeypatch.setattr(RunFolder, "log", log_and_die)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            finish(killed, settings(method))
    finish(killed, settings(method))
    assert kills == [0, 1, 2]
    assert outcome(killed) == outcome(reference)
    assert (killed / "run/derived.json").read_text() == (reference / "run/derived.json").read_text()


def test_the_method_takes_over_recipe_and_choice_of_its_gates() -> None:
    (ours, theirs) = (Setup(resolve({**SETTINGS, "method": name}, "test")) for name in ("few-shot:darts", "darts"))
    assert ours.config.training == theirs.config.training and ours.config.learning == theirs.config.learning
    assert (ours.config.strategy, ours.config.candidates, ours.config.retrain) == ("derived", 1, "fresh")
    assert not ours.method.trains_banks_apart and ours.method.proposes
