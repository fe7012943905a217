"""The network that a run takes is confirmed by images that no decision ever saw."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from killing import CHAIN

from nas.data import ImageSplit
from nas.delivery.networks import restore_trained
from nas.delivery.selection import confirm, select, warnings
from nas.evaluation import SharedWeights
from nas.runs import run_search
from nas.setup import RunFolder, Setup, resolve
from nas.space import Architecture
from nas.tasks import Tally

SETTINGS = {**CHAIN, "candidates": 12, "random_baseline": 12, "training": {"epochs": 3}}


def run(folder: Path, **changes: Any) -> tuple[RunFolder, dict[str, Any]]:
    run_folder = RunFolder(folder / "run")
    return run_folder, run_search(resolve({**SETTINGS, **changes}, "test"), run_folder)


def setup(**changes: Any) -> Setup:
    return Setup(resolve({**SETTINGS, **changes}, "test"))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunFolder, dict[str, Any], list[str]]]:
    """A finished run, its result, and which splits were read after which stage had begun."""
    read: list[str] = []
    made: dict[int, str] = {}
    build, stage = Setup.__init__, RunFolder.stage

    def noting(batches: Callable[[ImageSplit, int], Any]) -> Callable[[ImageSplit, int], Any]:
        def noted(split: ImageSplit, batch_size: int) -> Any:
            read.append(made.get(id(split), "other"))
            return batches(split, batch_size)

        return noted

    def named(self: Setup, *arguments: Any) -> None:
        build(self, *arguments)
        made.update({id(self.confirmation): "confirmation", id(self.data.test): "test"})

    def begun(self: RunFolder, name: str) -> Any:
        read.append(f"begin {name}")
        return stage(self, name)

    with pytest.MonkeyPatch.context() as patch:
        for way in ("batches", "pixels"):
            patch.setattr(ImageSplit, way, noting(getattr(ImageSplit, way)))
        patch.setattr(Setup, "__init__", named)
        patch.setattr(RunFolder, "stage", begun)
        folder, result = run(tmp_path_factory.mktemp("selection"))
    yield folder, result, read


def test_nothing_reads_what_confirms_or_tests_before_the_network_is_chosen(
    found: tuple[RunFolder, dict[str, Any], list[str]],
) -> None:
    read = found[2]
    assert not {"confirmation", "test"} & set(read[: read.index("begin export")])
    assert read.count("confirmation") == 4, "front and largest, the file, random best, the classes of the file"
    assert read.count("test") == 3, "the file, largest, random best"


def test_figures_of_a_network_are_those_of_its_part(found: tuple[RunFolder, dict[str, Any], list[str]]) -> None:
    folder, result, _ = found
    work, best = setup(), result["best"]
    table = pd.read_csv(folder.candidates).set_index("id")
    for row in result["front"]:
        assert row["selection_accuracy"] == table.loc[row["id"], "selection_accuracy"]
    restore_trained(work, folder)
    chosen = Architecture(best["architecture"])
    network = work.evaluator.network(chosen)
    assert work.evaluate(network, work.confirmation, chosen)["accuracy"] == pytest.approx(best["accuracy"], abs=0.006)
    assert work.evaluate(network, work.data.test, chosen)["accuracy"] == best["test_accuracy"]
    assert best["test_accuracy_low"] < best["test_accuracy"] < best["test_accuracy_high"]


def test_luck_gets_the_same_rule_and_as_many_candidates(found: tuple[RunFolder, dict[str, Any], list[str]]) -> None:
    result = found[1]
    assert result["random"]["draws"] == 12 and "optimism" in result["random"]
    assert {"test_accuracy", "test_accuracy_low", "test_accuracy_high"} <= set(result["random"])
    bound = 0.8 * result["largest"]["flops"]
    assert result["random"]["flops"] <= bound
    assert not found[0].baseline.exists()


def test_random_draws_take_a_tenth_of_the_time_unless_told_otherwise(tmp_path: Path) -> None:
    folder, result = run(tmp_path, random_baseline=None, candidates=6, training={"epochs": 1})
    draws = folder.read(folder.baseline)["draws"]
    assert 1 <= draws <= 6 and result["random"]["draws"] == draws
    folder.best.unlink()
    assert run(tmp_path, random_baseline=None, candidates=6, training={"epochs": 1})[1]["random"] == result["random"]


def test_a_single_candidate_is_chosen_and_confirmed(tmp_path: Path) -> None:
    _, result = run(tmp_path, candidates=1, random_baseline=0)
    assert result["random"] is None
    assert result["selection"] == {
        "best": result["best"]["id"],
        "equals": [result["best"]["id"]],
        "within": 0.5,
        "of": 1,
        "differ": False,
    }


def test_among_equals_the_cheapest_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    work = setup(evaluation={"equal_within": 1.0})
    split = work.data.validation
    rows = [
        {"id": name, "architecture": work.space.sample(number).key, "flops": cost}
        for number, (name, cost) in enumerate([("dear", 3), ("equal", 2), ("worse", 1)])
    ]
    wrong = [[0], [0, 1], list(range(len(split) // 2))]

    def evaluated(self: SharedWeights, architectures: Any, split: Any) -> list[Tally]:
        tallies = []
        for places in wrong:
            tally, logits = work.data.task.tally(), torch.eye(2)[[int(place in places) for place in range(len(split))]]
            tally.add(logits, torch.zeros(len(split), dtype=torch.long))
            tallies.append(tally)
        return tallies

    monkeypatch.setattr(SharedWeights, "tallies", evaluated)
    strict = setup(evaluation={"equal_within": 0.0})
    assert select(strict, rows)[0]["id"] == "dear"
    row, why = select(work, rows)
    assert row["id"] == "equal"
    assert why == {"best": "dear", "equals": ["dear", "equal"], "within": 1.0, "of": 3, "differ": True}


def test_confirmed_figures_do_not_lose_what_was_selected_by(monkeypatch: pytest.MonkeyPatch) -> None:
    work = setup()
    row = {"id": "a", "architecture": work.space.largest().key, "accuracy": 0.9, "accuracy_low": 0.8, "flops": 1}
    (confirmed,) = confirm(work, [row])
    assert confirmed["selection_accuracy"] == 0.9 and confirmed["selection_accuracy_low"] == 0.8
    assert confirmed["optimism"] == 0.9 - confirmed["accuracy"] and confirmed["flops"] == 1


def test_a_test_split_unlike_the_others_is_said() -> None:
    work = setup()
    row = {"id": "a", "accuracy_low": 0.85, "accuracy_high": 0.95, "test_accuracy": 0.7}
    told = warnings(work, {**row, "test_accuracy_low": 0.6, "test_accuracy_high": 0.8})
    assert len(told) == 1 and "test accuracy of a, 70.00%, is far outside" in told[0]
    assert not warnings(work, {**row, "test_accuracy_low": 0.8, "test_accuracy_high": 0.86})


@pytest.mark.parametrize(
    ("changes", "best"),
    [
        ({}, True),
        ({"constraints": ["latency_ms <= 1"]}, True),
        ({"constraints": []}, False),
        ({"constraints": ["accuracy >= 0.5"]}, False),
        ({"goal": "front"}, False),
        ({"constraints": [], "goal": "best"}, True),
    ],
)
def test_a_bound_on_a_cost_makes_the_best_the_goal(changes: dict[str, Any], best: bool) -> None:
    assert setup(**changes).seeks_best is best
