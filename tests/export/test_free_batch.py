"""What is written into a graph because ONNX Runtime does not see it while the batch is free."""

from collections import Counter

import onnx
import pytest
import torch
from torch import nn

from nas.export import OnnxNetwork, dynamic_onnx


class Layer(nn.Module):
    """A layer of a language model, whose values are tied to nothing and whose last product has no bias."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.norm = nn.Embedding(7, 8), nn.LayerNorm(8)
        self.query, self.key, self.value = (nn.Linear(8, 8) for _ in range(3))
        self.head = nn.Linear(8, 7, bias=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.embedding(tokens))
        q, k, v = (each(x).unflatten(2, (2, 4)).transpose(1, 2) for each in (self.query, self.key, self.value))
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.head(x + mixed.transpose(1, 2).flatten(2))


def kinds(model: bytes) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load_from_string(model).graph.node)


def answers_alike(network: nn.Module, model: bytes, *batches: torch.Tensor) -> None:
    for x in batches:
        torch.testing.assert_close(OnnxNetwork(model)(x), network(x).detach(), atol=1e-5, rtol=1e-5)


def test_a_language_model_has_one_mask_and_one_product_for_each_linear_layer() -> None:
    torch.manual_seed(0)
    network = Layer()
    model = dynamic_onnx(network, (6,), dtype=torch.int64)
    found = kinds(model)
    assert found["Gemm"] == 4 and found["MatMul"] == 2  # those of attention
    assert not found.keys() & {"Shape", "Slice"}
    answers_alike(network, model, torch.randint(7, (1, 6)), torch.randint(7, (5, 6)))


def test_a_mask_is_not_written_out() -> None:
    network = Layer()
    short, long = (len(dynamic_onnx(network, (length,), dtype=torch.int64)) for length in (32, 256))
    assert long < short + 1000


def test_linear_layers_keep_sequences_of_several_dimensions_and_biases_that_others_read() -> None:
    class Grid(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(3, 4, bias=False), nn.Linear(4, 2)
            self.shift = nn.Parameter(torch.randn(4))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            product = self.first(x)
            return self.second(product + self.shift).sum(-1) * product.sum(-1)  # the product is read twice

    torch.manual_seed(0)
    network = Grid()
    model = dynamic_onnx(network, (2, 5, 3))
    assert kinds(model)["Gemm"] == 2 and kinds(model)["Add"] == 1
    answers_alike(network, model, torch.randn(1, 2, 5, 3), torch.randn(3, 2, 5, 3))


def test_products_of_rows_or_of_two_inputs_stay() -> None:
    class Similar(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x @ x.transpose(1, 2)

    torch.manual_seed(0)
    network, x = Similar(), torch.randn(3, 4, 5)
    model = dynamic_onnx(network, (4, 5))
    assert kinds(model)["MatMul"] == 1 and not kinds(model)["Gemm"]
    answers_alike(network, model, x)
    rows = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(16, 3))
    assert kinds(dynamic_onnx(rows, (3, 4, 4)))["Reshape"] == 1  # of nn.Flatten


@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_layer_at_the_end_gives_the_output(bias: bool) -> None:
    torch.manual_seed(0)
    network = nn.Linear(4, 3, bias=bias)
    model = dynamic_onnx(network, (5, 4))
    assert onnx.load_from_string(model).graph.output[0].name == "output"
    answers_alike(network, model, torch.randn(2, 5, 4))
