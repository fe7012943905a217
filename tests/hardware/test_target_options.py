"""Settings of targets: what each takes, what it refuses, and what it does with them."""

import functools
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

import nas.hardware.target_onnx
from nas.errors import UsageError
from nas.hardware import CPU, CUDA, OnnxRuntime, make_target, measure_networks

COMPILE = torch.compile

WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "option of another target": ("cpu", {"graph": True}, "'cpu' has no option 'graph'; there is none"),
    "misspelt option": ("onnxruntime", {"provder": "CPU"}, "no option 'provder'; did you mean 'provider'"),
    "misspelt dtype": ("cpu", {"dtype": "bfloat"}, "'bfloat', which it does not compute in; did you mean 'bfloat16'"),
    "int8 without quantisation": ("cpu", {"dtype": "int8"}, "dtype of target 'cpu' is 'int8'"),
    "bfloat16 in ONNX": ("onnxruntime", {"dtype": "bfloat16"}, "dtype of target 'onnxruntime' is 'bfloat16'"),
    "dtype that is no name": ("cpu", {"dtype": torch.float16}, "dtype of target 'cpu' is torch.float16; give a name"),
    "provider that is no name": ("onnxruntime", {"provider": 3}, "target 'onnxruntime' has provider 3, but input"),
    "threads as text": ("cpu", {"threads": "2"}, "threads of target 'cpu' is '2'; give a whole number from 1"),
    "graph as text": ("cuda", {"graph": "yes"}, "target 'cuda' has graph 'yes', but input should be a valid boolean"),
    "compile as number": ("cuda", {"compile": 1}, "target 'cuda' has compile 1, but input should be a valid boolean"),
    "int8 on a GPU": ("cuda", {"dtype": "int8"}, "dtype of target 'cuda' is 'int8'"),
    "absent provider": ("onnxruntime", {"provider": "QNN"}, "'QNN' is not installed here, but .*CPUExecutionProvider"),
}


class Spy(nn.Module):
    """Notes the types it runs in."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.norm = nn.BatchNorm2d(2)
        self.seen: set[tuple[torch.dtype, ...]] = set()

    def __deepcopy__(self, memo: Any) -> "Spy":
        copied = Spy()
        copied.seen = self.seen
        return copied

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(self.conv(x))
        self.seen.add((x.dtype, self.conv.weight.dtype, self.norm.running_mean.dtype, y.dtype))
        return y


class Hidden(nn.Module):
    """A tensor that is no parameter does not follow the network to another type."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.linear(x + torch.ones(4))
        return y


@pytest.mark.parametrize("case", WRONG)
def test_wrong_settings_get_a_sentence(case: str) -> None:
    name, settings, match = WRONG[case]
    with pytest.raises(UsageError, match=match):
        make_target(name, **settings)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_the_cpu_casts_network_and_input(dtype: str) -> None:
    spy, kind = Spy(), getattr(torch, dtype)
    make_target("cpu", dtype=dtype).prepare(spy, (1, 8, 8))()
    assert spy.seen == {(kind, kind, kind, kind)}
    assert spy.conv.weight.dtype == torch.float32


def test_token_ids_stay_integers_in_every_type() -> None:
    tokens = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 2))
    wheres = [CPU(dtype="bfloat16"), *(OnnxRuntime(dtype=dtype) for dtype in ("float32", "float16", "int8"))]
    for where in wheres:
        assert where.measure(tokens, (5,), torch.int64, max_seconds=0.02).dtype == where.dtype


def test_a_network_that_cannot_run_in_a_type_gets_a_sentence() -> None:
    with pytest.raises(UsageError, match="Hidden cannot be run on target 'cpu' in bfloat16 on an input"):
        CPU(dtype="bfloat16").prepare(Hidden(), (4,))
    OnnxRuntime(dtype="float16").prepare(Hidden(), (4,))()  # made of the float32 graph, whatever its code does
    with pytest.raises(UsageError, match="Linear cannot be run on target 'cpu' in float32"):
        CPU().prepare(nn.Linear(4, 4), (3,))


