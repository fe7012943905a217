"""Training by processes of Ray: they die and go on, and refuse what one process refuses."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nas.data import ImageSplit
from nas.distributed.data_parallel import Training, train_together
from nas.errors import UsageError
from nas.nn import OneOf
from nas.sampling import Uniform
from nas.supernet import Supernet
from nas.training import Context, CrossEntropy, Epoch, Pass, Phase, Recipe, SupernetStep, load_checkpoint, train_phases

pytestmark = pytest.mark.usefixtures("ray")


def training_of(batches: Path | None = None, **settings: Any) -> Callable[[], Training]:
    """Single paths through batch norm and dropout; travels as a whole, since tests cannot be imported by workers.

    Args:
        batches: a file that is made at the seventh step; the second process dies if it makes it.
    """
    recipe = Recipe(**{"epochs": 3, "batch_size": 8, "learning_rate": 0.05, "microbatches": 2, **settings})

    class Mortal(SupernetStep):
        def run(self, context: Context, x: Tensor, y: Tensor, backward: Callable[[Tensor], None]) -> list[Pass]:
            if context.step == 6 and batches is not None and context.ranks.rank == 1 and not batches.exists():
                batches.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return super().run(context, x, y, backward)

    def make() -> Training:
        torch.set_num_threads(1)
        torch.manual_seed(0)
        layers = [OneOf({"skip": nn.Identity(), "conv": nn.Conv2d(4, 4, 3, padding=1)}) for _ in range(2)]
        head = nn.Sequential(nn.BatchNorm2d(4), nn.Flatten(), nn.Dropout(0.2), nn.Linear(144, 3))
        supernet = Supernet(nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), *layers, head))
        pixels = torch.randn(32, 1, 6, 6, generator=torch.Generator().manual_seed(0))
        data = ImageSplit(pixels, torch.arange(32) % 3, torch.zeros(1), torch.ones(1))
        step = Mortal(supernet, Uniform(supernet.space, seed=1), [CrossEntropy()])
        return Training([Phase(step, data, recipe)], seed=7)

    return make


def alone(make: Callable[[], Training], checkpoint: Path, epochs: int = 3) -> tuple[Training, list[Epoch]]:
    """One process; with fewer epochs it is stopped."""
    made = make()

    def stop(epoch: Epoch) -> None:
        if epoch["epoch"] + 1 == epochs < made.phases[0].recipe.epochs:
            raise KeyboardInterrupt

    try:
        history = train_phases(made.phases, seed=made.seed, checkpoint=checkpoint, on_epoch=stop)
    except KeyboardInterrupt:
        history = []
    return made, history


@pytest.mark.slow
def test_processes_that_die_are_replaced_and_end_as_one_process_does(tmp_path: Path) -> None:
    file, died = tmp_path / "net.safetensors", tmp_path / "died"
    alone(training_of(), file, epochs=1)
    told: list[int] = []

    def tell(epoch: Epoch) -> None:
        assert len(load_checkpoint(file)[1]["history"]) == epoch["epoch"] + 1
        told.append(epoch["epoch"])

    train_together(training_of(died), 2, file, on_epoch=tell)
    assert told == [1, 2] and died.exists()
    ours, history = alone(training_of(), file)
    theirs, expected = alone(training_of(), tmp_path / "straight.safetensors")
    losses = [[epoch["loss"] for epoch in each] for each in (history, expected)]
    np.testing.assert_allclose(*losses, rtol=0, atol=1e-4)
    for name, tensor in theirs.phases[0].step.model.state_dict().items():
        torch.testing.assert_close(ours.phases[0].step.model.state_dict()[name], tensor, rtol=0, atol=1e-4)
    train_together(training_of(died), 2, file, on_epoch=tell)
    assert told == [1, 2], "a training that is done starts no process"


@pytest.mark.slow
def test_what_a_process_refuses_is_said_here(tmp_path: Path) -> None:
    file = tmp_path / "net.safetensors"
    alone(training_of(), file, epochs=1)
    with pytest.raises(UsageError, match=r"worker on .*: checkpoint .*net.safetensors was trained with learning_rate"):
        train_together(training_of(learning_rate=0.01), 2, file)


def test_more_processes_than_the_cluster_can_hold_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"ray\.train_workers is 64, which takes 64 CPUs"):
        train_together(training_of(), 64, tmp_path / "net.safetensors")
