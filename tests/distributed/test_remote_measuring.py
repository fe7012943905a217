"""Latency measured on a marked machine of a cluster, beside which nothing else runs meanwhile."""

import importlib
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pytest
import torch
from torch import nn

import nas
from nas.distributed import connected, ray_module
from nas.distributed.measuring import RemoteMachine
from nas.errors import UsageError
from nas.hardware import Catalogue, LatencyCache, Subject, Target, make_target, measure_blocks, measure_networks
from nas.nn import OneOf

SHAPE = (3, 4, 4)
LABEL = "bench"


@dataclass
class Marked(Target):
    """Says where it runs, and takes a millisecond for each call."""

    name: ClassVar[str] = "marked"
    threads: int = 1
    batch: int = 1
    dtype: str = "float32"

    def device(self) -> str:
        return f"node {ray_module().get_runtime_context().get_node_id()}"

    def versions(self) -> dict[str, str]:
        return {"process": str(os.getpid()), "gpus": os.environ.get("CUDA_VISIBLE_DEVICES", "")}

    def prepare(
        self, network: nn.Module, input_shape: Sequence[int], input_dtype: torch.dtype = torch.float32
    ) -> Callable[[], float]:
        network(torch.zeros(self.batch, *input_shape, dtype=input_dtype))
        return lambda: 1.0


@dataclass
class KilledOnce(Marked):
    """Its process is killed while it prepares a network for the first time."""

    marker: str = ""

    def prepare(self, *arguments: Any) -> Callable[[], float]:
        marker = Path(self.marker)
        if not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().prepare(*arguments)


class Refuses(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise ZeroDivisionError("nothing to divide\nby")


class Nodes(NamedTuple):
    """A cluster's address, and the ids of its head with two CPUs and of the marked machine with a CPU and two GPUs."""

    address: str
    head: str
    marked: str


@pytest.fixture(scope="module")
def cluster() -> Iterator[Nodes]:
    """Of its own: there are two machines, one of which tests keep for themselves."""
    ray, own = ray_module(), sys.modules[__name__]
    ray.cloudpickle.register_pickle_by_value(own)
    head = {"num_cpus": 2, "num_gpus": 0, "include_dashboard": False}
    made = importlib.import_module("ray.cluster_utils").Cluster(initialize_head=True, head_node_args=head)
    marked = made.add_node(num_cpus=1, num_gpus=2, resources={LABEL: 1})
    try:
        with connected(made.address):
            yield Nodes(made.address, made.head_node.node_id, marked.node_id)
    finally:
        made.shutdown()
        ray.cloudpickle.unregister_pickle_by_value(own)


@pytest.fixture(scope="module")
def shared(cluster: Nodes) -> Iterator[RemoteMachine]:
    made = RemoteMachine(LABEL, Marked, cluster.address)
    yield made
    made.close()


@pytest.fixture
def machine(shared: RemoteMachine) -> RemoteMachine:
    """Taken before the test, which may close it."""
    shared.open()
    return shared


@pytest.fixture
def free(shared: RemoteMachine) -> None:
    """Nothing holds the marked machine when the test begins."""
    shared.close()


def network(width: int = 4) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, width, 1), nn.ReLU())


def where_tasks_run(count: int, **resources: float) -> list[str]:
    """The nodes of so many tasks of one CPU each, all of which must end."""
    ray = ray_module()

    def place() -> str:
        return str(ray.get_runtime_context().get_node_id())

    task = ray.remote(place).options(num_cpus=1, resources=resources)
    return list(ray.get([task.remote() for _ in range(count)], timeout=60))


def test_it_measures_on_the_marked_machine_with_its_gpus(machine: RemoteMachine, cluster: Nodes) -> None:
    found = measure_networks(machine, {"a": network(), "b": network(8)}, network(), SHAPE, max_seconds=0.1)
    assert list(found) == ["a", "b"]
    for each in found.values():
        assert each.device == machine.device() == f"node {cluster.marked}"
        assert each.versions == machine.versions()
        assert (each.latency_ms, each.reference_ms, each.target) == (1.0, 1.0, "marked")
    assert machine.versions()["gpus"] == "0,1"
    assert machine.versions()["process"] != str(os.getpid())


