"""A parameter outside the sampled path does not move; slices do unless the step is masked."""

from typing import Any, Literal

import pytest
import torch
from tiny import CLASSES, Always, Watched, elastic, operations, outside, split, take
from torch import Tensor, nn

import nas
from nas.nn.channel_ranges import select
from nas.sampling import Sandwich, Uniform
from nas.training import Context, CrossEntropy, InPlaceDistillation, LossTerm, PlainStep, Recipe, SupernetStep, train
from nas.training.masking import masked_step

OPTIMIZERS = pytest.mark.parametrize("optimizer", ["sgd", "adamw"])


def recipe(optimizer: Literal["sgd", "adamw"] = "sgd", **settings: Any) -> Recipe:
    defaults = {"epochs": 3, "batch_size": 8, "learning_rate": 0.02, "weight_decay": 0.05, "momentum": 0.9}
    return Recipe(optimizer=optimizer, **{**defaults, **settings})


@OPTIMIZERS
@pytest.mark.parametrize("masked", [False, True])
def test_operations_that_were_not_sampled_are_bit_identical(optimizer: Any, masked: bool) -> None:
    supernet = operations()
    step = Watched(supernet, Uniform(supernet.space, seed=0))
    train(step, split(), recipe(optimizer, masked=masked), seed=0)
    step.compare()
    assert len(step.moved_outside) == 12
    assert step.moved_outside == [0] * 12
    assert min(step.moved_inside) > 50


@OPTIMIZERS
def test_the_dense_step_moves_the_rest_of_a_slice(optimizer: Any) -> None:
    supernet = elastic()
    step = Watched(supernet, Always(supernet.space.smallest()))
    train(step, split(), recipe(optimizer), seed=0)
    step.compare()
    assert min(step.moved_outside) > 0, "weight decay moves what no path ran, as published"


@OPTIMIZERS
@pytest.mark.parametrize("paths", [1, 2])
def test_the_masked_step_leaves_the_rest_of_a_slice_bit_identical(optimizer: Any, paths: int) -> None:
    supernet = elastic()
    step = Watched(supernet, Uniform(supernet.space, seed=4, paths=paths))
    train(step, split(), recipe(optimizer, masked=True), seed=0)
    step.compare()
    assert step.moved_outside == [0] * 12
    assert min(step.moved_inside) > 5


@OPTIMIZERS
def test_masked_training_of_one_path_is_training_of_its_network(optimizer: Any) -> None:
    """Also for the optimiser's state: many steps of the slice equal many steps of the stand-alone network."""
    supernet = elastic()
    architecture = supernet.space.architecture({"width": 4, "kernel": 1, "depth": 1})
    network = supernet.extract(architecture)
    settings = recipe(optimizer, masked=True, epochs=4)
    train(SupernetStep(supernet, Always(architecture), [CrossEntropy()]), split(), settings, seed=0)
    train(PlainStep(network, [CrossEntropy()]), split(), settings, seed=0)
    after = supernet.extract(architecture)
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(after.state_dict()[name], tensor, rtol=1e-4, atol=1e-6)


@OPTIMIZERS
def test_the_optimiser_state_of_other_slices_rests_too(optimizer: Any) -> None:
    """After a wide step, narrow steps change neither weight nor momentum of the wide channels."""
    layer = nn.Linear(4, 6)
    stepper = recipe(optimizer).make_optimizer(layer)
    whole: list[Any] = [(layer.weight, ()), (layer.bias, ())]
    narrow: list[Any] = [(layer.weight, (((0, 2),), ((1, 3),))), (layer.bias, (((0, 2), (4, 5)),))]
    for parameter in layer.parameters():
        parameter.grad = torch.randn_like(parameter)
    masked_step(stepper, whole)
    kept = [(parameter, region, tensors_of(parameter, stepper)) for parameter, region in narrow]
    for parameter, region in narrow:
        assert parameter.grad is not None
        parameter.grad[outside(parameter, [region])] = 0
    masked_step(stepper, narrow)
    for parameter, region, before in kept:
        rest = outside(parameter, [region])
        after = tensors_of(parameter, stepper)
        assert len(after) == (2 if optimizer == "sgd" else 3)
        for old, new in zip(before, after, strict=True):
            assert torch.equal(old[rest], new[rest])
            assert (old != new)[~rest].all()


def tensors_of(parameter: nn.Parameter, optimizer: torch.optim.Optimizer) -> list[Tensor]:
    state = [value for value in optimizer.state[parameter].values() if value.shape == parameter.shape]
    return [tensor.detach().clone() for tensor in (parameter, *state)]


@pytest.mark.parametrize("make", [operations, elastic])
def test_gradients_of_several_paths_are_summed(make: Any) -> None:
    supernet = make().double().eval()
    x, y = torch.randn(8, 1, 6, 6, dtype=torch.float64), torch.arange(8) % CLASSES
    architectures = [supernet.space.sample(seed) for seed in range(3)]
    expected = {name: torch.zeros_like(p) for name, p in supernet.named_parameters()}
    for architecture in architectures:
        supernet.zero_grad()
        supernet.activate(architecture)
        torch.autograd.backward(nn.functional.cross_entropy(supernet(x), y))
        for name, parameter in supernet.named_parameters():
            if parameter.grad is not None:
                expected[name] += parameter.grad
    supernet.zero_grad()
    losses = take(SupernetStep(supernet, Always(*architectures), [CrossEntropy()]), 0, x, y)
    for name, parameter in supernet.named_parameters():
        grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        torch.testing.assert_close(grad, expected[name])
    assert set(losses) == {"random"} and not losses["random"].requires_grad


def test_only_the_used_regions_have_gradients() -> None:
    supernet = elastic()
    step = SupernetStep(supernet, Uniform(supernet.space, seed=1, paths=2), [CrossEntropy()])
    take(step, 0, *next(split().batches(8)))
    context = Context(0, paths=step.paths.draw(Context(0)))
    used: dict[nn.Parameter, list[Any]] = {}
    for parameter, region in step.used_regions(context):
        used.setdefault(parameter, []).append(region)
    for parameter in supernet.parameters():
        if parameter in used:
            assert parameter.grad is not None
            assert not parameter.grad[outside(parameter, used[parameter])].any()
            assert all(select(parameter.grad, region).any() for region in used[parameter] if parameter.dim() > 1)
        else:
            assert parameter.grad is None


def test_losses_are_reported_by_role() -> None:
    supernet = elastic()
    objective: list[LossTerm] = [CrossEntropy(roles=["largest"]), InPlaceDistillation()]
    step = SupernetStep(supernet, Sandwich(supernet.space, seed=0), objective)
    losses = take(step, 0, *next(split().batches(8)))
    assert list(losses) == ["largest", "random", "smallest"]
    assert all(loss.shape == () and loss > 0 for loss in losses.values())


def test_a_plain_step_uses_every_parameter() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(36, CLASSES))
    step = PlainStep(network, [CrossEntropy()])
    x, y = next(split().batches(8))
    losses = take(step, 0, x, y)
    assert torch.equal(losses["network"], nn.functional.cross_entropy(network(x), y).detach())
    assert list(step.used_regions(Context(0))) == [(parameter, ()) for parameter in network.parameters()]
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert isinstance(step.model, nn.Module) and not isinstance(step.model, nas.Supernet)
