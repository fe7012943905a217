"""Models of one elastic layer each, with random arguments, that take and give tensors of fixed sizes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from hypothesis import strategies as st
from small_models import SelfAttention
from torch import Tensor, nn

import nas.nn
from nas.space import Choice, concatenate

__all__ = ["LAYERS", "First", "Model", "WithToken"]

Draw = Callable[[st.SearchStrategy[Any]], Any]


@dataclass(frozen=True)
class Model:
    """A model, the shape of an example, whether its choices may follow soft gates, whether ONNX has what it does."""

    network: nn.Module
    shape: tuple[int, ...]
    mixable: bool = True
    exportable: bool = True

    @property
    def tokens(self) -> bool:
        return len(self.shape) == 1

    def inputs(self, batch: int = 3) -> Tensor:
        """Numbers, or tokens below four."""
        shape, draws = (batch, *self.shape), torch.Generator().manual_seed(0)
        if self.tokens:
            return torch.randint(0, 4, shape, generator=draws)
        return torch.randn(shape, generator=draws, dtype=torch.float64)


class First(nn.Module):
    """What a recurrent layer gives at every step."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(x)[0]
        return y


class WithToken(nn.Module):
    """A class token in front and positions added, used as tensors in several ways."""

    def __init__(self, length: Any, width: Any) -> None:
        super().__init__()
        self.token, self.positions = nas.nn.Parameter((1, 1, width)), nas.nn.Parameter((1, length, width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.trunc_normal_(self.token)  # type: ignore[arg-type]
        nn.init.normal_(self.positions)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1)
        return 2 * self.positions[:, : x.shape[1]] - x / (1 + self.token.square().sum()) + self.token.to(x.dtype)


def several(draw: Draw, *values: Any) -> Any:
    """One of the values, or a choice of some."""
    taken = draw(st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True))
    return taken[0] if len(taken) == 1 else Choice(taken)


def width(draw: Draw, factor: int = 1, parts: bool = True) -> Any:
    """A number of channels: fixed, a choice, a product with one, or a concatenation."""
    own = several(draw, *(factor * count for count in range(1, 6)))
    kind = draw(st.sampled_from(["alone", "doubled", "concatenated"] if parts else ["alone", "doubled"]))
    if kind == "concatenated":
        return concatenate(own, several(draw, factor, 2 * factor))
    return 2 * own if kind == "doubled" else own


def of_dims(kind: str, dims: int) -> Any:
    return getattr(nas.nn, f"{kind}{dims}d")


def between(layer: nn.Module, inputs: Any, outputs: Any, dims: int) -> nn.Module:
    conv = of_dims("Conv", dims)
    return nn.Sequential(conv(2, inputs, 1), layer, nn.Tanh(), conv(outputs, 2, 1))


