"""Float32 models that are made to compute in another type."""

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from nas.errors import UsageError
from nas.export import Normalised, OnnxNetwork, check_parity, dynamic_onnx, lowered, static_onnx
from nas.tasks import Classification

TASK = Classification(["cat", "dog"])

PIXELS = torch.randint(256, (64, 1, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 8, 3, padding=1), nn.ReLU6(), nn.Conv2d(8, 8, 3), nn.Flatten(), nn.Linear(288, 5)]
    return Normalised(nn.Sequential(*layers), [80.0], [60.0]).eval()


@pytest.fixture(scope="module")
def model(network: nn.Module) -> bytes:
    return dynamic_onnx(network, (1, 8, 8), dtype=torch.uint8)


@pytest.mark.parametrize(
    ("dtype", "stored", "within"),
    [("float32", onnx.TensorProto.FLOAT, 1e-5), ("float16", onnx.TensorProto.FLOAT16, 1e-2), ("int8", 3, 0.1)],
)
def test_only_what_is_inside_changes_its_type(
    network: nn.Module, model: bytes, dtype: str, stored: int, within: float
) -> None:
    changed = lowered(model, dtype, [PIXELS.numpy()])
    graph = onnx.load_from_string(changed).graph
    assert {each.data_type for each in graph.initializer if len(each.dims) == 4} == {stored}
    assert graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert graph.output[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    assert [value.type.tensor_type.shape.dim[0].dim_param for value in (*graph.input, *graph.output)] == ["batch"] * 2
    parity = check_parity(network, changed, PIXELS, TASK)
    assert parity.max_difference < within and parity.label_agreement > 0.95
    assert changed == lowered(model, dtype, [PIXELS.numpy()])


def test_normalisation_is_not_rounded_to_int8(model: bytes) -> None:
    graph = onnx.load_from_string(lowered(model, "int8", [PIXELS.numpy()])).graph
    made = {name: node.op_type for node in graph.node for name in node.output}
    readers = {node.op_type: [made.get(name, "input") for name in node.input] for node in graph.node}
    assert readers["Cast"] == ["input"] and readers["Sub"][0] == "Cast" and readers["Div"][0] == "Sub"


def test_half_precision_of_a_model_with_a_fixed_batch_and_of_token_ids() -> None:
    for make in (dynamic_onnx, static_onnx):
        tokens = nn.Sequential(nn.Embedding(11, 8), nn.Flatten(), nn.Linear(48, 3))
        ids = torch.randint(11, (1, 6), generator=torch.Generator().manual_seed(1))
        half = lowered(make(tokens, (6,), dtype=torch.int64), "float16", [])
        assert onnx.load_from_string(half).graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.INT64
        answer = OnnxNetwork(half)(ids)
        assert answer.dtype == torch.float32
        torch.testing.assert_close(answer, tokens(ids).detach(), atol=5e-3, rtol=5e-3)


def test_infinite_masks_stay_infinite() -> None:
    class Causal(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.scaled_dot_product_attention(x, x, x, is_causal=True)

    x = torch.randn(3, 2, 4, 8, generator=torch.Generator().manual_seed(0))
    half = lowered(dynamic_onnx(Causal(), (2, 4, 8)), "float16", [])
    (later,) = (torch.cat([x[:, :, :3], x[:, :, 3:] + 5], dim=2),)
    before, after = OnnxNetwork(half)(x), OnnxNetwork(half)(later)
    assert torch.equal(before[:, :, :3], after[:, :, :3])
    np.testing.assert_allclose(before, Causal()(x), atol=1e-2)


def test_half_precision_has_a_bias_for_each_layer_where_several_are_equal() -> None:
    layers = [nn.Conv2d(4, 4, 3, padding=1) for _ in range(3)]
    for layer in layers:
        nn.init.zeros_(layer.bias)
    network, x = nn.Sequential(*layers), torch.randn(1, 4, 6, 6, generator=torch.Generator().manual_seed(0))
    shared = static_onnx(network, (4, 6, 6))
    assert sum(len(each.dims) == 1 for each in onnx.load_from_string(shared).graph.initializer) == 1
    half = lowered(shared, "float16", [])
    biases = [node.input[2] for node in onnx.load_from_string(half).graph.node if node.op_type == "Conv"]
    assert len(set(biases)) == 3
    torch.testing.assert_close(OnnxNetwork(half)(x), network(x).detach(), atol=5e-3, rtol=5e-3)


def test_other_types_are_refused(model: bytes) -> None:
    with pytest.raises(UsageError, match=r"dtype is 'bfloat16', which no ONNX file is written in; did you mean"):
        lowered(model, "bfloat16", [])
