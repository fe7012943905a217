"""Several supernets at once: banks of weights trained apart from each other."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import Tensor

from nas.distributed.bank_phases import apart_from, merged_epoch, of_banks
from nas.distributed.cluster import ray_module, require
from nas.distributed.data_parallel import Make, Training, is_done
from nas.distributed.failures import result_of
from nas.errors import UsageError
from nas.training import Epoch, SupernetStep, load_checkpoint, total_epochs
from nas.training.checkpoint import write_checkpoint

__all__ = ["train_banks"]

_START_SECONDS = 300.0
_RETRIES = 3


def train_banks(
    make: Make,
    workers: int,
    checkpoint: Path,
    *,
    cpus: float = 1.0,
    gpus: float = 0.0,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> None:
    """Trains a supernet whose space is cut, its banks dealt out to Ray actors once they no longer depend on each other.

    Until then this process trains; afterwards every actor runs the steps of its banks, and the banks are put together
    after every epoch. The checkpoint ends as that of :func:`nas.training.train_phases` in one process, which then finds
    nothing left to do and loads it: to the bit, but for dropout where batches are not cut.

    Args:
        workers: actors, at most one for each bank; all else is as of :func:`~nas.distributed.train_together`.

    Raises:
        UsageError: banks depend on each other to the end; the cluster has no room; or ``train`` refuses.
    """
    if is_done(checkpoint):
        return
    made = make()
    first, step, epochs = apart_from(made.phases), made.phases[-1].step, total_epochs(made.phases)
    if first is None or not isinstance(step, SupernetStep):
        raise UsageError(
            "banks can be trained apart from each other where the space is cut (few-shot, gradient-matching); in this "
            "supernet they depend on each other to the end: train it in one process with ray.train_workers=1."
        )
    banks = step.model.sharing.banks
    count = min(workers, banks)
    require("ray.train_workers", workers, count=count, cpus=cpus, gpus=gpus)
    together = min(max(1, first), epochs)
    history = made.run(checkpoint, until=together, on_epoch=on_epoch)
    groups = [list(range(number, banks, count)) for number in range(count)]
    with _actors(make, groups, cpus, gpus) as actors:
        for _ in range(len(history), epochs):
            epoch = _epoch_of_all(actors, checkpoint)
            if on_epoch is not None:
                on_epoch(epoch)


class _Trainer:
    """Trains some banks, epoch by epoch; each begins with what all banks were after the last."""

    def __init__(self, make: Make, banks: Iterable[int]) -> None:
        self._make, self._banks = make, list(banks)
        self._made: Training | None = None

    def wake(self) -> None:
        """Builds the training; not in the constructor, whose exceptions Ray gives as text alone."""
        if self._made is None:
            self._made = self._make()
            for phase in self._made.phases:
                assert isinstance(phase.step, SupernetStep)
                phase.step.only = self._banks

    def epoch(self, last: bytes) -> tuple[Epoch, dict[str, Tensor]]:
        """What the next epoch reports, and the tensors of these banks after it."""
        self.wake()
        made = self._made
        assert made is not None
        last_phase = made.phases[-1]
        assert isinstance(last_phase.step, SupernetStep)
        with TemporaryDirectory() as folder:
            file = Path(folder) / "supernet.safetensors"
            if last:
                file.write_bytes(last)
            done = len(load_checkpoint(file)[1]["history"]) if last else 0
            history = made.run(file, until=done + 1)
            tensors, _ = load_checkpoint(file)
        model = last_phase.step.model
        return history[-1], of_banks(tensors, model, last_phase.recipe.make_optimizer(model), self._banks)


def _epoch_of_all(actors: Sequence[Any], checkpoint: Path) -> Epoch:
    """Has every actor train an epoch, and puts the checkpoint together."""
    last = ray_module().put(checkpoint.read_bytes())
    found = [result_of(call) for call in [actor.epoch.remote(last) for actor in actors]]
    tensors, header = load_checkpoint(checkpoint)
    for _, ours in found:
        tensors |= ours
    epoch = merged_epoch([record for record, _ in found])
    write_checkpoint(checkpoint, tensors, {**header, "history": [*header["history"], epoch]})
    return epoch


@contextmanager
def _actors(make: Make, groups: Sequence[Sequence[int]], cpus: float, gpus: float) -> Iterator[list[Any]]:
    """Actors that are ready, as long as the block lasts; Ray starts them again where they die.

    Raises:
        UsageError: they are not there after five minutes, or cannot work.
    """
    ray = ray_module()
    kind = ray.remote(_Trainer).options(num_cpus=cpus, num_gpus=gpus, max_restarts=_RETRIES, max_task_retries=_RETRIES)
    actors = [kind.remote(make, group) for group in groups]
    try:
        calls = [actor.wake.remote() for actor in actors]
        ready, _ = ray.wait(calls, num_returns=len(calls), timeout=_START_SECONDS)
        if len(ready) < len(calls):
            raise UsageError(
                f"{len(calls) - len(ready)} of {len(calls)} workers were not there after {_START_SECONDS:.0f} s; see "
                "what else runs on the cluster (ray status), or ask for fewer."
            )
        for call in calls:
            result_of(call)
        yield actors
    finally:
        for actor in actors:
            ray.kill(actor)
