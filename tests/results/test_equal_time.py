"""The arms of results/benchmarks/equal_time compete for the same space and bound, and no row is computed twice."""

import csv
import dataclasses
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

SLOW = pytest.mark.slow

FOLDER = Path(__file__).parents[2] / "results/benchmarks/equal_time"


def problem_of(part: Any, task: str, bound: int = 50, budget: float = 1e9, arm: str = "uniform", seed: int = 0) -> Any:
    contests = part("contests")
    made = contests.Problem(contests.Cell(task, bound, budget, arm, seed), None)
    made.__dict__["data"] = _Shapes(made.contest)
    return made


class _Shapes:
    """As much of a data set as a space asks for."""

    def __init__(self, contest: Any) -> None:
        text, size = contest.space == "transformer_lm", contest.load.get("image_size", 28)
        channels = 3 if contest.load["name"] == "cifar10" else 1
        self.input_shape = (64,) if text else (channels, size, size)
        self.output_shape = (65, 64) if text else (10,)
        self.input_dtype = torch.int64 if text else torch.float32


@pytest.mark.parametrize("task", ["fm14", *(pytest.param(each, marks=SLOW) for each in ("cifar16", "shakespeare"))])
def test_scaled_widths_are_the_largest_network_at_one_and_fill_the_bound(part: Any, task: str):
    uniform, problem = part("uniform"), problem_of(part, task)
    assert uniform.count_flops(uniform.scaled(problem, 1.0), problem) == problem.largest_flops
    network = uniform.scaled(problem, uniform._factor(problem))
    assert 0.9 * problem.most_flops < uniform.count_flops(network, problem) <= problem.most_flops


@pytest.mark.parametrize("bound", [50, pytest.param(25, marks=SLOW)])
def test_random_networks_keep_the_bound_and_are_those_of_their_seed(part: Any, bound: int):
    problem = problem_of(part, "fm14", bound)
    drawn = [problem.random(0, draw) for draw in range(5)]
    assert all(problem.is_feasible(each) for each in drawn) and len(set(drawn)) > 1
    assert drawn == [problem.random(0, draw) for draw in range(5)]


@pytest.mark.slow
def test_an_arm_hands_over_a_network_within_the_bound(part: Any):
    contests, one_cell = part("contests"), part("one_cell")
    (row,) = one_cell.rows_of(contests.Cell("noisy_digits", 25, 1.5, "asha-tpe", 1), None)
    assert 0 < row["flops_share"] <= 0.25
    assert row["test_low"] < row["test"] < row["test_high"]


def test_training_ends_at_a_rate_of_zero_and_stops_where_it_is_told(part: Any):
    contests, alone = part("contests"), part("alone")
    problem = contests.Problem(contests.Cell("noisy_digits", 50, 1e9, "random", 0), None)
    training = alone.Training(problem.fresh(problem.supernet.space.smallest(), 0), problem, 0.3, 0)
    training.until(1 / 3)
    first = training.steps, training.spent
    training.until(1 / 3)
    assert (training.steps, training.spent) == first
    training.until(1.0)
    assert training.steps > first[0] and training.optimizer.param_groups[0]["lr"] < 0.01


