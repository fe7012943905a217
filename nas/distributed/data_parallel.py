"""One training by several processes, each on its parts of every batch, under Ray Train."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from nas.distributed.cluster import ray_module, require
from nas.distributed.tasks import cancel
from nas.errors import UsageError
from nas.files import write_file
from nas.training import Epoch, Phase, Ranks, has_ended, read_header, train_phases
from nas.training.ranks import ALONE

__all__ = ["Make", "Training", "is_done", "train_together"]

_RETRIES = 3
"""If processes die more often, training ends with its last checkpoint."""
_STARTS = 5
"""If Ray fails more often to start them within a minute, it does so too."""
_POLL_SECONDS = 0.5
_ANSWER_SECONDS = 300.0
_STEP_SECONDS = 1800
_SETTINGS = {"RAY_TRAIN_V2_ENABLED": "1", "RAY_CHDIR_TO_TRIAL_DIR": "0", "RAY_TRAIN_METRICS_ENABLED": "0"}


@dataclass(frozen=True)
class Training:
    """What :func:`nas.training.train_phases` is called with; alike in all processes."""

    phases: Sequence[Phase]
    seed: int

    def run(
        self,
        checkpoint: Path,
        *,
        on_epoch: Callable[[Epoch], None] | None = None,
        ranks: Ranks = ALONE,
        until: int | None = None,
    ) -> list[Epoch]:
        """:func:`nas.training.train_phases` with all that."""
        return train_phases(
            self.phases, seed=self.seed, checkpoint=checkpoint, on_epoch=on_epoch, ranks=ranks, until=until
        )


Make = Callable[[], Training]
"""Builds the training where a process runs; must be importable there."""


def train_together(
    make: Make,
    workers: int,
    checkpoint: Path,
    *,
    cpus: float = 1.0,
    gpus: float = 0.0,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> None:
    """Trains on the connected Ray until a checkpoint holds the last epoch; continues from it if it is there.

    It ends as the checkpoint that :func:`nas.training.train_phases` writes in one process, which then finds nothing
    left to do and loads it. No other file is shared: processes on other machines get its content through Ray, and give
    theirs back. Processes that die are started again, all of them, after the last epoch that was finished.

    Args:
        workers: processes; they must divide the microbatches of the recipe.
        checkpoint: written here after every epoch.
        cpus: that Ray keeps for each process.
        gpus: likewise; below one, processes share a GPU.
        on_epoch: told every epoch that is trained now, after its checkpoint was written.

    Raises:
        UsageError: the cluster has no room, processes died too often, or ``train`` refuses.
    """
    if is_done(checkpoint):
        return
    require("ray.train_workers", workers, count=workers, cpus=cpus, gpus=gpus)
    ray = ray_module()
    with TemporaryDirectory() as folder, _mailbox(ray, checkpoint) as mailbox:
        rank = partial(_train, make, mailbox, checkpoint)
        with _launched(ray, rank, workers, {"CPU": cpus, "GPU": gpus}, folder) as run:
            ended = False
            while not ended:
                ended = bool(ray.wait([run], timeout=_POLL_SECONDS)[0])
                letters: _Letters = ray.get(mailbox.empty.remote(), timeout=_ANSWER_SECONDS)
                for epoch, content in letters.epochs:
                    write_file(checkpoint, content)
                    if on_epoch is not None:
                        on_epoch(epoch)
                if letters.mistake is not None:
                    raise UsageError(letters.mistake)
            if (sentence := ray.get(run)) is not None:
                raise UsageError(f"{sentence}; the last good checkpoint is kept.")


@dataclass
class _Letters:
    """What the first process has sent: epochs with their checkpoints, or what ``train`` refused."""

    epochs: list[tuple[Epoch, bytes]] = field(default_factory=list)
    mistake: str | None = None


class _Mailbox:
    """Lives beside the caller, and so survives every machine that trains."""

    def __init__(self, checkpoint: bytes) -> None:
        self._last, self._letters = checkpoint, _Letters()

    def last(self) -> bytes:
        """The last checkpoint; empty before the first."""
        return self._last

    def put(self, epoch: Epoch, checkpoint: bytes) -> None:
        self._last = checkpoint
        self._letters.epochs.append((epoch, checkpoint))

    def refuse(self, mistake: str) -> None:
        self._letters.mistake = self._letters.mistake or mistake

    def empty(self) -> _Letters:
        """What has come since the last time."""
        letters, self._letters = self._letters, _Letters()
        return letters


def _train(make: Make, mailbox: Any, checkpoint: Path) -> None:
    """Runs in every process that Ray Train starts, as one of their group."""
    ray = ray_module()
    from ray.train import get_context

    ranks = Ranks(get_context().get_world_rank(), get_context().get_world_size())
    with TemporaryDirectory() as folder:
        file = Path(folder) / checkpoint.name
        if last := ray.get(mailbox.last.remote(), timeout=_ANSWER_SECONDS):
            file.write_bytes(last)

        def send(epoch: Epoch) -> None:
            ray.get(mailbox.put.remote(epoch, file.read_bytes()), timeout=_ANSWER_SECONDS)

        try:
            make().run(file, on_epoch=send, ranks=ranks)
        except UsageError as error:
            where = f"worker on {ray.util.get_node_ip_address()}: "
            mistake = where + str(error).replace(str(file), str(checkpoint))
            ray.get(mailbox.refuse.remote(mistake), timeout=_ANSWER_SECONDS)
            raise


def _fit(rank: Callable[[], None], workers: int, resources: dict[str, float], folder: str) -> str | None:
    """Has Ray Train run the processes; what went wrong with them, unless it was in what they do.

    Runs in a process of its own: Ray Train keeps Ctrl-C and the console to itself.
    """
    os.environ.update(_SETTINGS)
    ray = ray_module()
    from ray.train.torch import TorchConfig, TorchTrainer
    from ray.train.v2.api.exceptions import ControllerError, WorkerGroupError

    api: Any = ray.train
    gpus = resources["GPU"]
    trainer = TorchTrainer(
        rank,
        torch_config=TorchConfig(backend="nccl" if gpus >= 1 else "gloo", timeout_s=_STEP_SECONDS),
        scaling_config=api.ScalingConfig(num_workers=workers, use_gpu=gpus > 0, resources_per_worker=resources),
        run_config=api.RunConfig(
            storage_path=folder,
            failure_config=api.FailureConfig(max_failures=_RETRIES, controller_failure_limit=_STARTS),
            logging_config=api.LoggingConfig(log_level="CRITICAL"),
        ),
    )
    try:
        trainer.fit()
    except WorkerGroupError as error:
        deaths = [each for each in error.worker_failures.values() if _is_death(ray, each)]
        if not deaths:
            raise
        return f"processes that trained together died {_RETRIES + 1} times ({str(deaths[0]).splitlines()[0]})"
    except ControllerError as error:
        return f"Ray could not start {workers} processes that train together ({str(error).splitlines()[-1]})"
    return None


def _is_death(ray: Any, error: Exception) -> bool:
    """Whether a process ended, as against what it does raised something."""
    return isinstance(error, ray.exceptions.RayError) and not isinstance(error, ray.exceptions.RayTaskError)


@contextmanager
def _mailbox(ray: Any, checkpoint: Path) -> Iterator[Any]:
    """An actor on this machine, as long as the block lasts."""
    last = checkpoint.read_bytes() if checkpoint.exists() else b""
    actor = ray.remote(_Mailbox).options(num_cpus=0, scheduling_strategy=_here(ray)).remote(last)
    try:
        yield actor
    finally:
        ray.kill(actor)


@contextmanager
def _launched(ray: Any, *arguments: Any) -> Iterator[Any]:
    """:func:`_fit` as a task on this machine; it ends with the block, and with it what it has started."""
    task = ray.remote(_fit).options(num_cpus=0, max_retries=0, scheduling_strategy=_here(ray)).remote(*arguments)
    try:
        yield task
    finally:
        cancel([task], force=True)


def _here(ray: Any) -> Any:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)


def is_done(checkpoint: Path) -> bool:
    """Whether a checkpoint is there and holds the last epoch."""
    return checkpoint.exists() and has_ended(read_header(checkpoint))
