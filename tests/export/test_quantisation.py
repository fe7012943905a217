"""What static quantisation makes of a model, on the embedded digits."""

import logging
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from nas.errors import UsageError
from nas.export import dynamic_onnx, open_session, quantise, static_onnx, write_onnx


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """Images ``[1797, 1, 8, 8]`` with mean 0 and spread 1, and their labels."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    images = (images - images.mean()) / images.std()
    return images.reshape(-1, 1, 8, 8).astype(np.float32), labels


@pytest.fixture(scope="module")
def model(digits: tuple[np.ndarray, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small convolutional network that has learnt the digits, as a file with a dynamic batch."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 48, 1, bias=False),
        nn.BatchNorm2d(48),
        nn.Hardswish(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(192, 10),
    )
    images, labels = (torch.from_numpy(each[:1200]) for each in digits)
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(4):
        for batch in torch.randperm(1200).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(images[batch]), labels[batch]).backward()
            optimizer.step()
    return write_onnx(network, tmp_path_factory.mktemp("model") / "digits.onnx", (1, 8, 8))


@pytest.fixture(scope="module")
def quantised(model: Path, digits: tuple[np.ndarray, np.ndarray]) -> bytes:
    return quantise(model, batches(digits))


def batches(digits: tuple[np.ndarray, np.ndarray], count: int = 4) -> Iterator[np.ndarray]:
    return iter(np.split(digits[0][: 64 * count], count))


def answers(model: bytes | Path, images: np.ndarray) -> np.ndarray:
    (found,) = open_session(model).run(None, {"input": images})
    return np.asarray(found)


def test_it_answers_nearly_as_the_float_model_on_images_it_has_not_seen(
    model: Path, quantised: bytes, digits: tuple[np.ndarray, np.ndarray]
) -> None:
    images, labels = (each[1200:] for each in digits)
    exact, rounded = answers(model, images), answers(quantised, images)
    assert (exact.argmax(1) == labels).mean() > 0.85
    assert (exact.argmax(1) == rounded.argmax(1)).mean() > 0.97
    cosine = (exact * rounded).sum() / np.linalg.norm(exact) / np.linalg.norm(rounded)
    assert 0.99 < cosine < 0.9999999


def test_weights_are_int8_with_a_scale_for_each_channel_and_biases_int32(quantised: bytes) -> None:
    graph = onnx.load_from_string(quantised).graph
    stored = {each.name: each for each in graph.initializer}
    source = {node.output[0]: node for node in graph.node if node.op_type == "DequantizeLinear"}
    layers = [node for node in graph.node if node.op_type in ("Conv", "Gemm", "MatMul")]
    assert len(layers) == 4
    for layer in layers:
        weight, scale, _ = source[layer.input[1]].input
        assert stored[weight].data_type == onnx.TensorProto.INT8
        assert np.abs(onnx.numpy_helper.to_array(stored[weight]).astype(int)).max() == 64  # two products fit 16 bits
        if layer.op_type == "Conv":
            assert list(stored[scale].dims) == [stored[weight].dims[0]]
        assert stored[source[layer.input[2]].input[0]].data_type == onnx.TensorProto.INT32
        assert source[layer.input[0]].op_type == "DequantizeLinear"


def test_it_is_smaller_and_a_valid_model(model: Path, quantised: bytes, tmp_path: Path) -> None:
    wide = write_onnx(nn.Sequential(nn.Conv2d(1, 128, 3), nn.Conv2d(128, 128, 1)), tmp_path / "wide.onnx", (1, 8, 8))
    small = quantise(wide, [np.ones((1, 1, 8, 8), np.float32)])
    assert len(small) < 0.4 * wide.stat().st_size
    onnx.checker.check_model(onnx.load_from_string(quantised), full_check=True)


def test_the_batch_size_stays_free(quantised: bytes, digits: tuple[np.ndarray, np.ndarray]) -> None:
    one, many = answers(quantised, digits[0][:1]), answers(quantised, digits[0][:7])
    assert many.shape == (7, 10)
    np.testing.assert_allclose(one, many[:1], atol=1e-5)


def test_ranges_come_from_the_batches(model: Path, digits: tuple[np.ndarray, np.ndarray]) -> None:
    images = digits[0][1200:]
    exact = answers(model, images)
    wide = answers(quantise(model, [20 * digits[0][:64]]), images)
    narrow = answers(quantise(model, batches(digits)), images)
    assert np.abs(wide - exact).mean() > 3 * np.abs(narrow - exact).mean()


class Causal(nn.Module):
    """Attention over the tokens before each, with an outlook on its classes."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.projections, self.head = nn.Embedding(7, 8), nn.Linear(8, 24), nn.Linear(8, 7)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        q, k, v = self.projections(self.embedding(tokens)).unsqueeze(1).chunk(3, -1)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.head(mixed.squeeze(1)).transpose(1, 2)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("export", [partial(static_onnx, batch=32), dynamic_onnx])
