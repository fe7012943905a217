from collections.abc import Callable

import pytest
import torch
from torch import nn

import nas
from nas.errors import UsageError
from nas.hardware import CPU, CUDA, OnnxRuntime, Target, available_targets, make_target
from nas.testing import TargetSuite
from search_spaces.nasbench201 import nasbench201

TARGETS: list[Callable[..., Target]] = [CPU, OnnxRuntime]
if torch.cuda.is_available():
    TARGETS.append(CUDA)


def network(width: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, width, 3)
    )


class TestEveryTarget(TargetSuite):
    @pytest.fixture(autouse=True, params=TARGETS)
    def target(self, request: pytest.FixtureRequest) -> None:
        self.make = request.param

    def test_a_network_that_ignores_its_input(self) -> None:
        supernet = nas.Supernet(nasbench201((3, 8, 8), 10, width=4, cells=1))
        nothing = supernet.extract(supernet.space.smallest())
        assert self.make().measure(nothing, (3, 8, 8), max_seconds=0.05).latency_ms > 0

    def test_energy_is_taken_where_a_counter_tells_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        calls = 0

        def counter() -> float:
            return 3.0 * calls

        class Counted(nn.Identity):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                nonlocal calls
                calls += 1
                return x

        monkeypatch.setattr(self.make, "energy_counter", lambda self: counter)
        assert self.make().measure(network(4), (3, 8, 8), max_seconds=0.05).energy_mj is None
        if self.make is CPU:
            assert self.make().measure(Counted(), (3, 8, 8), max_seconds=0.05).energy_mj == pytest.approx(3.0)
        monkeypatch.setattr(self.make, "energy_counter", lambda self: None)
        assert self.make().measure(network(4), (3, 8, 8), max_seconds=0.05).energy_mj is None


def test_a_prepared_call_runs_with_the_wanted_threads() -> None:
    seen = []

    class Spy(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append((torch.get_num_threads(), tuple(x.shape), self.training))
            return x

    CPU(threads=3, batch=5).prepare(Spy(), (2,))()
    assert set(seen) == {(3, (5, 2), False)}


def test_targets_by_name() -> None:
    assert {"cpu", "onnxruntime"} <= available_targets().keys()
    assert f"torch {torch.__version__}" in available_targets()["cpu"]
    assert make_target("onnxruntime", threads=2, batch=4) == OnnxRuntime(threads=2, batch=4)
    with pytest.raises(UsageError, match="did you mean 'onnxruntime'"):
        make_target("onnx-runtime")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_gets_a_sentence() -> None:
    assert "cuda" not in available_targets()
    with pytest.raises(UsageError, match="needs an NVIDIA GPU"):
        make_target("cuda")


def test_an_unknown_provider_gets_a_sentence() -> None:
    with pytest.raises(UsageError, match=r"'NpuExecutionProvider' is not installed here, but .*CPUExecutionProvider"):
        OnnxRuntime(provider="NpuExecutionProvider")
