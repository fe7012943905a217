"""Batch norm by the statistics of the batch, for as long as it is asked to and no longer."""

import pytest
import torch
from torch import Tensor, nn

from nas.nn import BatchNorm2d
from nas.nn.batch_norms import batch_statistics
from nas.space import Choice

State = tuple[list[tuple[bool, float | None]], dict[str, tuple[int, Tensor]]]
"""Mode and momentum of each module; for each tensor which one it is, and its values."""


def network() -> nn.Sequential:
    torch.manual_seed(0)
    norms = nn.BatchNorm2d(4), nn.BatchNorm2d(4, momentum=0.3), BatchNorm2d(Choice([4], name="width"))
    return nn.Sequential(nn.Conv2d(1, 4, 3), norms[0], nn.Dropout(0.5), *norms[1:])


def state(model: nn.Module) -> State:
    modes = [(module.training, getattr(module, "momentum", None)) for module in model.modules()]
    tensors = {name: (id(tensor), tensor.clone()) for name, tensor in model.state_dict(keep_vars=True).items()}
    return modes, tensors


def assert_same(model: nn.Module, before: State) -> None:
    modes, tensors = state(model)
    assert modes == before[0]
    for name, (which, values) in tensors.items():
        assert which == before[1][name][0] and torch.equal(values, before[1][name][1]), name


def test_batch_norm_uses_the_batch_and_dropout_is_off() -> None:
    model = network()[:4]
    x = torch.randn(8, 1, 6, 6)
    model.eval()
    with batch_statistics(model):
        found = model(x)
    conv, first, _, second = model
    normalised = nn.functional.batch_norm(conv(x), None, None, first.weight, first.bias, training=True)
    expected = nn.functional.batch_norm(normalised, None, None, second.weight, second.bias, training=True)
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(model(x), found), "outside the running statistics count again"


@pytest.mark.parametrize("training", [True, False])
def test_modes_statistics_and_momenta_are_as_before(training: bool) -> None:
    model = network().train(training)
    model[1].train(not training)
    before = state(model)
    with batch_statistics(model):
        model[:4](torch.randn(8, 1, 6, 6))
        assert not model[2].training and model[1].training and model[4].training
    assert_same(model, before)


def test_an_error_inside_leaves_nothing_behind() -> None:
    model = network().train()
    before = state(model)
    with pytest.raises(RuntimeError), batch_statistics(model):
        model[:4](torch.randn(8, 2, 6, 6))
    assert_same(model, before)


def test_a_network_without_batch_norm_is_in_evaluation_mode() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5)).train()
    x = torch.randn(4, 3)
    with batch_statistics(model):
        assert torch.equal(model(x), model[0](x))
    assert model[1].training
