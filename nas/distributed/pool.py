"""Candidates evaluated by many Ray actors, each of which holds the supernet once."""

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from nas.distributed.cluster import free_of, ray_module, require, room_for
from nas.distributed.failures import far_mistake
from nas.errors import UsageError
from nas.search.pool import Evaluated, MetricFunction, Metrics, metrics_of
from nas.space import Architecture

__all__ = ["EvaluationPool", "shared_with"]

Make = Callable[[], MetricFunction]
"""Builds the evaluator of a run on the machine of a worker; must be importable there.

Its attribute ``supernet`` gets the weights that are published, if any are.
"""

_DEPTH = 2
"""Batches that a worker has: one that runs, one that waits."""
_RETRIES = 3
"""A batch that takes down its worker is given to so many others."""
_START_SECONDS = 300.0


@dataclass(frozen=True)
class _Batch:
    """A batch on its way, and what it has run into."""

    number: int
    architectures: list[Architecture]


class EvaluationPool:
    """Evaluates batches of architectures on Ray actors; gives the same numbers as the evaluator in this process.

    The weights travel through Ray's object store and are read there by all workers of a machine without a copy. A
    worker that dies, alone or with its machine, is started anew wherever there is room, and what it had is evaluated
    by others.

    Args:
        make: builds the evaluator where a worker runs, from modules that are there.
        supernet: whose weights the workers get, now and after :meth:`publish`; None where they need none.
        workers: how many; None for as many as the cluster has room for.
        cpus: that Ray keeps for each worker.
        gpus: likewise; a worker sees no other GPU.
        held: what the cluster keeps for something else as long as the pool lives, by resource.
        called: the evaluator in messages.

    Attributes:
        blocks, blocks_alone: blocks that were run, each once for a batch of images, and what one candidate at a time
            would have run.

    Raises:
        UsageError: the cluster has no room for the workers, or the store none for the weights.
    """

    def __init__(
        self,
        make: Make,
        supernet: nn.Module | None,
        workers: int | None,
        *,
        cpus: float = 1.0,
        gpus: float = 0.0,
        held: Mapping[str, float] | None = None,
        called: str = "evaluate",
    ) -> None:
        self._ray = ray_module()
        count = workers or _most(free_of(held), cpus, gpus)
        require("workers", count, count=count, cpus=cpus, gpus=gpus, held=held)
        self.workers = count
        self.blocks = self.blocks_alone = 0
        self._weights: list[Any] = []
        if supernet is not None:
            self.publish(supernet)
        remote = self._ray.remote(_Worker)
        options = {"num_cpus": cpus, "num_gpus": gpus, "max_restarts": -1}
        self._actors = [remote.options(**options).remote(make, called) for _ in range(count)]
        self._load: dict[int, int] = {}
        """Worker → batches that it has, of those that are ready."""
        self._waking: dict[Any, int] = {}
        self._running: dict[Any, tuple[int, _Batch]] = {}
        self._waiting: deque[_Batch] = deque()
        self._deaths: Counter[int] = Counter()
        self._submitted = 0
        for number in range(count):
            self._wake(number)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the workers."""
        for actor in self._actors:
            self._ray.kill(actor)
        self._actors, self._waking, self._running = [], {}, {}

    def publish(self, supernet: nn.Module) -> None:
        """Makes the workers evaluate batches submitted from now on with the weights that a supernet has now."""
        state = {name: tensor.detach().cpu().numpy() for name, tensor in supernet.state_dict().items()}
        try:
            self._weights = [self._ray.put(state)]
        except (self._ray.exceptions.ObjectStoreFullError, self._ray.exceptions.OutOfDiskError):
            size = sum(array.nbytes for array in state.values())
            raise UsageError(
                f"the weights of the supernet ({size / 2**20:,.0f} MiB) do not fit into Ray's object store and its "
                "disk; free some, or start the cluster with a larger --object-store-memory."
            ) from None

    @property
    def free_slots(self) -> int:
        """How many more batches keep the workers busy that are ready now."""
        return max(0, sum(_DEPTH - load for load in self._load.values()) - len(self._waiting))

    def submit(self, batch: Sequence[Architecture]) -> None:
        """Has a batch evaluated by the worker that has the least to do."""
        self._waiting.append(_Batch(self._submitted, list(batch)))
        self._submitted += 1
        self._hand_out()

    def collect(self, seconds: float | None = None) -> list[Evaluated]:
        """Waits until a batch is done or a worker is ready, at most so long if told; the metrics of what is done.

        Raises:
            UsageError: a worker cannot work, a batch takes down every worker that tries it, or no worker has come for
                five minutes.
        """
        awaited = [*self._running, *self._waking]
        if not awaited:
            return []
        patience = _START_SECONDS if seconds is None and not self._load else seconds
        done, _ = self._ray.wait(awaited, num_returns=1, timeout=patience)
        if not done and seconds is None:
            raise UsageError(
                f"none of the {self.workers} workers was there for {_START_SECONDS:.0f} s; see what else runs on "
                "the cluster (ray status), or continue with fewer: nas resume RUN --workers N."
            )
        more, _ = self._ray.wait(awaited, num_returns=len(awaited), timeout=0)
        found: list[Evaluated] = []
        for each in dict.fromkeys([*done, *more]):
            if each in self._waking:
                self._welcome(each)
            else:
                found += self._finished(each)
        self._hand_out()
        return found

    def _welcome(self, call: Any) -> None:
        """A worker has started, or has not."""
        number = self._waking.pop(call)
        try:
            self._ray.get(call)
        except self._ray.exceptions.RayTaskError as error:
            raise far_mistake(error) from error
        except self._ray.exceptions.RayError as error:
            reason = str(error).strip().splitlines()[-1]
            raise UsageError(f"a worker could not be started ({reason}); see the log of the cluster.") from error
        else:
            self._load[number] = 0

    def _finished(self, call: Any) -> list[Evaluated]:
        """The metrics of a batch; none if its worker died, in which case it waits for another."""
        number, batch = self._running.pop(call)
        try:
            done: _Done = self._ray.get(call)
        except self._ray.exceptions.RayTaskError as error:
            raise far_mistake(error) from error
        except self._ray.exceptions.RayError as error:
            self._died(number, batch, error)
            return []
        if number in self._load:
            self._load[number] -= 1
        self.blocks += done.blocks
        self.blocks_alone += done.blocks_alone
        return list(zip(batch.architectures, done.metrics, strict=True))

    def _died(self, number: int, batch: _Batch, error: Exception) -> None:
        is_first = self._load.pop(number, None) is not None
        self._deaths[batch.number] += is_first
        if self._deaths[batch.number] > _RETRIES:
            names = ", ".join(architecture.id for architecture in batch.architectures)
            raise UsageError(
                f"{_RETRIES + 1} workers died of the same batch ({names}): {str(error).splitlines()[0]} Give each "
                "worker more memory, or see the log of the cluster."
            ) from error
        self._waiting.appendleft(batch)
        if is_first:
            self._wake(number)

    def _wake(self, number: int) -> None:
        """Asks a worker, which Ray may still be starting, to get ready."""
        self._waking[self._actors[number].wake.options(max_task_retries=-1).remote()] = number

    def _hand_out(self) -> None:
        """Gives waiting batches to the workers that are ready and have the least."""
        while self._waiting and self._load and min(self._load.values()) < _DEPTH:
            number = min(self._load, key=lambda each: (self._load[each], each))
            batch = self._waiting.popleft()
            call = self._actors[number].evaluate.remote(self._weights, batch.architectures)
            self._running[call] = number, batch
            self._load[number] += 1


@dataclass(frozen=True)
class _Done:
    """What a worker says of a batch."""

    metrics: list[Metrics]
    blocks: int
    blocks_alone: int


class _Worker:
    """Evaluates with weights from the object store; lives in a process of its own."""

    def __init__(self, make: Make, called: str) -> None:
        self._make, self._called = make, called
        self._evaluator: Any = None
        self._weights: list[Any] = []

    def wake(self) -> None:
        """Builds the evaluator; not in the constructor, whose exceptions Ray gives as text alone."""
        self._evaluator = self._evaluator or self._make()

    def evaluate(self, weights: list[Any], architectures: list[Architecture]) -> _Done:
        """Metrics of a batch with the weights behind a reference, if there is one, which are read once."""
        self.wake()
        if self._weights != weights:
            shared_with(self._evaluator.supernet, ray_module().get(weights[0]))
            self._weights = weights
        before = _blocks(self._evaluator)
        metrics = metrics_of(self._evaluator, architectures, self._called)
        after = _blocks(self._evaluator)
        return _Done(metrics, after[0] - before[0], after[1] - before[1])


def _blocks(evaluator: Any) -> tuple[int, int]:
    """As of :class:`EvaluationPool`; none of an evaluator that shares no blocks."""
    return getattr(evaluator, "blocks", 0), getattr(evaluator, "blocks_alone", 0)


def shared_with(model: nn.Module, state: Mapping[str, np.ndarray]) -> None:
    """Gives a model these weights; on the CPU its parameters then lie in the memory of the arrays, read-only perhaps.

    Buffers, which evaluation may write, are copies.

    Args:
        state: what ``state_dict()`` gave, as arrays.
    """
    tensors = {name: _view(array) for name, array in state.items()}
    for parameter in model.parameters():
        parameter.data = torch.empty_like(parameter.data)
    model.load_state_dict(tensors)
    for name, parameter in model.named_parameters():
        if parameter.device.type == "cpu":
            parameter.data = tensors[name]


def _view(array: np.ndarray) -> Tensor:
    """A tensor in the memory of an array, of which PyTorch would warn if it is read-only."""
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)


def _most(resources: Mapping[str, float], cpus: float, gpus: float) -> int:
    """As many workers as the cluster has room for, at least one."""
    return max(1, int(min(room_for(resources.get("CPU", 0.0), cpus), room_for(resources.get("GPU", 0.0), gpus))))
