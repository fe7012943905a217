"""Runs of methods whose paths, examples or masks follow what training has learnt: killed or not, the same file."""

from pathlib import Path
from typing import Any

import pytest
from killing import outcome, resume, run, search

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
