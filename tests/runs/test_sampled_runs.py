"""Runs of methods whose paths, examples or masks follow what training has learnt: killed or not, the same file."""

import json
from pathlib import Path
from typing import Any

import pytest
from killing import finish, outcome, resume, run, search

from nas.setup import RunFolder

METHODS: dict[str, dict[str, Any]] = {
    "alphanet": {},
    "attentivenas": {},
    "attentivenas, worst of the batch": {"method_args": {"score": "batch", "focus": "worst"}},
    "shiftnas": {},
    "elasticvit": {"method_args": {"memory": 4}},
    "pa-da": {"retrain": "no"},
    "supertickets": {},
    "eeea": {"retrain": "no", "constraints": ["params <= 60% of largest"], "strategy_args": {"population": 5}},
    "bignas, regularised": {"method_args": {"dropout": 0.2, "drop_path": 0.2, "zero_branches": True}},
    "pa-da, unbiased": {"retrain": "no", "method_args": {"unbiased": True}},
}


def settings(method: str) -> dict[str, Any]:
    return {
        "space": "mobilenet",
        "space_args": {"widths": [8, 8], "strides": [1, 2], "depths": [1, 2], "stem": 8, "head": 16},
        "task": "digits",
        "limit": 200,
        "constraints": ["flops <= 80% of largest"],
        "candidates": 6,
        "random_baseline": 2,
        "training": {"epochs": 3},
        "method": method.partition(",")[0],
        **METHODS[method],
    }


class KilledError(Exception):
    """Stands for a kill between two epochs."""


def test_a_run_killed_in_training_ends_as_an_uninterrupted_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With most to remember: what is known of each candidate and of each training example."""
    reference, killed, log = tmp_path / "reference", tmp_path / "killed", RunFolder.log

    def log_and_die(folder: RunFolder, stage: str, **entry: Any) -> None:
        log(folder, stage, **entry)
        if stage == "train" and entry.get("epoch") == 1:
            raise KilledError

    finish(reference, settings("pa-da"))
    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "log", log_and_die)
        with pytest.raises(KilledError):
            finish(killed, settings("pa-da"))
    finish(killed, settings("pa-da"))
    assert outcome(killed) == outcome(reference)
    assert told(killed) == told(reference)


def told(folder: Path) -> list[dict[str, Any]]:
    """What epochs say, but for how fast they were."""
    entries = [json.loads(line) for line in (folder / "run/log.jsonl").read_text().splitlines()]
    timed = ("time", "images_per_second", "seconds")
    return [{key: each[key] for key in each if key not in timed} for each in entries if "epoch" in each]


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_a_run_killed_by_the_system_writes_the_same_file(method: str, tmp_path: Path) -> None:
    values, reference, killed = settings(method), tmp_path / "reference", tmp_path / "killed"
    log = killed / "run/log.jsonl"
    assert run(search(reference, values))
    for wanted in ('"epoch": 0', '"epoch": 1'):
        arguments = resume(killed) if log.exists() else search(killed, values)
        assert not run(arguments, lambda wanted=wanted: log.exists() and wanted in log.read_text())
    assert run(search(killed, values)), "the same command under the same name goes on"
    assert outcome(killed) == outcome(reference)
    files = [(folder / "run/best.onnx").read_bytes() for folder in (reference, killed)]
    assert files[0] == files[1]
