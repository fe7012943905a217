"""Elastic attention equals torch's, and its heads are slices (checked in float64)."""

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from slices import close, one_hot, randomise
from torch import Tensor, nn

import nas
from nas.errors import UsageError
from nas.nn import MultiheadAttention
from nas.space import Choice

WIDTH, HEADS = Choice([4, 8, 12], name="width"), Choice([1, 2, 4], name="heads")
LENGTH, MEMORY, BATCH = 5, 7, 3


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


class Attention(nn.Module):
    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__()
        self.layer = MultiheadAttention(*args, **kwargs)  # type: ignore[arg-type]

    def forward(self, query: Tensor, memory: Tensor, mask: Tensor | None = None) -> Tensor:
        y: Tensor = self.layer(query, memory, memory, attn_mask=mask)[0]
        return y


def supernet_of(*args: object, **kwargs: object) -> tuple[nas.Supernet, MultiheadAttention]:
    torch.manual_seed(0)
    model = Attention(*args, **kwargs)
    randomise(model)
    return nas.Supernet(model), model.layer


def inputs(width: int, batch_first: bool) -> tuple[Tensor, Tensor]:
    query, memory = torch.randn(LENGTH, BATCH, width), torch.randn(MEMORY, BATCH, width)
    return (query.transpose(0, 1), memory.transpose(0, 1)) if batch_first else (query, memory)


@torch.no_grad()
def torch_twin(
    layer: MultiheadAttention, width: int, heads: int, bias: bool, batch_first: bool
) -> nn.MultiheadAttention:
    """``torch.nn.MultiheadAttention`` with the leading rows and columns of every projection."""
    twin = nn.MultiheadAttention(width, heads, bias=bias, batch_first=batch_first)
    weights = [getattr(layer, f"{name}_weight")[:width, :width] for name in ("query", "key", "value")]
    twin.in_proj_weight.copy_(torch.cat(weights))
    twin.out_proj.weight.copy_(layer.get_parameter("out_weight")[:width, :width])
    if bias:
        biases = [getattr(layer, f"{name}_bias")[:width] for name in ("query", "key", "value")]
        twin.in_proj_bias.copy_(torch.cat(biases))
        twin.out_proj.bias.copy_(layer.get_parameter("out_bias")[:width])
    return twin


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("width", "heads"), [(4, 2), (8, 4), (12, 1)])
def test_without_head_dim_it_is_the_attention_of_torch(width: int, heads: int, bias: bool, batch_first: bool) -> None:
    supernet, layer = supernet_of(WIDTH, HEADS, bias=bias, batch_first=batch_first)
    supernet.activate({"width": width, "heads": heads})
    twin = torch_twin(layer, width, heads, bias, batch_first)
    query, memory = inputs(width, batch_first)
    mask = torch.where(torch.rand(LENGTH, MEMORY) < 0.3, -torch.inf, torch.randn(LENGTH, MEMORY))
    mask[:, 0] = 0
    for attn_mask in (None, mask):
        supernet.zero_grad()
        twin.zero_grad()
        ours = supernet(query, memory, attn_mask)
        theirs = twin(query, memory, memory, attn_mask=attn_mask)[0]
        close(ours, theirs)
        close(supernet.extract({"width": width, "heads": heads})(query, memory, attn_mask), theirs)
        ours.sin().sum().backward()
        theirs.sin().sum().backward()
        assert twin.in_proj_weight.grad is not None
        for name, grad in zip(("query", "key", "value"), twin.in_proj_weight.grad.chunk(3), strict=True):
            whole = layer.get_parameter(f"{name}_weight").grad
            close(whole, F.pad(grad, (0, 12 - width, 0, 12 - width)))
        out = twin.out_proj.weight.grad
        assert out is not None
        close(layer.get_parameter("out_weight").grad, F.pad(out, (0, 12 - width, 0, 12 - width)))


def test_causal_attention_sees_the_past_alone() -> None:
    supernet, layer = supernet_of(WIDTH, HEADS)
    supernet.activate({"width": 8, "heads": 2})
    x = torch.randn(LENGTH, BATCH, 8)
    mask = torch.full((LENGTH, LENGTH), -torch.inf).triu(1)
    close(layer(x, x, x, is_causal=True)[0], layer(x, x, x, attn_mask=mask)[0])
    plain = supernet.extract(supernet.architecture).get_submodule("layer")
    close(plain(x, x, x, is_causal=True)[0], layer(x, x, x, attn_mask=mask)[0])


@pytest.mark.parametrize(("width", "heads"), [(4, 1), (8, 4), (12, 2)])
def test_with_head_dim_fewer_heads_are_a_smaller_layer(width: int, heads: int) -> None:
    supernet, layer = supernet_of(WIDTH, HEADS, head_dim=3, batch_first=True)
    supernet.activate({"width": width, "heads": heads})
    query, memory = inputs(width, batch_first=True)
    expected = layer.get_parameter("out_bias")[:width].expand(BATCH, LENGTH, width)
    for head in range(heads):
        rows = slice(3 * head, 3 * head + 3)
        q, k, v = (
            x @ getattr(layer, f"{name}_weight")[rows, :width].T + getattr(layer, f"{name}_bias")[rows]
            for name, x in (("query", query), ("key", memory), ("value", memory))
        )
        attention = (q @ k.transpose(1, 2) / 3**0.5).softmax(-1)
        expected = expected + attention @ v @ layer.get_parameter("out_weight")[:width, rows].T
    close(supernet(query, memory), expected)
    network = supernet.extract({"width": width, "heads": heads})
    close(network(query, memory), expected)
    assert sum(p.numel() for p in network.parameters()) == 4 * width * 3 * heads + 3 * 3 * heads + width


