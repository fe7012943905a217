"""Blocks measured one by one on a device of known speed."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import nas
from nas.costs import trace
from nas.errors import UsageError
from nas.hardware import Catalogue, LatencyCache, Recorded, Target, Timing, measure_blocks
from nas.nn import OneOf, Repeat
from nas.space import Architecture, Choice

SHAPE = (3, 8, 8)


class Machine(Target):
    """Takes a nanosecond for each FLOP and a microsecond for each call; timed by :func:`read`, not by a clock."""

    name: ClassVar[str] = "machine"
    threads, batch, dtype = 1, 1, "float32"

    def __init__(self) -> None:
        self.prepared: list[tuple[nn.Module, tuple[int, ...], torch.dtype]] = []

    def device(self) -> str:
        return "invented"

    def versions(self) -> dict[str, str]:
        return {"machine": "1"}

    def prepare(
        self, network: nn.Module, input_shape: Sequence[int], input_dtype: torch.dtype = torch.float32
    ) -> Callable[[], None]:
        self.prepared.append((network, tuple(input_shape), input_dtype))
        flops = trace(network, input_shape, input_dtype).flops

        def run() -> None:
            """Nothing happens."""

        run.milliseconds = 1e-3 + flops * 1e-6  # type: ignore[attr-defined]
        return run


def read(sessions: Mapping[str, Callable[[], None]], reference: Callable[[], None], **_: object) -> dict[str, Timing]:
    return {name: Timing(run.milliseconds, 0.0, 9, reference_ms=1.0) for name, run in sessions.items()}  # type: ignore[attr-defined]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(sys.modules[Target.__module__], "measure_all", read)
    return Machine()


def conv(kernel: int) -> nn.Conv2d:
    return nn.Conv2d(3, 3, kernel, padding=kernel // 2)


def model() -> nn.Module:
    options = [OneOf([conv(1), conv(3), conv(5), conv(7), nn.ReLU(), nn.Tanh()]) for _ in range(2)]
    return nn.Sequential(conv(9), Repeat(options, Choice([1, 2])), nn.MaxPool2d(2), conv(11), conv(13), nn.Sigmoid())


def known(catalogue: Catalogue) -> list[float]:
    shapes = [tuple(block.inputs[0].shape[1:]) for block in catalogue.blocks]
    return [
        1e-3 + trace(block.module, shape).flops * 1e-6 for block, shape in zip(catalogue.blocks, shapes, strict=True)
    ]


def test_every_block_is_measured_once_beside_the_largest_network(machine: Machine, tmp_path: Path) -> None:
    supernet, done = nas.Supernet(model()), list[int]()
    catalogue = Catalogue(supernet, SHAPE)
    found = measure_blocks(machine, supernet, catalogue, LatencyCache(tmp_path / "blocks.jsonl"), done.append)
    assert found.tolist() == known(catalogue)
    assert len(set(found)) > 6
    assert done == [8, len(catalogue.blocks)] == [8, 11]
    (reference, *_), *blocks = machine.prepared
    assert sum(each.numel() for each in reference.parameters()) == sum(
        each.numel() for each in supernet.extract(supernet.space.largest()).parameters()
    )
    assert [shape for _, shape, _ in blocks] == [tuple(block.inputs[0].shape[1:]) for block in catalogue.blocks]
    assert all(each.device.type == "cpu" for network, *_ in blocks for each in network.parameters())
    assert not any(network.training for network, *_ in blocks)


def test_blocks_get_the_weights_of_the_supernet(machine: Machine, tmp_path: Path) -> None:
    supernet = nas.Supernet(model())
    catalogue = Catalogue(supernet, SHAPE)
    measure_blocks(machine, supernet, catalogue, LatencyCache(tmp_path / "blocks.jsonl"), lambda _: None)
    for (network, *_), block in zip(machine.prepared[1:], catalogue.blocks, strict=True):
        own = dict(supernet.model.get_submodule(block.path).named_parameters())
        assert network.state_dict().keys() == own.keys()
        assert all(torch.equal(each, own[name]) for name, each in network.named_parameters())


def test_what_is_known_is_not_measured_again(machine: Machine, tmp_path: Path) -> None:
    supernet, path = nas.Supernet(model()), tmp_path / "blocks.jsonl"
    catalogue = Catalogue(supernet, SHAPE)
    first = measure_blocks(machine, supernet, catalogue, LatencyCache(path), lambda _: None)
    lines, machine.prepared = path.read_text().splitlines(keepends=True), []
    again = measure_blocks(machine, supernet, Catalogue(supernet, SHAPE), LatencyCache(path), lambda _: None)
    assert (again == first).all()
    assert not machine.prepared

    path.write_text("".join(lines[:3]) + lines[3][:20])
    done: list[int] = []
    resumed = measure_blocks(machine, supernet, catalogue, LatencyCache(path), done.append)
    assert (resumed == first).all()
    assert len(machine.prepared) == 1 + len(catalogue.blocks) - 3
    assert done == [11]
    assert path.read_text().splitlines(keepends=True) == lines


def test_another_device_or_input_is_measured_anew(machine: Machine, tmp_path: Path) -> None:
    supernet, cache = nas.Supernet(model()), LatencyCache(tmp_path / "blocks.jsonl")
    first = measure_blocks(machine, supernet, Catalogue(supernet, SHAPE), cache, lambda _: None)
    larger = measure_blocks(machine, supernet, Catalogue(supernet, (3, 16, 16)), cache, lambda _: None)
    assert (larger >= first).all()
    assert (larger > first).any()
    count = len(cache)
    other = Machine()
    other.dtype = "float16"
    measure_blocks(other, supernet, Catalogue(supernet, SHAPE), cache, lambda _: None)
    assert len(cache) == count + len(first)


def test_token_ids_are_given_as_they_are(machine: Machine, tmp_path: Path) -> None:
    width = Choice([4, 8], name="width")
    supernet = nas.Supernet(nn.Sequential(nas.nn.Embedding(20, width), nas.nn.Linear(width, 3)))
    catalogue = Catalogue(supernet, (5,), torch.int64)
    measure_blocks(machine, supernet, catalogue, LatencyCache(tmp_path / "blocks.jsonl"), lambda _: None)
    types = [dtype for _, _, dtype in machine.prepared]
    assert types == [torch.int64, *(block.inputs[0].dtype for block in catalogue.blocks)]


def test_a_block_of_two_inputs_is_refused(machine: Machine, tmp_path: Path) -> None:
    class Both(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return x + y

    class Joined(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.both = OneOf([conv(1), conv(3)]), Both()

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.both(self.left(x), x)
            return y

    supernet = nas.Supernet(nn.Sequential(Joined()))
    with pytest.raises(UsageError, match=r"block '0\.both' takes 2 inputs, but a block is measured with one"):
        measure_blocks(
            machine, supernet, Catalogue(supernet, SHAPE), LatencyCache(tmp_path / "blocks.jsonl"), lambda _: None
        )


def test_recorded_latencies_are_looked_up_and_others_refused() -> None:
    small, large, other = (Architecture({"kernel": kernel}) for kernel in (3, 5, 7))
    table = Recorded("board", "a chip", {small.key: 1.5, large.key: 2.5})
    assert table.device() == "a chip"
    np.testing.assert_array_equal(table.measure([large, small, large]), [2.5, 1.5, 2.5])
    assert table.measure([]).shape == (0,)
    with pytest.raises(UsageError, match=r"target 'board' is a table of 2 measurements, and .* is not among them"):
        table.measure([small, other])


def test_the_fingerprint_of_recorded_latencies_follows_their_content_not_their_order() -> None:
    table = Recorded("board", "a chip", {"a": 1.0, "b": 2.0})
    assert table.fingerprint() == Recorded("board", "a chip", {"b": 2.0, "a": 1.0}, noise_floor=0.1).fingerprint()
    others = [Recorded("board", "a chip", {"a": 1.0, "b": 2.1}), Recorded("plank", "a chip", {"a": 1.0, "b": 2.0})]
    assert len({table.fingerprint(), *(each.fingerprint() for each in others)}) == 3
    assert table.fingerprint() == Recorded("board", "moved/measurements.csv", table.latencies).fingerprint()
    assert table.fingerprint().startswith("board-")
