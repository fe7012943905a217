"""Latency measured on one machine of a cluster, which the run has to itself meanwhile."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from nas.distributed.cluster import connected
from nas.errors import UsageError
from nas.export import inference_copy
from nas.hardware import Machine, Measurement, Subject, Target

__all__ = ["RemoteMachine"]

_START_SECONDS = 300.0
_LOOK_SECONDS = 5.0
_RETRIES = 3
_BUILT_IN = ("CPU", "GPU", "memory", "object_store_memory")
_NO_LABELS = ("node:", "accelerator_type:", "bundle_group_")


class RemoteMachine(Machine):
    """A target on the machine of a Ray cluster that a resource marks (``ray start --resources='{"jetson": 1}'``).

    From :meth:`open`, or from when it is first asked for anything, to :meth:`close` or the end of the connection it
    holds that resource and all CPUs and GPUs of the machine, so that nothing else that asks Ray for one runs there.
    Networks travel as they are: the machine needs the packages that their modules come from. Where the process that
    measures is killed, Ray starts another, which measures again.

    Args:
        label: the resource; exactly one machine has it.
        make: makes the target, over there.
        address: of the cluster, "auto" or host:port; a connection that is there already is used.
        patience: seconds to wait until the machine is free.

    Raises:
        UsageError: from here, where there is no address; from all methods: there is no such cluster or label, the
            machine stays taken or leaves the cluster, or the target refuses, with its sentence and the machine's name.
    """

    def __init__(self, label: str, make: Callable[[], Target], address: str | None, *, patience: float = 60.0) -> None:
        if address is None:
            raise UsageError(
                f"ray.measure_on is '{label}', the mark of a machine of a cluster, but ray.address names no cluster; "
                "give it one, as auto or host:port."
            )
        self._label, self._make, self._address, self._patience = label, make, address, patience
        self._open = ExitStack()
        self._held: _Held | None = None

    def open(self) -> None:
        """Takes the machine, unless that is done."""
        self._hold()

    def close(self) -> None:
        """Gives the machine back; whatever is asked after that takes it again."""
        self._held = None
        self._open.close()

    @property
    def name(self) -> str:
        return self._hold().about.name

    @property
    def threads(self) -> int:
        return self._hold().about.threads

    @property
    def batch(self) -> int:
        return self._hold().about.batch

    @property
    def dtype(self) -> str:
        return self._hold().about.dtype

    @property
    def holds(self) -> Mapping[str, float]:
        """The resources of the machine that nothing else gets meanwhile: "CPU", "GPU" and the label, without zeros."""
        return self._hold().node.resources

    def device(self) -> str:
        return self._hold().about.device

    def versions(self) -> dict[str, str]:
        return self._hold().about.versions

    def fingerprint(self) -> str:
        return self._hold().about.fingerprint

    def measure_groups(
        self, groups: Iterable[Mapping[str, Subject]], reference: Subject, *, seconds_each: float, energy: bool
    ) -> Iterator[dict[str, Measurement]]:
        held = self._hold()
        beside = held.ray.put(_portable(reference))
        for group in groups:
            sent = {name: _portable(subject) for name, subject in group.items()}
            yield _answer(held.ray, held.node, held.meter.measure.remote(sent, beside, seconds_each, energy))

    def _hold(self) -> "_Held":
        if self._held and not self._held.ray.is_initialized():
            self.close()
        if self._held is None:
            holding = _holding(self._address, self._label, self._make, self._patience)
            self._held = self._open.enter_context(holding)
        return self._held


@dataclass(frozen=True)
class _About:
    """What a target says of itself, where it runs."""

    name: str
    threads: int
    batch: int
    dtype: str
    device: str
    versions: dict[str, str]
    fingerprint: str


class _Meter:
    """The process over there. Its target is made by the first call, so that what it refuses comes back as an answer."""

    def __init__(self, make: Callable[[], Target]) -> None:
        self._make = make

    @cached_property
    def _where(self) -> Target:
        return self._make()

    def about(self) -> _About:
        where = self._where
        settings = where.name, where.threads, where.batch, where.dtype
        return _About(*settings, where.device(), where.versions(), where.fingerprint())

    def measure(
        self, group: Mapping[str, Subject], reference: Subject, seconds_each: float, energy: bool
    ) -> dict[str, Measurement]:
        (found,) = self._where.measure_groups([group], reference, seconds_each=seconds_each, energy=energy)
        return found


@dataclass(frozen=True)
class _Node:
    """A machine of the cluster, with what is taken of it to have it alone."""

    id: str
    name: str
    resources: dict[str, float]


@dataclass(frozen=True)
class _Held:
    """A machine that is taken, and the process that measures there."""

    ray: Any
    node: _Node
    meter: Any
    about: _About


@contextmanager
def _holding(address: str, label: str, make: Callable[[], Target], patience: float) -> Iterator[_Held]:
    with connected(address) as ray:
        node = _marked(ray, label)
        with _reserved(ray, node, patience) as group, _measuring(ray, node, group, make) as meter:
            about = _answer(ray, node, meter.about.remote(), _START_SECONDS)
            yield _Held(ray, node, meter, about)


def _marked(ray: Any, label: str) -> _Node:
    """The one machine of the cluster that has this resource."""
    nodes = [node for node in ray.nodes() if node["Alive"]]
    labels = {name for node in nodes for name in node["Resources"] if _is_label(name)}
    marked = [node for node in nodes if label in labels and node["Resources"].get(label)]
    if not marked:
        known = ", ".join(sorted(labels)) or "none"
        raise UsageError(
            f"ray.measure_on is '{label}', but no machine of the cluster has that resource (known are: {known}); start "
            f"Ray on the machine to measure on with --resources='{{\"{label}\": 1}}'."
        )
    if len(marked) > 1:
        names = ", ".join(sorted(_name(node) for node in marked))
        raise UsageError(
            f"ray.measure_on is '{label}', which {len(marked)} machines have as a resource ({names}), but latency is "
            "measured on one; give one of them a resource of its own."
        )
    (node,) = marked
    resources = {name: node["Resources"].get(name, 0.0) for name in ("CPU", "GPU", label)}
    return _Node(node["NodeID"], _name(node), {name: count for name, count in resources.items() if count})


def _is_label(resource: str) -> bool:
    """Whether a resource is neither Ray's own nor a part of a reservation."""
    return resource not in _BUILT_IN and not resource.startswith(_NO_LABELS) and "_group_" not in resource