def convolution(draw: Draw, kind: str, dims: int) -> Model:
    grouping = draw(st.sampled_from(["one", "two", "depthwise"]))
    inputs = width(draw, 2 if grouping == "two" else 1, parts=grouping == "one")
    outputs = inputs if grouping == "depthwise" else width(draw, 2 if grouping == "two" else 1, parts=grouping == "one")
    kernel, dilation = several(draw, 1, 3, 5), draw(st.sampled_from([1, 2]))
    sizes = (kernel, *(several(draw, 1, 3) for _ in range(dims - 1))) if draw(st.booleans()) else (kernel,) * dims
    named: dict[str, Any] = {
        "padding": tuple(each // 2 * dilation for each in sizes),
        "dilation": dilation,
        "groups": {"one": 1, "two": 2, "depthwise": inputs}[grouping],
        "bias": several(draw, True, False),
        "stride": several(draw, 1, 2),
    }
    if kind == "ConvTranspose" and isinstance(named["stride"], int) and named["stride"] == 2:
        named["output_padding"] = several(draw, 0, 1)
    fixed = all(isinstance(named.get(name, 0), int) for name in ("stride", "output_padding"))
    mixable = fixed and (grouping != "two" or all(isinstance(each, int) for each in (inputs, outputs)))
    layer = of_dims(kind, dims)(inputs, outputs, sizes, **named)
    return Model(between(layer, inputs, outputs, dims), (2, *(9, 7, 5)[:dims]), mixable)


def channel_norm(draw: Draw, kind: str, dims: int) -> Model:
    features, affine, eps = width(draw), draw(st.booleans()), several(draw, 2**-16, 0.125)
    layer = of_dims(kind, dims)(features, eps=eps, affine=affine)
    return Model(between(layer, features, features, dims), (2, *(6, 5, 4)[:dims]), isinstance(eps, float))


def group_norm(draw: Draw) -> Model:
    groups, eps = several(draw, 1, 2), several(draw, 2**-16, 0.125)
    channels = width(draw, 2, parts=False)
    layer = nas.nn.GroupNorm(groups, channels, eps=eps, affine=draw(st.booleans()))
    return Model(between(layer, channels, channels, 2), (2, 5, 5), isinstance(eps, float) and isinstance(groups, int))


def sequence(layer: nn.Module, inputs: Any, outputs: Any, mixable: bool = True) -> Model:
    ends = nas.nn.Linear(3, inputs), nas.nn.Linear(outputs, 2)
    return Model(nn.Sequential(ends[0], layer, nn.Tanh(), ends[1]), (5, 3), mixable)


def linear(draw: Draw) -> Model:
    inputs, outputs = width(draw), width(draw)
    return sequence(nas.nn.Linear(inputs, outputs, several(draw, True, False)), inputs, outputs)


def feature_norm(draw: Draw, kind: str) -> Model:
    features, eps = width(draw), several(draw, 2**-16, 0.125)
    layer = getattr(nas.nn, kind)(features, eps=eps, elementwise_affine=draw(st.booleans()))
    return sequence(layer, features, features, isinstance(eps, float))


def recurrent(draw: Draw, kind: str) -> Model:
    inputs, hidden, both = width(draw), several(draw, 2, 3, 5), draw(st.booleans())
    named = {"num_layers": draw(st.sampled_from([1, 2, 3])), "bias": draw(st.booleans()), "bidirectional": both}
    projected = kind == "LSTM" and draw(st.booleans())
    layer = getattr(nas.nn, kind)(inputs, hidden, batch_first=True, **named, **({"proj_size": 1} if projected else {}))
    state = 1 if projected else hidden
    model = sequence(First(layer), inputs, concatenate(state, state) if both else state)
    return replace(model, exportable=not projected)


def attention(draw: Draw) -> Model:
    kept, each, size = several(draw, 1, 2, 3), several(draw, 1, 2), several(draw, 2, 3)
    grouped = draw(st.booleans())
    embed = width(draw)
    layer = nas.nn.MultiheadAttention(
        embed, kept * each if grouped else each, several(draw, True, False), draw(st.booleans()), size,
        num_kv_heads=kept if grouped else None,
    )  # fmt: skip
    return sequence(SelfAttention(layer), embed, embed, isinstance(size, int))


def embedding(draw: Draw) -> Model:
    features = width(draw)
    layer = nas.nn.Embedding(several(draw, 4, 6), features, padding_idx=draw(st.sampled_from([None, 1])))
    return Model(nn.Sequential(layer, nas.nn.Linear(features, 2)), (5,))


def parameter(draw: Draw) -> Model:
    features = width(draw)
    return sequence(WithToken(several(draw, 6, 8), features), features, features)


def _model(make: Callable[..., Model], *of: Any) -> st.SearchStrategy[Model]:
    return st.composite(lambda draw: make(draw, *of))()


LAYERS: dict[str, st.SearchStrategy[Model]] = {
    **{f"Conv{dims}d": _model(convolution, "Conv", dims) for dims in (1, 2, 3)},
    **{f"ConvTranspose{dims}d": _model(convolution, "ConvTranspose", dims) for dims in (1, 2)},
    **{
        f"{kind}{dims}d": _model(channel_norm, kind, dims)
        for kind in ("BatchNorm", "InstanceNorm")
        for dims in (1, 2, 3)
    },
    "GroupNorm": _model(group_norm),
    "Linear": _model(linear),
    **{kind: _model(feature_norm, kind) for kind in ("LayerNorm", "RMSNorm")},
    **{kind: _model(recurrent, kind) for kind in ("GRU", "LSTM")},
    "MultiheadAttention": _model(attention),
    "Embedding": _model(embedding),
    "Parameter": _model(parameter),
}
"""Models by the name of the layer."""
