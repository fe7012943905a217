"""A few networks of a search train on by themselves, and the best of them is delivered."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from interrupting import Interrupting
from killing import CHAIN, finish

from nas.data import Split
from nas.errors import UsageError
from nas.runs import run_search
from nas.setup import RunFolder, Setup, resolve

LAST_ROUND: dict[str, Any] = {
    **CHAIN,
    "candidates": 12,
    "random_baseline": 0,
    "training": {"epochs": 4},
    "finish": {"networks": 4, "epochs": 8},
}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    there = tmp_path_factory.mktemp("last_round")
    finish(there, LAST_ROUND)
    return RunFolder(there / "run")


def test_the_networks_that_enter_differ_and_the_scaled_one_is_among_them(done: RunFolder) -> None:
    entered = done.result["selection"]["finish"]
    assert 2 <= len({row["id"] for row in entered}) == len(entered) <= 4
    assert [row["origin"] for row in entered].count("scaled alike") == 1
    assert "random" in {row["origin"] for row in entered}


def test_rungs_halve_them_by_their_figures(done: RunFolder) -> None:
    entered = done.result["selection"]["finish"]
    first = sorted(entered, key=lambda row: -row["rung_1_accuracy"])
    second = [row for row in entered if "rung_2_accuracy" in row]
    assert len(second) == (len(entered) + 1) // 2
    worst_kept = min(row["rung_1_accuracy"] for row in second)
    assert all(row["rung_1_accuracy"] <= worst_kept for row in first if row not in second)
    assert sum("finished_accuracy" in row for row in entered) == 1


def test_the_delivered_network_meets_the_constraint_and_is_one_that_entered(done: RunFolder) -> None:
    best, selection = done.result["best"], done.result["selection"]
    setup = Setup(done.load_config())
    largest = setup.costs(setup.space.largest())["flops"]
    assert best["flops"] <= 0.8 * largest
    assert best["id"] in {row["id"] for row in selection["finish"]}
    assert best["accuracy"] != best["shared_accuracy"] or not selection["trained"]


def test_the_three_parts_of_the_validation_split_are_disjoint(done: RunFolder) -> None:
    setup = Setup(done.load_config())
    whole = Setup(resolve({**LAST_ROUND, "finish": {"networks": 0}}, "test"))
    parts = (setup.data.validation, setup.deciding, setup.confirmation)
    rows = [row.tobytes() for part in parts for x, _ in part.batches(1000) for row in x.numpy()]
    all_rows = [
        row.tobytes()
        for part in (whole.data.validation, whole.confirmation)
        for x, _ in part.batches(1000)
        for row in x.numpy()
    ]
    assert sorted(rows) == sorted(all_rows)
    assert min(map(len, parts)) > 0


def test_only_networks_near_the_bound_were_trained_and_the_largest_has_no_figures(done: RunFolder) -> None:
    largest = done.result["largest"]
    assert largest["accuracy"] is None
    assert largest["test_accuracy"] is None
    candidates = pd.read_csv(done.candidates)
    assert (candidates["flops"] <= 0.8 * largest["flops"]).all()


def test_a_round_that_is_interrupted_goes_on_to_the_same_network(done: RunFolder, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    for stop in ("rung 1", "to the end"):
        with pytest.raises(KeyboardInterrupt):
            run_search(done.load_config(), folder, Interrupting(stop))
    run_search(done.load_config(), folder)
    assert folder.onnx.read_bytes() == done.onnx.read_bytes()
    assert json.loads(folder.best.read_text())["selection"] == done.result["selection"]


def test_without_a_round_the_search_delivers_what_it_chose(done: RunFolder, tmp_path: Path) -> None:
    finish(tmp_path, {**LAST_ROUND, "finish": {"networks": 0}})
    result = RunFolder(tmp_path / "run").result
    assert "finish" not in result["selection"]
    assert result["best"]["id"] in {row["id"] for row in result["front"]}
    assert result["largest"]["test_accuracy"] is not None


def test_all_networks_are_trained_where_that_is_asked_for(tmp_path: Path) -> None:
    setup = Setup(resolve({**LAST_ROUND, "train_on": "all"}, "test"))
    assert not setup.trains_feasible
    paths = {path.architecture for phase in setup.phases() for path in _drawn(phase)}
    assert setup.space.largest() in paths


def _images(parts: Sequence[Split]) -> list[bytes]:
    return [image.tobytes() for part in parts for x, _ in part.batches(1000) for image in x.numpy()]


def _drawn(phase: Any) -> list[Any]:
    from nas.training import Context

    return [path for step in range(3) for path in phase.step.paths.draw(Context(step))]


@pytest.mark.slow
def test_the_largest_network_teaches_only_where_it_is_trained(tmp_path: Path) -> None:
    taught = {**LAST_ROUND, "finish": {"networks": 2, "epochs": 2, "distillation": 0.5}}
    with pytest.raises(UsageError, match=r"finish\.distillation is 0\.5, but nothing trains .* add --set train_on=all"):
        finish(tmp_path / "bounded", taught)
    ended: dict[float, RunFolder] = {}
    for share in (0.0, 0.5):
        values = {**taught, "train_on": "all", "finish": {**taught["finish"], "distillation": share}}
        finish(tmp_path / str(share), values)
        ended[share] = RunFolder(tmp_path / str(share) / "run")
    alone, pupils = (each.result["selection"]["finish"] for each in ended.values())
    assert [row["shared_accuracy"] for row in alone] == [row["shared_accuracy"] for row in pupils]
    lines = [list(map(json.loads, each.log_file.read_text().splitlines())) for each in ended.values()]
    losses = [[line["loss"] for line in some if line["stage"] == "finish" and "loss" in line] for some in lines]
    assert losses[0] and losses[0] != losses[1]
