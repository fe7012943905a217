"""Runs of methods whose subnets are parts of each other: killed in training, they end in the same file."""

from pathlib import Path
from typing import Any

import pytest
from killing import finish, outcome, resume, run, search

from nas.errors import UsageError

CONVOLUTIONS: dict[str, Any] = {
    "space": "mobilenet",
    "space_args": {"widths": [8, 16], "strides": [1, 2], "depths": [1, 2], "stem": 8, "head": 16},
}
PATCHES: dict[str, Any] = {
    "space": "search_spaces.autoformer:autoformer",
    "space_args": {"patch": 4, "widths": [8, 16], "depths": [1, 2], "heads": [1, 2], "head_dim": 4, "ratios": [1, 2]},
}
METHODS: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("sortednet", "slimmable", "universally-slimmable", "ofa"), CONVOLUTIONS),
    **dict.fromkeys(("matformer", "lighthubert"), PATCHES),
}


def settings(method: str) -> dict[str, Any]:
    """A run of seconds, whose four epochs are of two phases or more where the method has any."""
    return {
        "data": "digits",
        "limit": 120,
        "method": method,
        "candidates": 8,
        "random_baseline": 0,
        "finish": {"networks": 0},
        "constraints": ["flops <= 80% of largest"],
        "training": {"epochs": 4, "batch_size": 16},
        **METHODS[method],
    }


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_a_run_killed_by_the_system_ends_as_an_uninterrupted_one(method: str, tmp_path: Path) -> None:
    reference, killed = tmp_path / "reference", tmp_path / "killed"
    log = killed / "run/log.jsonl"
    assert run(search(reference, settings(method)))
    for wanted in ('"epoch": 0', '"epoch": 2', '"stage": "search", "event": "begin"'):
        arguments = resume(killed) if log.exists() else search(killed, settings(method))
        assert not run(arguments, lambda wanted=wanted: log.exists() and wanted in log.read_text())  # type: ignore[misc]
    assert run(resume(killed))
    check_same(killed, reference)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"method": "sortednet", "space": "chain", "space_args": {}}, "needs nested sizes, but choice 'layer0'"),
        ({"method": "slimmable", "space": "chain", "space_args": {}}, "needs widths to choose from"),
        ({"method": "matformer"}, "needs feed-forward sizes to choose from"),
        ({"method": "ofa", "training": {"epochs": 1}}, "needs two epochs or more"),
        ({"method": "sortednet", "method_args": {"paths": 0}}, "paths=0 and main_every=2"),
    ],
)
def test_what_a_method_cannot_train_is_refused_before_anything_is_measured(
    values: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    given = {**settings("ofa"), "constraints": ["latency_ms <= 50% of largest"], **values}
    with pytest.raises(UsageError, match=sentence):
        finish(tmp_path, given)
    assert not (tmp_path / "run").exists()


def check_same(killed: Path, reference: Path) -> None:
    assert outcome(killed) == outcome(reference)
    ours, theirs = ((folder / "run/best.onnx").read_bytes() for folder in (killed, reference))
    assert ours == theirs
