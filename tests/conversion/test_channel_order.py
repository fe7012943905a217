"""The most important channels come first, in all tensors alike."""

import pytest
import torch
from guarantees import close, outputs
from plain_models import MODELS, made
from torch import nn

import nas
from nas.conversion.following.tracing import traced
from nas.conversion.groups import find_groups
from nas.conversion.importance import importances

ORDERS = ("l1", "l2", "activation", "taylor")


def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return (output - target).square().mean()


FEW = ("regnet", "fused_vit", "gpt")


@pytest.mark.parametrize(
    "name", [*FEW, *(pytest.param(name, marks=pytest.mark.slow) for name in MODELS if name not in FEW)]
)
@pytest.mark.parametrize("order", ORDERS)
def test_the_full_network_computes_the_same(name: str, order: str) -> None:
    model = made(name)
    expected = outputs(model.model, model.example)
    batches = [(model.example, torch.zeros_like(expected[0]))]
    supernet = nas.Supernet(nas.elastic(model.model, model.example, order=order, batches=batches, loss=loss)).eval()  # type: ignore[arg-type]
    supernet.activate(supernet.space.largest())
    assert close(outputs(supernet, model.example), expected)
    moved = [
        name
        for name, tensor in supernet.model.state_dict().items()
        if not torch.equal(tensor, model.model.state_dict()[name])
    ]
    assert moved


@pytest.mark.parametrize("order", ORDERS)
def test_channels_that_do_nothing_are_left_out_first(order: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 2, 1)).eval()
    useless = torch.randperm(16)[:8]
    with torch.no_grad():
        for tensor in (model[0].weight, model[0].bias, model[1].weight, model[1].bias):
            tensor[useless] = 0
        model[3].weight[:, useless] = 0
    x = torch.randn(2, 3, 8, 8)
    space = nas.elastic(
        model, x, width=[0.5, 1], kernel="fixed", order=order, batches=[(x, torch.zeros(2, 2, 8, 8))], loss=loss
    )  # type: ignore[arg-type]
    supernet = nas.Supernet(space).eval()
    supernet.activate(supernet.space.smallest())
    assert close(outputs(supernet, x), outputs(model, x))


def test_the_importance_of_a_channel_by_hand() -> None:
    """Of a hidden unit it is the mean over its row, its bias and its column, relative to other units."""
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1)).eval()
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0, -2.0], [3.0, 4.0]]))
        model[0].bias.copy_(torch.tensor([3.0, 0.0]))
        model[1].weight.copy_(torch.tensor([[6.0, 5.0]]))
    x = torch.zeros(1, 2)
    graph, _ = traced(model, (x,), {})
    groups = find_groups(graph)
    (number,) = (group.number for group in groups.elastic)
    expected = {"l1": [12.0, 12.0], "l2": [5**0.5 + 3 + 6, 5 + 0 + 5]}
    for kind, raw in expected.items():
        given = importances(model, groups, kind, [], None)[number]
        assert given.tolist() == pytest.approx([each / (sum(raw) / 2) for each in raw])