@pytest.mark.parametrize("name", ["CPU", "cpu", "CPUExecutionProvider"])
def test_providers_have_short_names(name: str) -> None:
    assert make_target("onnxruntime", provider=name) == OnnxRuntime()
    assert OnnxRuntime(provider=name).fingerprint() == OnnxRuntime().fingerprint()


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_provider_that_does_not_start_is_no_other_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = ["TensorrtExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: installed)
    where = OnnxRuntime(provider="TensorRT")
    assert where.versions()["provider"] == "TensorrtExecutionProvider"
    with pytest.raises(UsageError, match="'TensorrtExecutionProvider' is installed but does not start"):
        where.prepare(nn.Linear(4, 2), (4,))


@pytest.mark.parametrize(
    ("dtype", "weights", "inputs"),
    [
        ("float32", onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT),
        ("float16", onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT),
        ("int8", onnx.TensorProto.INT8, onnx.TensorProto.FLOAT),
    ],
)
def test_onnx_runtime_runs_a_graph_of_that_type(
    dtype: str, weights: int, inputs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[onnx.ModelProto] = []
    real = nas.hardware.target_onnx.open_session

    def spy(model: bytes, **options: Any) -> Any:
        opened.append(onnx.load_from_string(model))
        return real(model, **options)

    monkeypatch.setattr(nas.hardware.target_onnx, "open_session", spy)
    OnnxRuntime(dtype=dtype).prepare(nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3)), (1, 8, 8))()
    (model,) = opened
    assert {each.data_type for each in model.graph.initializer if len(each.dims) == 4} == {weights}
    assert model.graph.input[0].type.tensor_type.elem_type == inputs


def test_the_fingerprint_tells_types_and_providers_apart() -> None:
    wheres = [OnnxRuntime(dtype=dtype) for dtype in ("float32", "float16", "int8")]
    wheres += [OnnxRuntime(provider=name) for name in onnxruntime.get_available_providers()]
    assert len({where.fingerprint() for where in wheres}) == len(set(wheres))


class Event:
    """Stands for a CUDA event; a millisecond passes with each thing noted."""

    def __init__(self, events: list[str]) -> None:
        self.events, self.at = events, -1

    def record(self) -> None:
        self.at = len(self.events)
        self.events.append("event")

    def synchronize(self) -> None:
        assert self.at >= 0
        self.events.append("synchronize")

    def elapsed_time(self, end: "Event") -> float:
        assert self.events[-1] == "synchronize"
        return float(end.at - self.at)