def test_the_fingerprint_is_that_of_the_machine_over_there(
    machine: RemoteMachine, cluster: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert machine.fingerprint() != Marked().fingerprint()
    monkeypatch.setattr(Marked, "device", lambda self: f"node {cluster.marked}")
    monkeypatch.setattr(Marked, "versions", lambda self: machine.versions())
    assert machine.fingerprint() == Marked().fingerprint()


def test_networks_are_measured_group_by_group_and_not_changed(machine: RemoteMachine) -> None:
    plain, taken = network(), list[str]()

    def groups() -> Iterator[dict[str, Subject]]:
        for names in ("a", "bc"):
            taken.append(names)
            yield {name: Subject(plain, SHAPE) for name in names}

    measured = machine.measure_groups(groups(), Subject(plain, SHAPE), seconds_each=0.05, energy=False)
    assert (list(next(measured)), taken) == (["a"], ["a"])
    assert (list(next(measured)), taken) == (["b", "c"], ["a", "bc"])
    assert plain.training and all(each.requires_grad for each in plain.parameters())


def test_blocks_are_measured_over_there_and_kept_by_its_fingerprint(machine: RemoteMachine, tmp_path: Path) -> None:
    options: list[nn.Module] = [nn.Conv2d(3, 3, kernel, padding=kernel // 2) for kernel in (1, 3, 5)]
    supernet, done = nas.Supernet(nn.Sequential(OneOf(options), nn.ReLU())), list[int]()
    catalogue, cache = Catalogue(supernet, SHAPE), LatencyCache(tmp_path / "blocks.jsonl")
    found = measure_blocks(machine, supernet, catalogue, cache, done.append)
    assert found.tolist() == [1.0] * len(catalogue.blocks)
    assert done == [len(catalogue.blocks)] == [len(cache)]
    places = [json.loads(line)["target"] for line in cache.path.read_text().splitlines()]
    assert places == [machine.fingerprint()] * len(cache)


def test_what_goes_wrong_over_there_is_told_with_the_machine(machine: RemoteMachine) -> None:
    with pytest.raises(UsageError, match=r"^on machine \S+ at [\d.]+, where latency is measured, came Zero.*divide;"):
        measure_networks(machine, {"a": Refuses()}, network(), SHAPE)
    assert measure_networks(machine, {"a": network()}, network(), SHAPE)["a"].latency_ms == 1.0, "it goes on"


def test_a_module_that_is_not_there_is_told(
    machine: RemoteMachine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "only_here.py").write_text("from torch import nn\nclass Own(nn.ReLU):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    own = importlib.import_module("only_here").Own()
    with pytest.raises(UsageError, match=r"cannot read the networks .*No module named 'only_here'"):
        measure_networks(machine, {"a": own}, network(), SHAPE)


@pytest.mark.parametrize("label", ["bensch", "CPU", "node:__internal_head__"])
def test_an_unknown_label_is_told_with_those_there_are(label: str, machine: RemoteMachine, cluster: Nodes) -> None:
    with pytest.raises(UsageError, match=rf"ray\.measure_on is '{label}', but no machine .*\(known are: {LABEL}\)"):
        RemoteMachine(label, Marked, cluster.address).open()


def test_a_label_without_a_cluster_is_refused() -> None:
    with pytest.raises(UsageError, match=r"ray\.measure_on is 'bench'.*but ray\.address names no cluster"):
        RemoteMachine(LABEL, Marked, None)


def test_nothing_else_runs_there_until_it_is_closed(machine: RemoteMachine, cluster: Nodes) -> None:
    assert machine.holds == {"CPU": 1, "GPU": 2, LABEL: 1}
    assert set(where_tasks_run(8)) == {cluster.head}
    with pytest.raises(UsageError, match=r"has 1 CPUs that did not all become free in 0\.5 s"):
        RemoteMachine(LABEL, Marked, cluster.address, patience=0.5).open()
    machine.close()
    assert where_tasks_run(1, **{LABEL: 1.0}) == [cluster.marked]


@pytest.mark.usefixtures("free")
def test_a_killed_process_is_started_again_and_measures_again(cluster: Nodes, tmp_path: Path) -> None:
    machine = RemoteMachine(LABEL, partial(KilledOnce, marker=str(tmp_path / "killed")), cluster.address)
    with closing(machine):
        before = machine.versions()["process"]
        found = measure_networks(machine, {"a": network()}, network(), SHAPE, max_seconds=0.1)["a"]
        assert set(where_tasks_run(8)) == {cluster.head}, "the machine is still held"
    assert (tmp_path / "killed").exists()
    assert found.versions["process"] != before
    assert found.device == f"node {cluster.marked}"


@pytest.mark.usefixtures("free")
def test_a_target_of_this_package_is_what_it_would_be_here(cluster: Nodes) -> None:
    settings: dict[str, Any] = {"threads": 2, "batch": 3, "dtype": "bfloat16"}
    here = make_target("cpu", **settings)
    with closing(RemoteMachine(LABEL, partial(make_target, "cpu", **settings), cluster.address)) as there:
        assert (there.name, there.threads, there.batch, there.dtype) == ("cpu", 2, 3, "bfloat16")
        assert (there.device(), there.versions()) == (here.device(), here.versions())
        assert there.fingerprint() == here.fingerprint(), "the nodes of the test are processes of one machine"
        assert measure_networks(there, {"a": network()}, network(), SHAPE, max_seconds=0.1)["a"].batch == 3


@pytest.mark.usefixtures("free")
def test_a_target_that_refuses_gives_the_machine_back(cluster: Nodes) -> None:
    refusing = RemoteMachine(LABEL, partial(make_target, "cpu", dtype="int8"), cluster.address)
    with pytest.raises(UsageError, match=r"^on machine \S+ at [\d.]+: dtype of target 'cpu' is 'int8'"):
        refusing.open()
    assert where_tasks_run(1, **{LABEL: 1.0}) == [cluster.marked]