def test_one_hot_gates_over_heads_and_width() -> None:
    supernet, layer = supernet_of(WIDTH, HEADS, head_dim=3)
    architecture = {"width": 8, "heads": 2}
    query, memory = inputs(8, batch_first=False)
    supernet.activate(architecture)
    y = supernet(query, memory)
    y.sin().sum().backward()
    gradients = {name: parameter.grad for name, parameter in layer.named_parameters()}
    supernet.zero_grad()
    gates = one_hot(supernet, architecture)
    supernet.mix(gates)
    wide = supernet(F.pad(query, (0, 4)), F.pad(memory, (0, 4)))
    close(wide, F.pad(y, (0, 4)))
    wide.sin().sum().backward()
    for name, parameter in layer.named_parameters():
        close(parameter.grad, gradients[name])
    assert gates["heads"].grad is not None and gates["width"].grad is not None


def test_extraction_is_plain_and_keeps_what_is_frozen() -> None:
    supernet, layer = supernet_of(WIDTH, HEADS)
    layer.get_parameter("key_weight").requires_grad_(False)
    network = supernet.eval().extract({"width": 4, "heads": 2})
    plain = network.get_submodule("layer")
    assert not any(type(module).__module__.startswith("nas") for module in plain.modules())
    assert not plain.training
    frozen = [name for name, parameter in plain.named_parameters() if not parameter.requires_grad]
    assert frozen == ["key.weight"]


def test_a_fixed_layer_needs_no_supernet() -> None:
    torch.manual_seed(0)
    layer = MultiheadAttention(8, 2)
    twin = torch_twin(layer, 8, 2, bias=True, batch_first=False)
    x = torch.randn(LENGTH, BATCH, 8)
    close(layer(x, x, x)[0], twin(x, x, x)[0])


def test_attention_refuses_what_it_cannot_do() -> None:
    with pytest.raises(UsageError, match=r"num_heads=4 does not divide embed_dim=6; give head_dim\."):
        MultiheadAttention(Choice([6, 8]), Choice([1, 4]))
    MultiheadAttention(Choice([6, 8]), Choice([1, 4]), head_dim=2)
    supernet, layer = supernet_of(WIDTH, HEADS)
    x = torch.randn(LENGTH, BATCH, 12)
    with pytest.raises(UsageError, match="attn_mask is boolean; give 0 where attention is allowed, -inf elsewhere"):
        layer(x, x, x, attn_mask=torch.ones(LENGTH, LENGTH, dtype=torch.bool))
    half = torch.full((3,), 1 / 3)
    with pytest.raises(UsageError, match="embed_dim without head_dim cannot follow a soft gate"):
        supernet.mix({"width": half, "heads": half})
    with pytest.raises(UsageError, match="num_heads without head_dim cannot follow a soft gate"):
        supernet.mix({"width": half, "heads": half}, active={"width": [2]})


@pytest.mark.parametrize(("heads", "kept"), [(2, 1), (4, 2), (4, 4), (8, 4)])
def test_grouped_queries_keep_their_key_whatever_the_number_of_heads(heads: int, kept: int) -> None:
    keys, each = Choice([1, 2, 4], name="keys"), Choice([1, 2], name="each")
    supernet, layer = supernet_of(8, keys * each, head_dim=3, num_kv_heads=keys, batch_first=True)
    query, memory = inputs(8, batch_first=True)
    supernet.activate({"keys": kept, "each": heads // kept})
    places = [2 * key + member for key in range(kept) for member in range(heads // kept)]
    rows = [3 * place + feature for place in places for feature in range(3)]
    q = query @ layer.query_weight[rows].T + layer.query_bias[rows]
    k, v = (
        memory @ getattr(layer, f"{name}_weight")[: 3 * kept].T + getattr(layer, f"{name}_bias")[: 3 * kept]
        for name in ("key", "value")
    )
    q, k, v = (x.unflatten(-1, (-1, 3)).transpose(1, 2) for x in (q, k, v))
    mixed = F.scaled_dot_product_attention(q, k, v, enable_gqa=True).transpose(1, 2).flatten(2)
    close(supernet(query, memory), mixed @ layer.out_weight[:, rows].T + layer.out_bias)


def test_heads_that_their_keys_do_not_divide_are_refused() -> None:
    with pytest.raises(UsageError, match=r"num_heads=4 is no multiple of num_kv_heads=3; let one follow the other"):
        MultiheadAttention(8, 4, head_dim=2, num_kv_heads=Choice([2, 3]))
