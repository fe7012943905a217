"""A connection to Ray: a cluster that runs, or one started here and stopped afterwards."""

import logging
import math
import os
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

from nas.distributed.private_ray import TOKEN, private
from nas.distributed.watch import after, death_of, ended_by, signals_kept
from nas.errors import UsageError

__all__ = ["connected", "free_of", "ray_module", "require", "require_reachable", "room_for"]

_CONNECT_SECONDS = 5.0
_START_SECONDS = 120.0
_STOP_SECONDS = 20.0
_SILENT_SECONDS, _SILENT_SECONDS_OF_CLUSTER = 10.0, 60.0
"""After so long without an answer Ray counts as dead; that of a cluster may be started again."""
_LONGEST = 400
_EACH = 8
"""Processes for each core of this machine; more would only wait for each other, until its memory ends."""
_QUIET: dict[str, Any] = {"logging_level": "critical", "log_to_driver": False}
_SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_gcs_rpc_server_reconnect_timeout_s": "86400"}
"""By default Ray ends a process without a word that has not reached its head for a minute, be it that the machine is
busy; we look ourselves whether it is there."""

logger = logging.getLogger(__name__)


def ray_module() -> Any:
    """Ray, with usage statistics off unless the user turned them on, and with the token of its clusters.

    Ray reads both when it is imported, and believes half of what it is told later.
    """
    if "ray" not in sys.modules:
        for name, value in _SETTINGS.items():
            os.environ.setdefault(name, value)
        if TOKEN.exists() or "RAY_AUTH_TOKEN" in os.environ or "RAY_AUTH_TOKEN_PATH" in os.environ:
            os.environ.setdefault("RAY_AUTH_MODE", "token")
    import ray

    return ray


@contextmanager
def connected(address: str | None = None, *, cpus: float = 0, gpus: float | None = None) -> Iterator[Any]:
    """Ray within the block; a connection that is there already is used and left open.

    Args:
        address: "auto" for the cluster that this machine belongs to, or ``host:port``; by default a Ray of this process
            alone is started, and stopped afterwards; it listens to this machine alone.
        cpus: logical CPUs that such a Ray needs at least; it has those of the machine in any case.
        gpus: logical GPUs of such a Ray; by default those of the machine.

    Raises:
        UsageError: Ray cannot be started, nothing answers at the address, or it refuses; or Ray ends, or fails, within
            the block.
    """
    ray = ray_module()
    if ray.is_initialized():
        yield ray
        return
    if address is None:
        _start(ray, cpus, gpus)
        name, patience = "the Ray that was started for this run", _SILENT_SECONDS
    else:
        _connect(ray, address)
        name, patience = f"the cluster at ray.address '{address}'", _SILENT_SECONDS_OF_CLUSTER
    try:
        with ended_by(death_of(ray, name, patience)):
            yield ray
    except ray.exceptions.RayTaskError:
        raise
    except ray.exceptions.RayError as error:
        raise UsageError(
            f"{name} failed ({_in_a_line(error)}); look at its log, and go on with `nas resume`."
        ) from error
    finally:
        with ended_by(after(_STOP_SECONDS, f"{name} does not stop; go on with `nas resume`.")):
            ray.shutdown()


def require(
    name: str, value: object, *, count: int, cpus: float = 0, gpus: float = 0, held: Mapping[str, float] | None = None
) -> None:
    """Refuses what the connected cluster can never hold.

    Args:
        name: of the setting that asks for it, and ``value`` what it is.
        count: processes, each with so many ``cpus`` and ``gpus``.
        held: what is kept for something else as long as they run, by resource.

    Raises:
        UsageError: the cluster has fewer.
    """
    there = free_of(held)
    for resource, each in (("GPU", gpus), ("CPU", cpus)):
        has, needs = there.get(resource, 0.0), count * each
        if count > room_for(has, each):
            raise UsageError(
                f"{name} is {value}, which takes {needs:g} {resource}s for {count} workers, but the cluster has "
                f"{has:g}; ask for fewer workers or less for each."
            )


