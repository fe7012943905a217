"""Two processes that train together, without Ray."""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import torch
from torch import distributed

from nas.training import Ranks
from nas.training.ranks import ALONE

__all__ = ["Together", "alone", "together"]

Result = TypeVar("Result")
Together = Callable[[Callable[[Ranks], Result]], list[Result]]
"""Calls a function of the module's top level in every process; what each gave."""

SIZE = 2
SECONDS = 240


@contextmanager
def together() -> Iterator[Together]:
    """Two processes that stay until the block ends; a call that hangs fails."""
    spawn = multiprocessing.get_context("spawn")
    with TemporaryDirectory() as folder, ProcessPoolExecutor(SIZE, spawn) as pool:
        count = iter(range(10_000))

        def call(function: Callable[[Ranks], Result]) -> list[Result]:
            file = Path(folder) / str(next(count))
            calls: list[Future[Result]] = [pool.submit(_join, function, rank, str(file)) for rank in range(SIZE)]
            _, hanging = wait(calls, SECONDS)
            if hanging:
                for process in list(pool._processes.values()):
                    process.kill()
            return [each.result() for each in calls]

        yield call


def alone(function: Callable[[Ranks], Result], ranks: Ranks) -> Result | None:
    """The same in one of the processes by itself: rounding is that of its threads."""
    return None if ranks.rank else function(ALONE)


def _join(function: Callable[[Ranks], Result], rank: int, file: str) -> Result:
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", f"file://{file}", rank=rank, world_size=SIZE, timeout=timedelta(seconds=SECONDS / 2)
    )
    try:
        distributed.barrier()
        found = function(Ranks(rank, SIZE))
        distributed.barrier()
    finally:
        distributed.destroy_process_group()
    return found
