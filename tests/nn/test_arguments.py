"""Every argument of every module that holds choices either follows an architecture exactly or refuses a choice."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from every_layer import First
from small_models import SelfAttention
from torch import Tensor, nn

import nas
from nas.errors import UsageError
from nas.nn import (
    BatchNorm2d,
    Cell,
    Conv2d,
    Embedding,
    GroupNorm,
    LayerNorm,
    Linear,
    MultiheadAttention,
    OneOf,
    Parameter,
    PartialChannels,
    Repeat,
    RMSNorm,
    SwitchableBatchNorm2d,
    Zero,
)
from nas.space import Choice

TOKENS = torch.tensor([[0, 1], [3, 2]])


def image(channels: int = 8) -> Tensor:
    return torch.randn(3, channels, 6, 6, generator=torch.Generator().manual_seed(0))


@dataclass
class Case:
    """What a layer is built of, what it is fed, and the candidates of each argument that may be a choice.

    ``inputs`` may depend on the candidate, of arguments that say how wide the input is.
    """

    kind: Callable[..., nn.Module]
    fixed: dict[str, Any]
    inputs: Callable[[str, Any], Tensor]
    varies: dict[str, list[Any]]
    by_design: set[str] = field(default_factory=set)
    """Arguments that take choices by their nature, tested with the module."""


def width_of(argument: str, channels: int = 8) -> Callable[[str, Any], Tensor]:
    return lambda name, candidate: image(candidate if name == argument else channels)


def features(argument: str, width: int = 8) -> Callable[[str, Any], Tensor]:
    return lambda name, candidate: image()[:, 0, :4, :4].repeat(1, 1, 2)[
        ..., : candidate if name == argument else width
    ]


def of_dims(argument: str, dims: int) -> Callable[[str, Any], Tensor]:
    draws = torch.Generator().manual_seed(0)
    x = torch.randn(3, 8, *(7, 6, 5)[:dims], generator=draws)
    return lambda name, candidate: x[:, : candidate if name == argument else 8]


CASES = {
    "Conv2d": Case(
        Conv2d,
        {"in_channels": 8, "out_channels": 4, "kernel_size": 3},
        width_of("in_channels"),
        {
            "in_channels": [4, 8],
            "out_channels": [4, 6],
            "kernel_size": [1, 3],
            "stride": [1, 2],
            "padding": [0, 1],
            "dilation": [1, 2],
            "groups": [1, 2],
            "bias": [True, False],
        },
    ),
    **{
        f"{kind}{dims}d": Case(
            getattr(nas.nn, f"{kind}{dims}d"),
            {"in_channels": 8, "out_channels": 4, "kernel_size": 3},
            of_dims("in_channels", dims),
            {
                "in_channels": [4, 8],
                "out_channels": [4, 6],
                "kernel_size": [1, 3],
                "stride": [1, 2],
                "padding": [0, 1],
                "dilation": [1, 2],
                "groups": [1, 2],
                "bias": [True, False],
            },
            {"output_padding"},
        )
        for kind, dims in (("Conv", 1), ("Conv", 3), ("ConvTranspose", 1), ("ConvTranspose", 2))
    },
    **{
        f"{kind}{dims}d": Case(
            getattr(nas.nn, f"{kind}{dims}d"),
            {"num_features": 8},
            of_dims("num_features", dims),
            {"num_features": [4, 8], "eps": [1e-5, 0.5]},
        )
        for kind, dims in (
            ("BatchNorm", 1),
            ("BatchNorm", 3),
            ("InstanceNorm", 1),
            ("InstanceNorm", 2),
            ("InstanceNorm", 3),
        )
    },
    "RMSNorm": Case(
        RMSNorm, {"normalized_shape": 8}, features("normalized_shape"), {"normalized_shape": [4, 8], "eps": [1e-5, 0.5]}
    ),
    **{
        kind: Case(
            getattr(nas.nn, kind),
            {"input_size": 8, "hidden_size": 4},
            features("input_size"),
            {"input_size": [4, 8], "hidden_size": [3, 4]},
        )
        for kind in ("GRU", "LSTM")
    },
    "Parameter": Case(Parameter, {"shape": (2,)}, width_of(""), {}, {"shape"}),
    "Linear": Case(
        Linear,
        {"in_features": 8, "out_features": 4},
        features("in_features"),
        {"in_features": [4, 8], "out_features": [3, 4], "bias": [False, True]},
    ),
    "Embedding": Case(
        Embedding,
        {"num_embeddings": 5, "embedding_dim": 4},
        lambda name, candidate: TOKENS,
        {"num_embeddings": [4, 6], "embedding_dim": [2, 4]},
    ),
    "BatchNorm2d": Case(
        BatchNorm2d, {"num_features": 8}, width_of("num_features"), {"num_features": [4, 8], "eps": [1e-5, 0.5]}
    ),
    "LayerNorm": Case(
        LayerNorm,
        {"normalized_shape": 8},
        features("normalized_shape"),
        {"normalized_shape": [4, 8], "eps": [1e-5, 0.5]},
    ),
    "GroupNorm": Case(
        GroupNorm,
        {"num_groups": 2, "num_channels": 8},
        width_of("num_channels"),
        {"num_groups": [2, 4], "num_channels": [4, 8], "eps": [1e-5, 0.5]},
    ),
    "MultiheadAttention": Case(
        MultiheadAttention,
        {"embed_dim": 8, "num_heads": 2, "head_dim": 3},
        features("embed_dim"),
        {"embed_dim": [4, 8], "num_heads": [1, 2], "head_dim": [2, 3], "bias": [True, False], "num_kv_heads": [1, 2]},
    ),
    "SwitchableBatchNorm2d": Case(
        SwitchableBatchNorm2d, {"num_features": 8}, width_of("num_features"), {"num_features": [4, 8]}
    ),
    "OneOf": Case(OneOf, {"candidates": [nn.Identity()]}, width_of(""), {}, {"choice"}),
    "Repeat": Case(Repeat, {"blocks": [nn.ReLU(), nn.Tanh()], "depth": 2}, width_of(""), {"depth": [1, 2]}),
    "Cell": Case(Cell, {"edges": {(0, 1): nn.Identity()}}, width_of(""), {}, {"kept"}),
    "PartialChannels": Case(
        PartialChannels, {"operation": nn.Identity(), "channels": 8, "parts": 2}, width_of(""), {}, {"operation"}
    ),
    "Zero": Case(Zero, {}, width_of(""), {}),
}

VARIES = [(case, argument) for case in CASES for argument in CASES[case].varies]
REFUSED = [
    (case, argument)
    for case, made in CASES.items()
    for argument in inspect.signature(made.kind).parameters
    if argument not in made.varies and argument not in made.by_design
]


def supernet_with(case: str, argument: str) -> nas.Supernet:
    made = CASES[case]
    torch.manual_seed(0)
    given = {**made.fixed, argument: Choice(made.varies[argument], name="choice")}
    layer = made.kind(**given)
    wrapped = {"MultiheadAttention": SelfAttention, "GRU": First, "LSTM": First}
    return nas.Supernet(wrapped.get(case, nn.Sequential)(layer))


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize(("case", "argument"), VARIES, ids=[f"{case}.{argument}" for case, argument in VARIES])
def test_an_argument_that_may_be_a_choice_makes_the_extracted_layer(case: str, argument: str, training: bool) -> None:
    supernet = supernet_with(case, argument).train(training)
    outputs, sizes = [], []
    for candidate in CASES[case].varies[argument]:
        x = CASES[case].inputs(argument, candidate)
        network = supernet.extract({"choice": candidate})
        assert all(
            type(each).__module__.startswith(("torch.", "small_models", "every_layer")) for each in network.modules()
        )
        supernet.activate({"choice": candidate})
        assert sum(each.numel() for each in network.parameters()) == sum(
            supernet_part(each, region) for each, region in supernet.active_regions()
        )
        supernet.zero_grad()
        y, expected = supernet(x), network(x)
        torch.testing.assert_close(y, expected)
        if y.requires_grad:
            y.square().sum().backward()
            expected.square().sum().backward()
            norms = [gradient_norm(each) for each in (supernet, network)]
            torch.testing.assert_close(*norms)
        outputs.append(expected.detach())
        sizes.append(sum(each.numel() for each in network.parameters()))
    same = outputs[0].shape == outputs[1].shape and torch.allclose(*outputs)
    assert sizes[0] != sizes[1] or not same, "the argument must not be ignored"


def supernet_part(parameter: nn.Parameter, region: Any) -> int:
    from nas.nn.channel_ranges import select

    return select(parameter, region).numel()


def gradient_norm(module: nn.Module) -> Tensor:
    return torch.stack([each.grad.norm() for each in module.parameters() if each.grad is not None]).norm()


@pytest.mark.parametrize(("case", "argument"), REFUSED, ids=[f"{case}.{argument}" for case, argument in REFUSED])
def test_any_other_argument_refuses_a_choice(case: str, argument: str) -> None:
    made = CASES[case]
    with pytest.raises(UsageError, match=f"{case} {argument} cannot be a choice|was used as") as told:
        made.kind(**{**made.fixed, argument: Choice([1, 2])})
    assert "Choice([1, 2])" in str(told.value)


def test_every_module_is_looked_at() -> None:
    elastic = {name for name in nas.nn.__all__ if isinstance(getattr(nas.nn, name), type)}
    kinds = {name for name in elastic if issubclass(getattr(nas.nn, name), nas.nn.Elastic)}
    assert kinds - {"Elastic", "ElasticLayer"} == CASES.keys()


@pytest.mark.parametrize("layer", ["Conv2d", "Linear", "MultiheadAttention"])
def test_a_bias_that_is_half_there_is_added_by_half(layer: str) -> None:
    supernet = supernet_with(layer, "bias").eval()
    x = CASES[layer].inputs("", None)
    outputs = []
    for there in (True, False):
        supernet.activate({"choice": there})
        outputs.append(supernet(x))
    for weights in ([1.0, 0.0], [0.0, 1.0]):
        positions = [weights[supernet.space.choices["choice"].index(there)] for there in (True, False)]
        supernet.mix({"choice": torch.tensor(weights)})
        torch.testing.assert_close(supernet(x), positions[0] * outputs[0] + positions[1] * outputs[1])


def test_rows_of_an_embedding_are_weighed_by_the_sizes_that_hold_them() -> None:
    supernet = supernet_with("Embedding", "num_embeddings").eval()
    supernet.activate({"choice": 6})
    tokens = torch.tensor([[0, 5]])
    expected = supernet(tokens)
    supernet.mix({"choice": torch.tensor([0.25, 0.75])})
    torch.testing.assert_close(supernet(tokens), expected * torch.tensor([[1.0], [0.75]]))


def test_the_size_of_a_head_cannot_be_mixed() -> None:
    supernet = supernet_with("MultiheadAttention", "head_dim")
    with pytest.raises(
        UsageError, match=r"MultiheadAttention head_dim cannot follow a soft gate over \[2, 3\]; put one"
    ):
        supernet.mix({"choice": torch.tensor([0.5, 0.5])})


def test_smaller_heads_are_the_leading_features_of_each_head() -> None:
    supernet = supernet_with("MultiheadAttention", "head_dim")
    layer = supernet.model.attention
    network = supernet.extract({"choice": 2})
    torch.testing.assert_close(network.attention.query.weight, layer.query_weight[[0, 1, 3, 4]])
    torch.testing.assert_close(network.attention.out.weight, layer.out_weight[:, [0, 1, 3, 4]])