def room_for(amount: float, each: float) -> float:
    """How many processes fit; a share of a resource is never of two of its pieces.

    >>> room_for(2, 0.6), room_for(1, 0.2), room_for(4, 2)
    (2, 5, 2)
    """
    if each == 0:
        return math.inf
    return int(amount) * int(1 / each + 1e-9) if each < 1 else int(amount / each + 1e-9)


def free_of(held: Mapping[str, float] | None = None) -> dict[str, float]:
    """The resources of the connected cluster, apart from those that are held."""
    total = cast(dict[str, float], ray_module().cluster_resources())
    return {resource: amount - (held or {}).get(resource, 0.0) for resource, amount in total.items()}


def require_reachable(address: str, option: str) -> None:
    """Refuses an address at which nothing listens; Ray itself would try for most of a minute.

    Args:
        address: ``host:port``.
        option: what it was given as.

    Raises:
        UsageError: it is not of that form, or nothing answers.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        raise UsageError(f"{option} is '{address}', expected host:port, such as head:6379.")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"{option} is '{address}', where nothing answers ({error}); start the cluster, or correct the address."
        ) from None


def _start(ray: Any, cpus: float, gpus: float | None) -> None:
    """Starts a Ray of this process alone, unless more is asked for than this machine can be.

    What Ray raises when it cannot has no type in common: missing rights, memory, disk or time, ports that are taken.
    """
    cores = os.cpu_count() or 1
    if cpus > _EACH * cores:
        raise UsageError(
            f"{cpus:g} CPUs are asked for (workers, or ray.train_workers, times ray.cpus_per_worker), but this machine "
            f"has {cores}; ask for {_EACH * cores} at most, or use a cluster with --ray."
        )
    late = f"Ray did not start within {_START_SECONDS:.0f} s; see what else runs on this machine."
    own = {"num_cpus": max(cores, math.ceil(cpus)), "num_gpus": gpus}
    try:
        with private(ray) as alone, ended_by(after(_START_SECONDS, late)), signals_kept(signal.SIGTERM):
            ray.init("local", **alone, **own, **_QUIET)
    except UsageError:
        raise
    except (Exception, SystemExit) as error:
        raise UsageError(
            f"Ray, which runs several processes, could not be started on this machine ({_in_a_line(error)}); it needs "
            "memory, a few free ports, room in /dev/shm, and a folder to write to under /tmp or RAY_TMPDIR, of a short "
            "path; or do without: one worker needs no Ray."
        ) from None
    _say_less()


def _connect(ray: Any, address: str) -> None:
    if address != "auto":
        require_reachable(address, "ray.address")
    mute = (
        f"ray.address is '{address}', where no Ray answers within {_START_SECONDS:.0f} s; look at what listens there."
    )
    try:
        with ended_by(after(_START_SECONDS, mute)), signals_kept(signal.SIGTERM):
            ray.init(address, **_QUIET)
    except UsageError:
        raise
    except Exception as error:
        reason = _in_a_line(error)
        if "version mismatch" in reason.lower():
            advice = "install here what the cluster has, or there what is here"
        else:
            advice = "start one with `ray start --head`, or drop --ray" if address == "auto" else "look at its log"
        raise UsageError(
            f"ray.address is '{address}', but no cluster takes the connection ({reason}); {advice}."
        ) from None
    _say_less()


def _in_a_line(error: BaseException) -> str:
    """What an exception says, on one line, its beginning if it is long."""
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]} …"


def _say_less() -> None:
    """What Ray would print of processes that died, with pages of its logs, goes to ours."""
    from ray._private import worker

    def keep(data: Any, ignore_prefix: bool = False) -> None:
        logger.info("%s", "\n".join(data["lines"]))

    worker.print_to_stdstream = keep