def _name(node: Mapping[str, Any]) -> str:
    return f"{node['NodeManagerHostname']} at {node['NodeManagerAddress']}"


@contextmanager
def _reserved(ray: Any, node: _Node, patience: float) -> Iterator[Any]:
    """Everything of a machine, kept also while the process that measures is started again."""
    from ray.util import placement_group, remove_placement_group

    group = placement_group([node.resources])
    try:
        if not group.wait(patience):
            cpus = node.resources.get("CPU", 0)
            raise UsageError(
                f"machine {node.name}, which ray.measure_on names, has {cpus:g} CPUs that did not all become free in "
                f"{patience:g} s; end what runs there, or measure on another."
            )
        yield group
    finally:
        if ray.is_initialized():
            remove_placement_group(group)


@contextmanager
def _measuring(ray: Any, node: _Node, group: Any, make: Callable[[], Target]) -> Iterator[Any]:
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    others = {name: count for name, count in node.resources.items() if name not in ("CPU", "GPU")}
    meter = (
        ray.remote(_Meter)
        .options(
            num_cpus=node.resources.get("CPU", 0),
            num_gpus=node.resources.get("GPU", 0),
            resources=others,
            scheduling_strategy=PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=0),
            max_restarts=_RETRIES,
            max_task_retries=-1,
        )
        .remote(make)
    )
    try:
        yield meter
    finally:
        if ray.is_initialized():
            ray.kill(meter)


def _portable(subject: Subject) -> Subject:
    network = subject.network
    return replace(subject, network=network if isinstance(network, bytes) else inference_copy(network))


def _answer(ray: Any, node: _Node, call: Any, seconds: float = math.inf) -> Any:
    """What a call gives; a machine that is lost is noticed while waiting, an error over there told in a sentence."""
    deadline = time.monotonic() + seconds
    while not ray.wait([call], timeout=_LOOK_SECONDS)[0]:
        if not any(each["Alive"] and each["NodeID"] == node.id for each in ray.nodes()):
            raise UsageError(
                f"machine {node.name}, on which latency is measured, has left the cluster; start Ray on it again and "
                "resume the run."
            )
        if time.monotonic() > deadline:
            raise UsageError(
                f"machine {node.name} started no process to measure in within {seconds:g} s; look at Ray's logs there."
            )
    try:
        return ray.get(call)
    except ray.exceptions.RayTaskError as error:
        raise _error_of(ray, node, error.cause) from error
    except ray.exceptions.RayError as error:
        raise UsageError(
            f"the process that measures on machine {node.name} died and died again ({str(error).splitlines()[-1]}); "
            "look at Ray's logs there."
        ) from error


def _error_of(ray: Any, node: _Node, cause: Exception) -> UsageError:
    """The sentence for what was raised on a machine."""
    if isinstance(cause, UsageError):
        return UsageError(f"on machine {node.name}: {cause}")
    problem = str(cause).splitlines()[0] if str(cause) else "no more is known"
    if isinstance(cause, ray.exceptions.RaySystemError):
        return UsageError(
            f"machine {node.name} cannot read the networks it is to measure ({problem}); install there the packages "
            "that they come from."
        )
    return UsageError(
        f"on machine {node.name}, where latency is measured, came {type(cause).__name__}: {problem}; fix that there."
    )
