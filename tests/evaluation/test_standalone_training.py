"""Networks trained by themselves, from inherited or fresh weights."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_nets import CLASSES, SHAPE, blobs, rows, supernet
from torch import Tensor, nn

import nas
from nas.data import Augment, load
from nas.errors import UsageError
from nas.evaluation import Standalone, evaluate
from nas.evaluation.auxiliary import AuxiliaryHead
from nas.nn import initialise
from nas.training import Epoch, Recipe
from nas.training.drop_path import DropPath
from search_spaces.darts import darts

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
    expected = [evaluate(trainer.train(each), data.validation.batches(256), data.task) for each in architectures]
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


HARDER = RECIPE.model_copy(update={"drop_path": 0.3, "auxiliary": 0.4, "cutout": 3, "epochs": 3})


def cells() -> nas.Supernet:
    torch.manual_seed(0)
    return nas.Supernet(darts(SHAPE, CLASSES, width=2, cells=3))


@pytest.mark.parametrize("inherit", [True, False])
def test_training_with_drop_path_auxiliary_head_and_cutout_leaves_a_plain_network(inherit: bool) -> None:
    network, data = cells(), blobs()
    a = network.space.sample(3)
    history: list[Epoch] = []
    trained = Standalone(network, data, HARDER, 1, inherit).train(a, on_epoch=history.append)
    assert [epoch["drop_path"] for epoch in history] == pytest.approx([0.0, 0.1, 0.2])
    assert all(epoch["loss_auxiliary"] > 0 for epoch in history)
    assert trained.state_dict().keys() == network.extract(a).state_dict().keys(), "the head is gone"
    assert not any(module._forward_hooks for module in trained.modules())
    torch.manual_seed(99)
    assert torch.equal(weights(trained), weights(Standalone(network, data, HARDER, 1, inherit).train(a)))


@pytest.mark.parametrize("field", ["drop_path", "auxiliary", "cutout"])
def test_each_of_the_three_changes_the_training(field: str) -> None:
    network, data = cells(), blobs()
    a = network.space.sample(3)
    recipe = RECIPE.model_copy(update={field: getattr(HARDER, field)})
    plainly = weights(Standalone(network, data, RECIPE).train(a))
    assert not torch.equal(weights(Standalone(network, data, recipe).train(a)), plainly)


def test_a_head_without_weight_in_the_loss_would_not_change_the_first_weights() -> None:
    """The head's fresh weights are drawn after, not before, those of the network."""
    network, data = cells(), blobs()
    a = network.space.sample(3)
    slowly = SLOWLY.model_copy(update={"auxiliary": 0.4})
    torch.testing.assert_close(
        weights(Standalone(network, data, slowly).train(a)), weights(Standalone(network, data, SLOWLY).train(a))
    )


def test_it_continues_bit_for_bit_with_drop_path_and_auxiliary_head(tmp_path: Path) -> None:
    network, data = cells(), blobs()
    a = network.space.sample(3)
    whole = weights(Standalone(network, data, HARDER).train(a))

    class KilledError(Exception):
        pass

    def kill(epoch: Epoch) -> None:
        raise KilledError

    file = tmp_path / "x.safetensors"
    for _ in range(2):
        with pytest.raises(KilledError):
            Standalone(network, data, HARDER).train(a, file, kill)
    epochs: list[int] = []
    again = Standalone(network, data, HARDER).train(a, file, lambda epoch: epochs.append(epoch["epoch"]))
    assert epochs == [2]
    assert torch.equal(weights(again), whole)


def test_the_recipe_decides_about_cutout(monkeypatch: pytest.MonkeyPatch) -> None:
    network, data = supernet("chain"), blobs()
    a = network.space.sample(3)
    seen: list[Augment | None] = []

    def erase(self: Augment, images: Tensor, generator: torch.Generator) -> Tensor:
        seen.append(self)
        return images

    monkeypatch.setattr(Augment, "erase", erase)
    for cutout, expected in ((None, 0), (5, 5)):
        seen.clear()
        Standalone(network, data, SLOWLY.model_copy(update={"cutout": cutout})).train(a)
        assert set(seen) == {Augment(crop=1, flip=False, cutout=expected)}


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("drop_path", r"drop_path is 0\.3, but the network has no nas\.nn\.Cell .*; set drop_path to 0"),
        ("auxiliary", r"auxiliary is 0\.4, but Sequential has no attribute 'auxiliary' .*; set auxiliary to 0"),
    ],
)
def test_what_the_network_has_no_place_for_is_refused(field: str, message: str) -> None:
    network, data = supernet("chain"), blobs()
    recipe = RECIPE.model_copy(update={field: getattr(HARDER, field)})
    with pytest.raises(UsageError, match=message):
        Standalone(network, data, recipe).train(network.space.sample(3))


def test_hooks_are_gone_when_training_is_interrupted() -> None:
    network, data = cells(), blobs()
    opened: list[DropPath] = []

    def interrupt(epoch: Epoch) -> None:
        raise KeyboardInterrupt

    enter = DropPath.__enter__
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DropPath, "__enter__", lambda self: opened.append(self) or enter(self))
        with pytest.raises(KeyboardInterrupt):
            Standalone(network, data, HARDER).train(network.space.sample(3), on_epoch=interrupt)
    (drop,) = opened
    assert drop.operations and not any(each._forward_hooks for each in drop.operations)


def test_a_head_fits_the_place_that_the_space_names() -> None:
    network = cells()
    head = AuxiliaryHead(network.extract(network.space.sample(3)), network.model.auxiliary, CLASSES, SHAPE)  # type: ignore[arg-type]
    assert head(torch.zeros(2, *SHAPE))[1].shape == (2, CLASSES)


def test_intervals_of_trained_networks_do_not_count_copies_of_an_image_as_several() -> None:
    data = load("noisy_digits", limit=160)
    network = nas.Supernet(nn.Sequential(nn.Flatten(), nas.nn.Linear(64, nas.Choice([8, 10], name="width"))))
    trainer, largest = Standalone(network, data, RECIPE), network.space.largest()
    (row,) = rows(trainer, [largest])
    single = replace(data, validation=replace(data.validation, groups=None))
    (by_copy,) = rows(Standalone(network, single, RECIPE), [largest])
    assert row["accuracy"] == by_copy["accuracy"] and row["accuracy_low"] < by_copy["accuracy_low"]