class Recorded:
    """Stands for ``torch.cuda`` where there is no GPU, and notes in which order it is used."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.events: list[str] = []
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
        monkeypatch.setattr(torch.cuda, "Event", self._event)
        monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: self)
        monkeypatch.setattr(torch.cuda, "Stream", lambda: self)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda: self)
        monkeypatch.setattr(torch.cuda, "stream", self._context("side stream"))
        monkeypatch.setattr(torch.cuda, "graph", self._context("capture"))
        monkeypatch.setattr(nn.Module, "to", self._without_gpu(nn.Module.to))
        monkeypatch.setattr(Tensor, "cuda", lambda tensor: tensor)
        monkeypatch.setattr(torch, "compile", self._compile)
        self.wait_stream = lambda other: None
        self.replay = self._note("replay")

    def network(self) -> nn.Module:
        note = self._note("forward")

        class Noting(nn.Module):
            def forward(self, x: Tensor) -> Tensor:
                note()
                return x

        return Noting()

    def _note(self, what: str) -> Callable[[], None]:
        return lambda: self.events.append(what)

    def _event(self, *, enable_timing: bool) -> "Event":
        assert enable_timing
        return Event(self.events)

    def _context(self, what: str) -> Callable[..., Any]:
        def enter(_: object) -> Any:
            self.events.append(what)
            return nullcontext()

        return enter

    def _without_gpu(self, real: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
        return lambda module, *places: real(module, *(place for place in places if place != "cuda"))

    def _compile(self, call: Callable[[Tensor], Tensor], *, fullgraph: bool, dynamic: bool) -> Callable[..., Tensor]:
        self.events.append(f"compile fullgraph={fullgraph} dynamic={dynamic}")
        return call


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    return Recorded(monkeypatch)


def test_a_call_on_the_gpu_waits_for_its_result(gpu: Recorded) -> None:
    run = CUDA().prepare(gpu.network(), (4,))
    gpu.events.clear()
    assert run() == 2.0  # from the event before the forward pass to the one after it
    assert gpu.events == ["event", "forward", "event", "synchronize"]


def test_the_gpu_times_itself(gpu: Recorded) -> None:
    measured = CUDA().measure(gpu.network(), (4,), max_seconds=0.01)
    assert (measured.latency_ms, measured.spread_ms) == (2.0, 0.0)


def test_a_graph_is_captured_once_warm_and_replayed(gpu: Recorded) -> None:
    run = CUDA(graph=True).prepare(gpu.network(), (4,))
    side = gpu.events.index("side stream")
    assert gpu.events[side:] == ["side stream", *["forward"] * 3, "capture", "forward"]
    gpu.events.clear()
    assert (run(), run()) == (2.0, 2.0)
    assert gpu.events == ["event", "replay", "event", "synchronize"] * 2


def test_a_compiled_network_is_compiled_before_it_is_timed(gpu: Recorded) -> None:
    run = CUDA(compile=True, dtype="bfloat16").prepare(gpu.network(), (4,))
    assert gpu.events[0] == "compile fullgraph=True dynamic=False"
    assert "forward" in gpu.events
    gpu.events.clear()
    run()
    assert gpu.events == ["event", "forward", "event", "synchronize"]


def test_every_network_is_compiled_however_many_there_are(gpu: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[torch.fx.GraphModule] = []

    def backend(graph: torch.fx.GraphModule, _: Any) -> Callable[..., Any]:
        compiled.append(graph)

        def run(*inputs: Tensor) -> Any:
            gpu.events.append("compiled")
            return graph(*inputs)

        return run

    where, widths = CUDA(compile=True), range(1, 13)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)  # or the compiler looks for the GPU
    monkeypatch.setattr(torch, "compile", functools.partial(COMPILE, backend=backend))
    assert len(widths) > torch._dynamo.config.recompile_limit
    runs = [where.prepare(nn.Sequential(nn.Conv2d(1, width, 3), nn.ReLU()), (1, 8, 8)) for width in widths]
    assert len(compiled) == len(runs) == 12
    for run in runs:
        gpu.events.clear()
        run()
        assert "compiled" in gpu.events, "none falls back to running eagerly"
    assert len(compiled) == 12, "none is compiled again"


def test_what_cannot_be_compiled_whole_is_not_timed_in_parts(gpu: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            torch._dynamo.graph_break()
            return x

    where = CUDA(compile=True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch, "compile", functools.partial(COMPILE, backend="eager"))
    with pytest.raises(UsageError, match="Broken cannot be run on target 'cuda'"):
        where.prepare(Broken(), (4,))


def test_the_options_of_the_gpu_are_in_its_versions_and_fingerprint(gpu: Recorded) -> None:
    wheres = [CUDA(graph=graph, compile=compiled) for graph in (False, True) for compiled in (False, True)]
    wheres += [CUDA(dtype="float16"), CUDA(dtype="bfloat16")]
    assert len({where.fingerprint() for where in wheres}) == 6
    assert (wheres[2].versions()["graph"], wheres[2].versions()["compile"]) == ("True", "False")
    assert make_target("cuda", graph=True) == CUDA(graph=True)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("options", [{"graph": True}, {"compile": True}, {"graph": True, "dtype": "float16"}])
def test_the_gpu_measures_with_every_option(options: dict[str, Any]) -> None:
    network = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3))
    found = measure_networks(CUDA(**options), {"a": network}, network, (3, 16, 16), max_seconds=0.2)
    assert found["a"].latency_ms > 0
