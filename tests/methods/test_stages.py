"""Cheaper steps at first and larger batches at last: whose epochs are whose, and one schedule through all of them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import check_resumed

import nas
from nas.errors import UsageError
from nas.methods import METHODS
from nas.problem import Problem
from nas.space import Architecture, ArchitectureSet
from nas.training import Context, Listener, Phase, total_epochs, train_phases
from search_spaces.chain import chain

EPOCHS = 10


def problem(feasible: bool = False, epochs: int = EPOCHS) -> Problem:
    torch.manual_seed(0)
    supernet = nas.Supernet(chain((1, 8, 8), 10, layers=(1, 2), width=4, head=8))
    few = ArchitectureSet([supernet.space.smallest(), supernet.space.sample(3)]) if feasible else None
    recipe = nas.Recipe(epochs=epochs, batch_size=16, learning_rate=0.05, warmup_epochs=0)
    return Problem(supernet, nas.data.load("digits", limit=100), recipe=recipe, feasible=few)


def phases(method: str, made: Problem, **options: Any) -> list[Phase]:
    return list(METHODS[method].phases(made, **options))


class Diary(Listener):
    """Writes down paths, size of the batch and learning rate of every step."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, list[str], list[Architecture], int, float]] = []

    def after_step(self, context: Context) -> None:
        assert context.optimizer is not None
        rate = context.optimizer.param_groups[0]["lr"]
        drawn = [path.architecture for path in context.paths]
        self.steps.append((context.epoch, [path.role for path in context.paths], drawn, len(context.x), rate))


def told(made: Problem, method: str, **options: Any) -> list[tuple[int, list[str], list[Architecture], int, float]]:
    diary = Diary()
    train_phases([replace(each, listeners=[diary]) for each in phases(method, made, **options)], seed=0)
    return diary.steps


@pytest.mark.parametrize("method", ["spos", "bignas"])
def test_without_shares_there_is_one_phase_as_before(method: str) -> None:
    (phase,) = phases(method, problem())
    assert phase.until is None and phase.name == ""


@pytest.mark.parametrize("feasible", [False, True])
def test_the_stages_train_what_they_promise(feasible: bool) -> None:
    made = problem(feasible)
    shares = {"largest_first": 0.2, "single_paths": 0.3, "double_batches": 0.2}
    steps = told(made, "bignas", **shares)
    largest = made.drawn_from.largest()
    assert (largest == made.space.largest()) != feasible
    sandwich = ["largest", "random", "random", "smallest"]
    for epoch, roles, drawn, size, _ in steps:
        assert roles == (["random"] if epoch < 5 else sandwich)
        assert size == (32 if epoch >= 8 else 16)
        if epoch < 2 or epoch >= 5:
            assert drawn[0] == largest
    assert len({drawn[0] for epoch, _, drawn, _, _ in steps if 2 <= epoch < 5}) > 1
    names = [epoch for epoch, *_ in steps]
    assert names == sorted(names) and len(set(names)) == EPOCHS


def test_the_learning_rate_goes_on_from_stage_to_stage() -> None:
    made = problem()
    plain, staged = told(made, "spos"), told(problem(), "spos", largest_first=0.3, double_batches=0.2)
    first = [step for step in staged if step[0] < 8]
    assert [rate for *_, rate in first] == [rate for epoch, *_, rate in plain if epoch < 8]
    later = {epoch: rate for epoch, *_, rate in staged if epoch >= 8}
    assert sorted({rate for *_, rate in staged}, reverse=True) == list(dict.fromkeys(rate for *_, rate in staged))
    assert 0 < later[9] < later[8] < first[-1][-1]


def test_a_warm_start_changes_nothing_but_what_it_trains() -> None:
    """Single paths for all but the last epoch are the steps of spos, to the bit."""
    bignas, spos = problem(epochs=3), problem(epochs=3)
    train_phases(phases("bignas", bignas, single_paths=0.6), seed=4, until=2)
    train_phases(phases("spos", spos), seed=4, until=2)
    ours, theirs = (each.supernet.state_dict() for each in (bignas, spos))
    assert all(torch.equal(each, theirs[name]) for name, each in ours.items())


def test_stages_that_are_killed_end_bit_for_bit_as_others(tmp_path: Path) -> None:
    options = {"largest_first": 0.2, "single_paths": 0.3, "double_batches": 0.3}

    def run(**others: Any) -> nas.Supernet:
        made = problem(epochs=4)
        history = train_phases(phases("bignas", made, **options), seed=1, **others)
        assert [epoch["phase"] for epoch in history] == ["largest", "single paths", "all", "double batches"]
        return made.supernet

    check_resumed(run, tmp_path / "supernet.safetensors")


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_few_epochs_leave_the_last_stage_one(epochs: int) -> None:
    found = phases("bignas", problem(epochs=epochs), largest_first=0.3, single_paths=0.3, double_batches=0.3)
    assert total_epochs(found) == epochs and found[-1].recipe.batch_size == 32
    (*_, last) = phases("spos", problem(epochs=epochs), largest_first=0.9)
    assert last.name == "all" and last.end == epochs


def test_what_listens_begins_once() -> None:
    found = phases("bignas", problem(), zero_branches=True, largest_first=0.2)
    assert [len(each.listeners) for each in found] == [1, 0]


@pytest.mark.parametrize("shares", [{"largest_first": 1.0}, {"largest_first": -0.1}, {"double_batches": 1.2}])
def test_shares_that_leave_nothing_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=r"shares of the epochs are largest_first=.*their sum below 1"):
        phases("spos", problem(), **shares)
