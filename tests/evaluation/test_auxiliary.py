"""The auxiliary head: shapes, its share of the gradient, and the network that is left as it was."""

import pytest
import torch
from tiny import take
from torch import Tensor, nn
from torch.nn import functional as F

from nas.errors import UsageError
from nas.evaluation.auxiliary import AuxiliaryHead, AuxiliaryStep
from nas.training.objectives import CrossEntropy

SHAPE = (3, 8, 8)


def network(stride: int = 1) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, stride=stride, padding=1),
        nn.BatchNorm2d(6),
        nn.Sequential(nn.Conv2d(6, 5, 1), nn.ReLU()),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(5, 4),
    )


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(6, *SHAPE, generator=generator), torch.arange(6) % 4


@pytest.mark.parametrize("stride", [1, 2, 3, 8])
@pytest.mark.parametrize("path", ["0", "2", "2.0"])
def test_maps_of_any_size_are_classified(stride: int, path: str) -> None:
    model = AuxiliaryHead(network(stride), path, 4, SHAPE)
    output, auxiliary = model(batch()[0])
    assert output.shape == auxiliary.shape == (6, 4)


def test_the_published_head_on_the_published_map() -> None:
    head = AuxiliaryHead(network(), "2", 10, SHAPE).head
    layers = [each for each in head if isinstance(each, nn.Conv2d | nn.Linear)]
    assert [each.weight.shape for each in layers] == [(128, 5, 1, 1), (768, 128, 2, 2), (10, 768)]
    pool = head[1]
    assert isinstance(pool, nn.AvgPool2d) and pool(torch.ones(1, 5, 8, 8)).shape == (1, 5, 2, 2)


def test_the_network_gives_what_it_gave_and_keeps_no_hook() -> None:
    plain = network()
    plain[1].eval()
    before = {name: value.clone() for name, value in plain.state_dict().items()}
    modes = [module.training for module in plain.modules()]
    model = AuxiliaryHead(plain, "2", 4, SHAPE)
    assert [module.training for module in plain.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in plain.state_dict().items())
    x, _ = batch()
    assert torch.equal(model(x)[0], plain(x))
    assert not any(module._forward_hooks for module in plain.modules())


def test_hooks_are_gone_after_an_error() -> None:
    plain = network()
    model = AuxiliaryHead(plain, "2", 4, SHAPE)
    with pytest.raises(RuntimeError):
        model(torch.ones(2, 1, 8, 8))
    assert not any(module._forward_hooks for module in plain.modules())


def test_the_head_adds_its_weighted_loss() -> None:
    x, y = batch()
    model = AuxiliaryHead(network(), "2", 4, SHAPE)
    losses = take(AuxiliaryStep(model, [CrossEntropy(label_smoothing=0.1)], weight=0.4), 0, x, y)
    output, auxiliary = model(x)
    expected = [F.cross_entropy(each, y, label_smoothing=0.1) for each in (output, auxiliary)]
    torch.testing.assert_close(losses["network"], expected[0].detach())
    torch.testing.assert_close(losses["auxiliary"], expected[1].detach())
    parameters = list(model.parameters())
    gradients = torch.autograd.grad(expected[0] + 0.4 * expected[1], parameters)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


@pytest.mark.parametrize(
    ("path", "message"),
    [("3.cell", "at '3.cell', which is no module; known are 0, 1, 2, 2.0"), ("4", r"'4' gives \[1, 5\], but .* a map")],
)
def test_a_place_without_a_map_is_refused(path: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        AuxiliaryHead(network(), path, 4, SHAPE)