def test_a_row_that_is_there_is_not_computed_again(part: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    driver: ModuleType = part("equal_time")
    computed: list[Any] = []

    def rows_of(cell: Any, data_dir: Path | None) -> list[dict[str, Any]]:
        computed.append(cell)
        if cell.seed == 1 and len(computed) < 4:
            return []
        blank = dict.fromkeys(driver.COLUMNS, 0.5)
        return [{**blank, **dataclasses.asdict(cell), "metric": "accuracy"}]

    monkeypatch.setattr(driver, "rows_of", rows_of)
    words = ["--tasks", "noisy_digits", "fm14", "--arms", "uniform", "random", "--bounds", "50"]
    monkeypatch.setattr(
        sys, "argv", ["equal_time.py", *words, "--seeds", "0", "1", "--rows", str(tmp_path / "rows.csv")]
    )
    driver.main()
    assert [(each.arm, each.seed) for each in computed] == [
        ("uniform", 0),
        ("random", 0),
        ("uniform", 1),
        ("random", 1),
    ]
    driver.main()
    assert [(each.arm, each.seed) for each in computed[4:]] == [("uniform", 1)]
    with (tmp_path / "rows.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 4


def test_the_table_marks_ties_and_overruns_and_says_who_is_ahead(part: Any):
    table = part("table")
    row = {
        "task": "a",
        "bound": 50,
        "budget": 60.0,
        "seed": 0,
        "metric": "accuracy",
        "cpu_seconds": 60,
        "reference_ms": 3.0,
        "versions": "v",
    }
    rows = [{**row, "arm": "spread", "draw": draw, "test": 0.8 + 0.001 * draw} for draw in range(10)]
    rows += [{**row, "arm": "uniform", "seed": seed, "test": 0.8 + 0.01 * seed} for seed in (0, 1)]
    rows += [{**row, "arm": "engine", "seed": seed, "test": 0.83 + 0.01 * seed, "cpu_seconds": 64} for seed in (0, 1)]
    rows.append({**row, "arm": "asha-random", "test": 0.8, "reference_ms": 4})
    page = table.page(pd.DataFrame(rows))
    assert "| a | 50 % | 10 | 80.45 ± 0.30 | 80.00 | 80.90 | 0.90 = |" in page
    assert "| a = | 50 % | 83.50 ± 0.71 (2) † | 80.50 ± 0.71 (2) | 80.00 (1) ‡ |" in page
    assert "+3.00 points ± 0.00 (uniform)" in page
    assert "2 rows took over 5 % more" in page
    better = table.lead({"engine": pd.DataFrame(_bits(2.0)), "random": pd.DataFrame(_bits(2.5))}, "bits_per_character")
    assert better == "+0.50 bits (random)"


def test_four_bounds_are_compared_by_their_mean_where_all_are_there(part: Any):
    table, (first, *others) = part("table"), part("contests").SWEPT
    row = {"task": "a", "metric": "accuracy"}
    rows = [{**row, "arm": "sweep", "bound": bound, "seed": 0, "test": 0.8} for bound in (first, *others)]
    rows += [{**row, "arm": "uniform", "bound": bound, "seed": 0, "test": 0.7} for bound in others]
    rows += [{**row, "arm": "uniform", "bound": first, "seed": seed, "test": 0.9} for seed in (0, 1)]
    *_, line = table.together(pd.DataFrame(rows))
    assert line == "| a | 80.00 (1) | - | 75.00 (1) | - | - | - | - | +5.00 points (uniform) |"


@pytest.mark.slow
def test_one_supernet_delivers_a_network_for_each_bound(part: Any):
    contests, one_cell = part("contests"), part("one_cell")
    rows = one_cell.rows_of(contests.Cell("noisy_digits", contests.SWEPT[0], 10, "sweep", 0), None)
    assert [row["bound"] for row in rows] == [*contests.SWEPT]
    assert all(row["flops_share"] <= row["bound"] / 100 for row in rows)


def _bits(value: float) -> list[dict[str, Any]]:
    return [{"seed": 0, "test": value}]


@pytest.mark.parametrize("task", ["fm14", pytest.param("shakespeare", marks=SLOW)])
def test_networks_of_nni_are_those_of_nas(part: Any, task: str):
    pytest.importorskip("nni")
    problem, one_shot = problem_of(part, task), part("nni_oneshot")
    contest, data = problem.contest, problem.data
    space = part("nni_space").model_space(
        contest.space, data.input_shape, data.output_shape[0], dict(contest.space_args)
    )
    for seed in range(3):
        sample: dict[str, Any] = {}
        theirs = space.random(memo=sample, random_state=np.random.RandomState(seed))
        ours = problem.supernet.extract(one_shot._architecture(problem, sample))
        sizes = [sum(each.numel() for each in network.parameters()) for network in (theirs, ours)]
        assert sizes[0] == sizes[1]
