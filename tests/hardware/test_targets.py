from collections.abc import Callable

import pytest
import torch
from torch import nn

import nas
from nas.errors import UsageError
from nas.hardware import CPU, CUDA, OnnxRuntime, Target, available_targets, measure_networks, target
from search_spaces.nasbench201 import nasbench201

TARGETS: list[Callable[..., Target]] = [CPU, OnnxRuntime]
if torch.cuda.is_available():
    TARGETS.append(CUDA)


def network(width: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, width, 3)
    )


@pytest.mark.parametrize("make", TARGETS)
class TestEveryTarget:
    """What each target must do, ours or a third party's."""

    def test_measurement_records_its_conditions(self, make: Callable[..., Target]) -> None:
        where = make(batch=2)
        plain = network(8)
        found = where.measure(plain, (3, 16, 16), max_seconds=0.1)
        assert (found.threads, found.batch, found.dtype, found.target) == (1, 2, "float32", where.name)
        assert found.latency_ms > found.spread_ms >= 0
        assert found.repeats >= 20
        assert found.versions["torch"] == torch.__version__
        assert found.device == where.device() != ""
        assert plain.training

    def test_larger_networks_take_longer(self, make: Callable[..., Target]) -> None:
        networks = {"large": network(96), "small": network(8)}
        found = measure_networks(make(), networks, network(32), (3, 32, 32), max_seconds=1.0)
        assert list(found) == ["large", "small"]
        assert found["large"].latency_ms > 2 * found["small"].latency_ms

    def test_token_ids(self, make: Callable[..., Target]) -> None:
        tokens = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 2))
        assert make().measure(tokens, (5,), torch.int64, max_seconds=0.05).dtype == "float32"

    def test_the_type_that_is_asked_for_is_the_type_that_runs(self, make: Callable[..., Target]) -> None:
        where = make(dtype="float16")
        found = measure_networks(where, {"a": network(8)}, network(8), (3, 8, 8), max_seconds=0.05)
        assert found["a"].dtype == "float16"
        assert where.fingerprint() != make().fingerprint()

    def test_a_network_that_ignores_its_input(self, make: Callable[..., Target]) -> None:
        supernet = nas.Supernet(nasbench201((3, 8, 8), 10, width=4, cells=1))
        nothing = supernet.extract(supernet.space.smallest())
        assert make().measure(nothing, (3, 8, 8), max_seconds=0.05).latency_ms > 0

    def test_energy_is_taken_where_a_counter_tells_it(
        self, make: Callable[..., Target], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        calls = 0

        def counter() -> float:
            return 3.0 * calls

        class Counted(nn.Identity):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                nonlocal calls
                calls += 1
                return x

        monkeypatch.setattr(make, "energy_counter", lambda self: counter)
        assert make().measure(network(4), (3, 8, 8), max_seconds=0.05).energy_mj is None
        if make is CPU:
            assert make().measure(Counted(), (3, 8, 8), max_seconds=0.05).energy_mj == pytest.approx(3.0)
        monkeypatch.setattr(make, "energy_counter", lambda self: None)
        assert make().measure(network(4), (3, 8, 8), max_seconds=0.05).energy_mj is None

    def test_fingerprint_tells_conditions_apart(self, make: Callable[..., Target]) -> None:
        assert make().fingerprint() == make().fingerprint()
        assert len({make(threads=t, batch=b).fingerprint() for t in (1, 2) for b in (1, 4)}) == 4
        assert make().fingerprint().startswith(make().name)

    def test_the_number_of_threads_is_restored(self, make: Callable[..., Target]) -> None:
        before = torch.get_num_threads()
        make(threads=before + 1).prepare(network(4), (3, 8, 8))()
        assert torch.get_num_threads() == before

    @pytest.mark.parametrize("wrong", [{"threads": 0}, {"batch": -1}, {"batch": 1.5}, {"threads": True}])
    def test_wrong_counts_get_a_sentence(self, make: Callable[..., Target], wrong: dict[str, object]) -> None:
        with pytest.raises(UsageError, match="give a whole number from 1"):
            make(**wrong)


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
    assert target("onnxruntime", threads=2, batch=4) == OnnxRuntime(threads=2, batch=4)
    with pytest.raises(UsageError, match="did you mean 'onnxruntime'"):
        target("onnx-runtime")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_gets_a_sentence() -> None:
    assert "cuda" not in available_targets()
    with pytest.raises(UsageError, match="needs an NVIDIA GPU"):
        target("cuda")


def test_an_unknown_provider_gets_a_sentence() -> None:
    with pytest.raises(UsageError, match=r"'NpuExecutionProvider' is not installed here, but .*CPUExecutionProvider"):
        OnnxRuntime(provider="NpuExecutionProvider")
