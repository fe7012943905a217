"""Networks trained by themselves, from inherited or fresh weights."""

from pathlib import Path

import pytest
import torch
from tiny_nets import blobs, rows, supernet
from torch import nn

from nas.errors import UsageError
from nas.evaluation import Standalone, evaluate, initialise
from nas.training import Epoch, Recipe

RECIPE = Recipe(epochs=2, batch_size=32, learning_rate=0.05)
SLOWLY = Recipe(epochs=1, batch_size=32, learning_rate=1e-12, weight_decay=0.0)


def weights(network: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


@pytest.mark.parametrize("inherit", [True, False])
def test_training_is_a_function_of_the_seed(inherit: bool) -> None:
    network, data = supernet("chain"), blobs()
    a = network.space.sample(3)
    first = weights(Standalone(network, data, RECIPE, 1, inherit).train(a))
    torch.manual_seed(99)
    assert torch.equal(first, weights(Standalone(network, data, RECIPE, 1, inherit).train(a)))
    assert not torch.equal(first, weights(Standalone(network, data, RECIPE, 2, inherit).train(a)))


def test_inherited_weights_start_at_those_of_the_supernet_and_fresh_ones_do_not() -> None:
    network, data = supernet("chain"), blobs()
    a = network.space.sample(3)
    shared = weights(network.extract(a))
    torch.testing.assert_close(weights(Standalone(network, data, SLOWLY, inherit=True).train(a)), shared)
    assert not torch.allclose(weights(Standalone(network, data, SLOWLY, inherit=False).train(a)), shared)


def test_training_alone_leaves_the_supernet_as_it_was() -> None:
    network, data = supernet("mobilenet"), blobs()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    Standalone(network, data, RECIPE, inherit=True).train(network.space.largest())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_the_table_holds_the_validation_metrics_of_the_trained_networks() -> None:
    network, data = supernet("chain"), blobs()
    architectures = [network.space.sample(number) for number in range(2)]
    trainer = Standalone(network, data, RECIPE)
    expected = [evaluate(trainer.train(each), data.validation.batches(256)) for each in architectures]
    assert rows(trainer, architectures) == expected


def test_it_continues_from_its_checkpoint(tmp_path: Path) -> None:
    network, data = supernet("chain"), blobs()
    a = network.space.sample(3)
    whole = weights(Standalone(network, data, RECIPE).train(a))

    class KilledError(Exception):
        pass

    def kill(epoch: Epoch) -> None:
        raise KilledError

    with pytest.raises(KilledError):
        Standalone(network, data, RECIPE).train(a, tmp_path / "x.safetensors", kill)
    epochs: list[int] = []
    again = Standalone(network, data, RECIPE).train(
        a, tmp_path / "x.safetensors", lambda epoch: epochs.append(epoch["epoch"])
    )
    assert epochs == [1]
    assert torch.equal(weights(again), whole)


def test_fresh_weights_are_drawn_like_those_of_a_new_network() -> None:
    torch.manual_seed(5)
    layers = [nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.MultiheadAttention(8, 2), nn.Linear(8, 4)]
    torch.manual_seed(7)
    new = [nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.MultiheadAttention(8, 2), nn.Linear(8, 4)]
    state = torch.get_rng_state()
    network = initialise(nn.Sequential(*layers), 7)
    assert torch.equal(torch.get_rng_state(), state)
    convolution, expected = network.get_submodule("0"), new[0]
    assert torch.equal(convolution.get_parameter("weight"), expected.get_parameter("weight"))
    assert torch.equal(network.get_submodule("1").get_buffer("running_var"), torch.ones(8))


def test_parameters_that_nobody_can_initialise_are_named() -> None:
    class Scale(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.factor = nn.Parameter(torch.ones(1))

    with pytest.raises(UsageError, match=r"Scale holds parameters but has no reset_parameters"):
        initialise(nn.Sequential(Scale()), 0)