def test_the_mask_of_causal_attention_keeps_its_infinities(export: Callable[..., bytes]) -> None:
    torch.manual_seed(0)
    tokens = torch.randint(7, (32, 12)).numpy()
    model = export(Causal(), (12,), dtype=torch.int64)
    quantised = quantise(model, [tokens])
    exact, rounded = answers(model, tokens), answers(quantised, tokens)
    assert 0 < np.abs(exact - rounded).max() < 0.03 * np.ptp(exact)
    later = tokens.copy()
    later[:, 6:] = 0
    changed = np.abs(answers(quantised, later) - rounded).max((0, 1))
    assert (changed[:6] == 0).all() and (changed[6:] > 0).all()
    stored = onnx.load_from_string(quantised).graph.initializer
    scales = [onnx.numpy_helper.to_array(each) for each in stored if each.name.endswith("_scale")]
    assert len(scales) > 5 and all(np.isfinite(each).all() for each in scales)
    assert sum(each.data_type == onnx.TensorProto.INT8 for each in stored) >= 3


def test_equal_input_gives_equal_bytes(model: Path, quantised: bytes, digits: tuple[np.ndarray, np.ndarray]) -> None:
    assert quantise(model.read_bytes(), batches(digits)) == quantised


def test_biases_that_an_exporter_wrote_once_are_quantised_for_each_layer() -> None:
    layers = [nn.Conv2d(4, 4, 3, padding=1) for _ in range(3)]
    for layer in layers:
        nn.init.zeros_(layer.bias)
    graph = onnx.load_from_string(quantise(static_onnx(nn.Sequential(*layers), (4, 8, 8)), [example()])).graph
    integers = {each.name for each in graph.initializer if each.data_type == onnx.TensorProto.INT32}
    biases = {node.output[0] for node in graph.node if node.input[0] in integers}
    assert all(node.input[2] in biases for node in graph.node if node.op_type == "Conv")


def test_a_graph_without_input_comes_back() -> None:
    class Constant(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.zeros_like(x) + 3

    model = quantise(static_onnx(Constant(), (4,)), [np.zeros((1, 4), np.float32)])
    assert open_session(model).run(None, {})[0].tolist() == [[3.0] * 4]


def test_nothing_is_said_and_nothing_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], caplog: Any
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    root = logging.getLogger()
    before = (list(root.handlers), list(root.filters))
    quantise(static_onnx(nn.Conv2d(4, 4, 3), (4, 8, 8)), [example()])
    assert (root.handlers, root.filters) == before
    assert capfd.readouterr() == ("", "")
    assert caplog.text == ""
    assert list(tmp_path.iterdir()) == []


def two_inputs(path: Path) -> Path:
    a, b, c = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2, 2]) for name in "abc")
    graph = onnx.helper.make_graph([onnx.helper.make_node("MatMul", ["a", "b"], ["c"])], "product", [a, b], [c])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=9), path)
    return path


def example() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(1, 4, 8, 8)).astype(np.float32)


def test_mistakes_get_a_sentence(tmp_path: Path) -> None:
    model = static_onnx(nn.Conv2d(4, 4, 3), (4, 8, 8))
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    cases: list[tuple[bytes | Path, list[np.ndarray], str]] = [
        (model, [], "got no batch"),
        (model, [example()[:, :3]], "cannot be quantised .*; give a float32 model and inputs of the shape and type"),
        (model, [example().astype(np.float64)], "cannot be quantised"),
        (broken, [example()], r"broken\.onnx cannot be opened"),
        (b"no model", [example()], "The given ONNX bytes cannot be opened"),
        (tmp_path / "missing.onnx", [example()], r"missing\.onnx cannot be opened"),
        (two_inputs(tmp_path / "two.onnx"), [example()], r"two\.onnx has 2 inputs"),
    ]
    for given, inputs, match in cases:
        with pytest.raises(UsageError, match=match):
            quantise(given, inputs)
