"""Banks trained apart from each other end as one process trains them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from nas.data import ImageSplit
from nas.distributed.bank_phases import apart_from, merged_epoch, of_banks
from nas.distributed.banks import train_banks
from nas.distributed.cluster import ray_module
from nas.distributed.data_parallel import Training
from nas.distributed.tasks import each
from nas.errors import UsageError
from nas.nn import OneOf
from nas.sampling import Uniform
from nas.sharing import BalancedMixture, FewShot, Sharing
from nas.supernet import Supernet
from nas.training import (
    CrossEntropy,
    Epoch,
    EveryCandidate,
    Phase,
    Recipe,
    SupernetStep,
    load_checkpoint,
    read_header,
    train_phases,
    with_cuts,
)

STEPS = 4
"""Of an epoch."""


def training_of(sharing: Callable[[], Sharing], paths: int = 1, **settings: Any) -> Callable[[], Training]:
    """Single paths through batch norm, cut before the second of four epochs; travels as a whole to the workers."""
    recipe = Recipe(**{"epochs": 4, "batch_size": 8, "learning_rate": 0.05, **settings})
    dropout = 0.2 if recipe.microbatches > 1 else 0.0

    def make() -> Training:
        torch.set_num_threads(1)
        torch.manual_seed(0)
        kinds = [{"skip": nn.Identity(), "k1": nn.Conv2d(4, 4, 1), "k3": nn.Conv2d(4, 4, 3, padding=1)} for _ in "ab"]
        head = nn.Sequential(nn.BatchNorm2d(4), nn.Flatten(), nn.Dropout(dropout), nn.Linear(144, 3))
        supernet = Supernet(nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), *map(OneOf, kinds), head), sharing())
        pixels = torch.randn(32, 1, 6, 6, generator=torch.Generator().manual_seed(0))
        data = ImageSplit(pixels, torch.arange(32) % 3, torch.zeros(1), torch.ones(1))
        step = SupernetStep(supernet, Uniform(supernet.space, 1, paths), [CrossEntropy()])
        phases = [Phase(step, data, recipe)]
        if isinstance(supernet.sharing, FewShot):
            phases = with_cuts(phases[0], [supernet.sharing.split_at], EveryCandidate(supernet))
        return Training(phases, seed=7)

    return make


def few_shot() -> Sharing:
    return FewShot("1", split_at=0.3)


def straight(make: Callable[[], Training], checkpoint: Path, **options: Any) -> list[Epoch]:
    made = make()
    return train_phases(made.phases, seed=made.seed, checkpoint=checkpoint, **options)


def same_tensors(one: Path, other: Path) -> None:
    ours, theirs = load_checkpoint(one)[0], load_checkpoint(other)[0]
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name]), name


def timeless(history: list[Epoch]) -> list[Epoch]:
    return [{name: value for name, value in epoch.items() if name != "images_per_second"} for epoch in history]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"optimizer": "adamw", "learning_rate": 0.01},
        {"microbatches": 2},
        {"weight_average": 0.8, "rate_by_size": 1.0},
    ],
)
def test_epochs_of_some_banks_each_are_put_together_to_one_of_all(tmp_path: Path, settings: dict[str, Any]) -> None:
    make = training_of(few_shot, **settings)
    assert apart_from(make().phases) == 2
    history = straight(make, tmp_path / "all", until=3)
    straight(make, tmp_path / "before", until=2)
    content = (tmp_path / "before").read_bytes()
    tensors, records = load_checkpoint(tmp_path / "before")[0], []
    for banks in ([0, 2], [1]):
        file, made = tmp_path / str(banks), make()
        file.write_bytes(content)
        step, recipe = made.phases[-1].step, made.phases[-1].recipe
        assert isinstance(step, SupernetStep)
        step.only = banks
        records.append(train_phases(made.phases, seed=7, checkpoint=file, until=3)[-1])
        tensors |= of_banks(load_checkpoint(file)[0], step.model, recipe.make_optimizer(step.model), banks)
    for name, tensor in load_checkpoint(tmp_path / "all")[0].items():
        assert torch.equal(tensors[name], tensor), name
    (merged,), (expected,) = timeless([merged_epoch(records)]), timeless(history[-1:])
    assert merged.keys() == expected.keys() and merged["paths_by_bank"] == expected["paths_by_bank"]
    assert merged["loss"] == pytest.approx(expected["loss"]) and merged["learning_rate"] == expected["learning_rate"]


def test_several_paths_of_a_step_are_not_torn_apart() -> None:
    made = training_of(few_shot, paths=2)()
    assert isinstance(made.phases[0].step, SupernetStep)
    made.phases[0].step.only = [0]
    with pytest.raises(UsageError, match="a step trains 2 paths"):
        train_phases(made.phases, seed=7)


@pytest.mark.usefixtures("ray")
def test_banks_on_workers_end_as_in_one_process(tmp_path: Path) -> None:
    make, told = training_of(few_shot), list[int]()

    def tell(epoch: Epoch) -> None:
        assert len(read_header(tmp_path / "banks")["history"]) == epoch["epoch"] + 1
        told.append(epoch["epoch"])

    train_banks(make, 2, tmp_path / "banks", on_epoch=tell)
    assert told == [0, 1, 2, 3]
    straight(make, tmp_path / "straight")
    same_tensors(tmp_path / "banks", tmp_path / "straight")
    assert len(straight(make, tmp_path / "banks")) == 4, "one process finds it done"


@pytest.mark.usefixtures("ray")
def test_banks_that_depend_on_each_other_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="in this supernet they depend on each other to the end"):
        train_banks(training_of(lambda: BalancedMixture(2)), 2, tmp_path / "banks")


@pytest.mark.usefixtures("ray")
def test_a_function_is_called_for_each_item_and_what_it_refuses_is_said() -> None:
    def root(number: int) -> float:
        from nas.errors import UsageError

        if number < 0:
            raise UsageError(f"{number} has no root.")
        return float(number**0.5)

    assert each(root, [1, 4, 9]) == [1.0, 2.0, 3.0]
    with pytest.raises(UsageError, match=r"worker on .*: -4 has no root"):
        each(root, [1, -4])


@pytest.mark.usefixtures("ray")
def test_what_has_ended_is_not_told_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray aborts the process that cancels, by force, a task which ended just before."""
    cancelled = list[Any]()
    monkeypatch.setattr(ray_module(), "cancel", lambda call, **how: cancelled.append((call, how)))

    def wait(seconds: float) -> None:
        import time

        if seconds < 0:
            raise ValueError
        time.sleep(seconds)

    each(wait, [0, 0, 0])
    assert cancelled == []
    with pytest.raises(ValueError):
        each(wait, [-1, 5])
    ((_, how),) = cancelled
    assert how == {"force": False}
