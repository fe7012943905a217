"""A network that is cut down to a bound, from the command to the file."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from killing import MOBILENET, finish, outcome, resume, run, search

from nas.errors import UsageError

PRUNED: dict[str, Any] = {
    **MOBILENET,
    "limit": 300,
    "method": "latency-pruning",
    "method_args": {"rounds": 4},
    "training": {"epochs": 6, "learning_rate": 0.05},
    "finish": {"networks": 1, "epochs": 1, "distillation": 0.5},
}
del PRUNED["candidates"], PRUNED["random_baseline"]


def logged(folder: Path, stage: str, **wanted: Any) -> bool:
    file = folder / "run/log.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    return any({**json.loads(line), **wanted, "stage": stage} == json.loads(line) for line in lines)


@pytest.mark.slow
def test_it_delivers_what_is_left_within_the_bound_beside_the_largest_as_it_was(tmp_path: Path) -> None:
    finish(tmp_path, PRUNED)
    result = json.loads((tmp_path / "run/best.json").read_text())
    best, largest = result["best"], result["largest"]
    assert best["flops"] <= 0.6 * largest["flops"]
    with (tmp_path / "run/candidates.csv").open() as file:
        proposed = [json.loads(row["architecture"]) for row in csv.DictReader(file)]
    assert json.loads((tmp_path / "run/derived.json").read_text()) in proposed
    assert best["architecture"] in proposed and len(proposed) <= 4
    assert result["method"] == "latency-pruning" and result["sharing"]["scheme"] == "dense-parent"
    assert largest["test_accuracy"] > 0.2
    assert (tmp_path / "run/best.onnx").exists()
    costs = [json.loads(line).get("pruned_cost") for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    shrinking = [cost for cost in costs if cost is not None]
    assert shrinking == sorted(shrinking, reverse=True) and shrinking[-1] <= 0.6


@pytest.mark.slow
def test_killed_while_it_is_pruned_and_continued_it_ends_alike(tmp_path: Path) -> None:
    reference, killed = tmp_path / "reference", tmp_path / "killed"
    finish(reference, PRUNED)
    assert not run(search(killed, PRUNED), lambda: logged(killed, "train", epoch=3))
    assert not logged(killed, "train", event="end")
    assert run(resume(killed))
    assert outcome(killed) == outcome(reference)


@pytest.mark.slow
def test_a_time_is_planned_for_it_too(tmp_path: Path) -> None:
    timed = {name: value for name, value in PRUNED.items() if name not in ("training", "finish", "limit")}
    finish(tmp_path, {**timed, "cpu_time": 8})
    plan = json.loads((tmp_path / "run/plan.json").read_text())
    assert "candidates" not in plan["settings"] and "finish.networks" not in plan["settings"]
    result = json.loads((tmp_path / "run/best.json").read_text())
    assert result["best"]["flops"] <= 0.6 * result["largest"]["flops"]


@pytest.mark.parametrize(
    ("settings", "match"),
    [({"method_args": {"rounds": 0}}, "got rounds=0"), ({"training": {"epochs": 1}}, "training.epochs is 1")],
)
def test_what_it_cannot_do_is_refused_before_anything_is_written(
    tmp_path: Path, settings: dict[str, Any], match: str
) -> None:
    with pytest.raises(UsageError, match=match):
        finish(tmp_path, {**PRUNED, **settings})
    assert not (tmp_path / "run").exists()


def test_what_is_learnt_by_no_other_method_is_proposed_by_no_other(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="method 'bignas' learns no architecture"):
        finish(tmp_path, {**PRUNED, "method": "bignas", "method_args": {}, "strategy": "derived"})
