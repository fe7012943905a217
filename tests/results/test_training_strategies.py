"""Trainings of results/benchmarks/training_strategies have equal passes, and no row is computed twice."""

import csv
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from nas.problem import Problem
from nas.training import Context, Recipe, SupernetStep, train_phases

FOLDER = Path(__file__).parents[2] / "results/benchmarks/training_strategies"


@pytest.mark.slow
def test_everything_runs_once_at_a_tiny_size(part: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study, rows = part("training_strategies"), tmp_path / "rows.csv"
    words = ["--smoke", "--seeds", "0", "--rows", str(rows), "--work", str(tmp_path / "work")]
    study.main(words)
    with rows.open() as file:
        found = list(csv.DictReader(file))
    expected = {(space, name) for name, each in study.STRATEGIES.items() for space in each.spaces}
    assert {(row["space"], row["method"]) for row in found} == expected | {("chain", "flops"), ("toy_cell", "flops")}
    assert all(bool(row["hypervolume"]) == (row["space"] == "front") != bool(row["tau"]) for row in found)
    assert not any((tmp_path / "work").iterdir()), "checkpoints are gone"
    written = rows.read_bytes()
    monkeypatch.setattr(study, "row_of", None)
    study.main(words)
    assert rows.read_bytes() == written
    page = part("strategies_page").page(pd.read_csv(rows))
    assert page.count("| spos, average |") == 3 and "| flops |" in page and "nan" not in page.replace("| nan |", "")


def test_a_training_that_was_killed_gives_the_row_of_one_that_was_not(
    part: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = part("training_strategies")
    contest, name = study.smoke()["front"], "spos, average"
    straight = study.row_of("front", name, 0, contest, None, tmp_path / "straight.safetensors")

    def kill(phases: Any, **others: Any) -> None:
        train_phases(phases, **others, until=2)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(study, "train_phases", kill)
        study.row_of("front", name, 0, contest, None, tmp_path / "killed.safetensors")
    again = study.row_of("front", name, 0, contest, None, tmp_path / "killed.safetensors")
    assert again["hypervolume"] == straight["hypervolume"]


@pytest.mark.parametrize("name", ["spos", "fairnas", "bignas", "bignas, single paths first", "spos, double batches"])
def test_every_training_has_the_passes_that_it_says(part: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    study, counted, after = part("training_strategies"), list[int](), SupernetStep.after_step

    def count(step: SupernetStep, context: Context) -> None:
        counted.append(len(context.paths) * len(context.x))
        after(step, context)

    monkeypatch.setattr(SupernetStep, "after_step", count)
    contest = study.smoke()["front"]
    data = contest.data(0)
    problem = Problem(contest.supernet(data), data, 0, Recipe(epochs=4, batch_size=8))
    phases, examples = study.phases_of(study.STRATEGIES[name], problem, 8 * 40)
    train_phases(phases, seed=0)
    assert sum(counted) == examples
    assert examples == pytest.approx(8 * 40, rel=0.2)


def test_more_passes_than_an_epoch_has_are_refused(part: Any) -> None:
    study = part("training_strategies")
    contest = study.smoke()["front"]
    data = contest.data(0)
    problem = Problem(contest.supernet(data), data, 0, Recipe(epochs=1, batch_size=8))
    with pytest.raises(AssertionError, match="more examples are asked for than there are"):
        study.phases_of(study.STRATEGIES["spos"], problem, 8 * 100)


def test_a_perfect_ranking_and_counting(part: Any) -> None:
    study = part("training_strategies")
    table = pd.DataFrame({"truth": range(20), "flops": [1.0, 2.0] * 10})
    assert study.ranked(table["truth"], table) == {"tau": 1.0, "within": 1.0, "precision": 1.0, "regret": 0.0}
    by_flops = study.counting("chain", ([], table))
    assert by_flops["within"] == 0 and 0 < by_flops["tau"] < 0.5
