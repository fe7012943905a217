"""Pieces of work that share nothing, side by side: searches with other seeds, say."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from nas.distributed.cluster import ray_module, require
from nas.distributed.failures import result_of

__all__ = ["cancel", "each"]

_Item = TypeVar("_Item")
_Returned = TypeVar("_Returned")

_RETRIES = 3


def each(
    function: Callable[[_Item], _Returned],
    items: Sequence[_Item],
    *,
    cpus: float = 1.0,
    gpus: float = 0.0,
    on_done: Callable[[int], None] | None = None,
) -> list[_Returned]:
    """What a function gives for each item, as Ray tasks; tasks that die are repeated.

    Args:
        function: must be importable where tasks run.
        cpus: that Ray keeps for each task.
        gpus: likewise; a task sees no other GPU.
        on_done: told how many are done.

    Raises:
        UsageError: the cluster cannot hold one task, a task raises one, or dies again and again.
    """
    require("cpus and gpus of a task", f"{cpus:g} and {gpus:g}", count=1, cpus=cpus, gpus=gpus)
    ray = ray_module()
    task = ray.remote(_call).options(num_cpus=cpus, num_gpus=gpus, max_retries=_RETRIES)
    calls = [task.remote(function, item) for item in items]
    try:
        waiting = calls
        while waiting:
            done, waiting = ray.wait(waiting)
            for call in done:
                result_of(call)
            if on_done is not None:
                on_done(len(calls) - len(waiting))
        return [result_of(call) for call in calls]
    finally:
        cancel(calls)


def cancel(calls: Sequence[Any], *, force: bool = False) -> None:
    """Ends the tasks that are still under way, by Ctrl-C, or with their processes.

    Ray aborts this process when it is told to end by force what has ended already.
    """
    ray = ray_module()
    _, under_way = ray.wait(list(calls), num_returns=len(calls), timeout=0)
    for call in under_way:
        ray.cancel(call, force=force)


def _call(function: Callable[[_Item], _Returned], item: _Item) -> _Returned:
    return function(item)
