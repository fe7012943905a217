"""A learning rate that follows the size of the paths of a step."""

from typing import Any

import pytest
import torch
from tiny import Always, elastic, operations, split

import nas
from nas.sampling import Uniform
from nas.training import CrossEntropy, Listener, Phase, PlainStep, Recipe, SupernetStep, train_phases
from nas.training.context import Context

RECIPE = Recipe(epochs=1, batch_size=32, learning_rate=0.01, warmup_epochs=0, momentum=0, weight_decay=0)


def moved(model: Any, step: Any, power: float) -> float:
    """How far the weights go in one step, over what the gradient says."""
    before = [each.detach().clone() for each in model.parameters()]
    train_phases([Phase(step, split(), RECIPE.model_copy(update={"rate_by_size": power}))], seed=0)
    ways = [(now.detach() - then).norm() for now, then in zip(model.parameters(), before, strict=True)]
    return float(torch.stack(ways).norm())


def parameters(supernet: nas.Supernet, architecture: Any) -> int:
    return sum(each.numel() for each in supernet.extract(architecture).parameters())


@pytest.mark.parametrize("make", [elastic, operations])
@pytest.mark.parametrize("power", [0.5, 1.0])
def test_a_small_path_goes_a_smaller_way_in_proportion_to_its_parameters(make: Any, power: float) -> None:
    shares = []
    for each in (0.0, power):
        supernet = make()
        architecture = supernet.space.smallest()
        shares.append(moved(supernet, SupernetStep(supernet, Always(architecture), [CrossEntropy()]), each))
    expected = parameters(supernet, architecture) / parameters(supernet, supernet.space.largest())
    assert expected < 1
    assert shares[1] / shares[0] == pytest.approx(expected**power, rel=1e-4)


def test_of_several_paths_the_largest_counts() -> None:
    def step() -> SupernetStep:
        supernet = elastic()
        return SupernetStep(supernet, Always(supernet.space.smallest(), supernet.space.largest()), [CrossEntropy()])

    plain, scaled = step(), step()
    assert moved(plain.model, plain, 0.0) == moved(scaled.model, scaled, 1.0)


def test_a_plain_network_has_the_rate_of_the_recipe() -> None:
    torch.manual_seed(0)
    network = elastic().extract(elastic().space.smallest())
    step = PlainStep(network, [CrossEntropy()])
    assert step.size_of_paths(Context(0)) == 1


def test_listeners_see_the_rate_of_the_schedule() -> None:
    seen: list[float] = []

    class Looks(Listener):
        def before_step(self, context: Context) -> None:
            assert context.optimizer is not None
            seen.append(context.optimizer.param_groups[0]["lr"])

    supernet = elastic()
    step = SupernetStep(supernet, Uniform(supernet.space, 0), [CrossEntropy()])
    recipe = RECIPE.model_copy(update={"rate_by_size": 1.0, "batch_size": 8})
    train_phases([Phase(step, split(), recipe, listeners=[Looks()])], seed=0)
    assert seen == [recipe.learning_rate_at(number, 4) for number in range(4)]
