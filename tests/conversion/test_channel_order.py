"""The most important channels come first, in all tensors alike."""

import copy

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


@pytest.mark.parametrize("order", ORDERS)
def test_data_tell_that_channels_of_large_weights_do_nothing(order: str) -> None:
    """Those that read an input which is always dark: of much weight, of no use."""
    model = nn.Sequential(nn.Conv2d(2, 8, 1, bias=False), nn.ReLU(), nn.Conv2d(8, 2, 1)).eval()
    with torch.no_grad():
        model[0].weight.zero_()
        model[0].weight[::2, 0], model[0].weight[1::2, 1] = 1, 10
    x = torch.rand(2, 2, 4, 4) * torch.tensor([1.0, 0.0]).view(2, 1, 1)
    space = nas.elastic(
        model, x, width=[0.5, 1], divisor=1, order=order, batches=[(x, torch.ones(2, 2, 4, 4))], loss=loss
    )  # type: ignore[arg-type]
    supernet = nas.Supernet(space).eval()
    supernet.activate({**supernet.space.largest(), "0.width": 4})
    assert close(outputs(supernet, x), outputs(model, x)) == (order in ("taylor", "activation"))


def test_frozen_weights_have_a_gradient_of_their_own_and_stay_frozen() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)).requires_grad_(False).eval()
    x = torch.randn(16, 4)
    batches = [(x, torch.ones(16, 2))]
    space = nas.elastic(model, x, divisor=1, order="taylor", batches=batches, loss=loss)
    frozen, learning = space.network, copy.deepcopy(model).requires_grad_(True)
    assert not any(each.requires_grad for each in frozen.parameters())
    other = nas.elastic(learning, x, divisor=1, order="taylor", batches=batches, loss=loss).network
    assert all(map(torch.equal, frozen.parameters(), other.parameters()))
    assert not torch.equal(frozen.state_dict()["0.weight"], model[0].weight)


class Named(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))

    def forward(self, *, pixels: torch.Tensor) -> torch.Tensor:
        given: torch.Tensor = self.inner(pixels)
        return given


@pytest.mark.parametrize("order", ["taylor", "activation"])
def test_inputs_may_have_names(order: str) -> None:
    model, example = Named().eval(), {"pixels": torch.randn(16, 4)}
    batches = [(example, torch.ones(16, 2))] if order == "taylor" else None  # else the example serves
    named = nas.elastic(model, example, divisor=1, order=order, batches=batches, loss=loss)  # type: ignore[arg-type]
    batches = [(example["pixels"], torch.ones(16, 2))]  # type: ignore[list-item]
    plain = nas.elastic(model.inner, example["pixels"], divisor=1, order=order, batches=batches, loss=loss)  # type: ignore[arg-type]
    assert all(map(torch.equal, named.network.parameters(), plain.network.parameters()))
    assert not torch.equal(named.network.state_dict()["inner.0.weight"], model.inner[0].weight)


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
