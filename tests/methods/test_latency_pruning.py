"""Pruning under a cost: what is removed, in which order, and where it ends."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.stats import spearmanr
from tiny import CLASSES, check_resumed, elastic, operations, split
from torch import nn

import nas
from nas.data import Augment, ImageData
from nas.errors import UsageError
from nas.methods import METHODS
from nas.methods.removals import Removal, next_removal, removals
from nas.methods.saliency import Saliency, first_order_changes, squared_changes
from nas.methods.shrinking_path import ShrinkingPath
from nas.nn import BatchNorm2d, Conv2d, Linear, OneOf
from nas.problem import Budget, Problem
from nas.sampling import Uniform
from nas.sharing import DenseParent
from nas.space import Architecture, Choice
from nas.tasks import Classification
from nas.training import CrossEntropy, Phase, Recipe, SupernetStep, train, train_phases


def problem(bound: float = 0.5, epochs: int = 8) -> Problem:
    torch.manual_seed(0)
    supernet = nas.Supernet(elastic().model, DenseParent())
    task = Classification([str(each) for each in range(CLASSES)])
    data = ImageData("quadrants", task, split(64), split(32, seed=2), split(32, seed=4), Augment())
    given = Problem(supernet, data, 3, Recipe(epochs=epochs, batch_size=16, learning_rate=0.02))
    return Problem(**{**vars(given), "budget": flops(given, bound)})


def flops(given: Problem, share: float) -> Budget:
    def costs(architectures: Any) -> list[float]:
        return [float(given.costs(each)["flops"]) for each in architectures]

    (largest,) = costs([given.space.largest()])
    return Budget(costs, share * largest, largest)


def pruned(given: Problem, **options: Any) -> tuple[list[Phase], Architecture]:
    phases = list(METHODS["latency-pruning"].phases(given, **options))
    train_phases(phases, seed=1)
    return phases, phases[-1].step.proposals[0]


def test_a_removal_leaves_a_part_of_the_weights_unused_and_uses_no_others() -> None:
    supernet = elastic()
    largest = supernet.space.largest()
    found = {each.choice: each.architecture for each in removals(supernet, largest)}
    assert {name: each[name] for name, each in found.items()} == {"width": 4, "kernel": 1, "depth": 1}
    assert removals(supernet, supernet.space.smallest()) == []


def test_an_operation_is_removed_only_where_what_follows_has_no_weights() -> None:
    supernet = operations()
    (first, *_) = removals(supernet, supernet.space.largest())
    assert first.architecture["layer0"] == "skip"
    torch.manual_seed(0)
    both = OneOf({"a": nn.Conv2d(1, 2, 3, padding=1), "b": nn.Conv2d(1, 2, 5, padding=2)})
    assert removals(nas.Supernet(nn.Sequential(both)), nas.Supernet(nn.Sequential(both)).space.largest()) == []


@pytest.mark.slow
def test_first_order_changes_rank_what_removals_do_to_the_loss() -> None:
    """Over networks that were trained as they are: signed sums, since a removal may as well lower the loss."""
    torch.manual_seed(0)
    widths = [Choice(list(range(8, 33)), name=f"width{number}") for number in range(3)]
    layers: list[nn.Module] = [nn.Flatten(), Linear(64, widths[0]), nn.ReLU()]
    for one, other in pairwise(widths):
        layers += [Linear(one, other), nn.ReLU()]
    supernet, data = nas.Supernet(nn.Sequential(*layers, Linear(widths[-1], 10))), nas.data.load("digits", limit=512)
    step = SupernetStep(supernet, Uniform(supernet.space, 0), [CrossEntropy()])
    train(step, data.train, Recipe(epochs=8, batch_size=32, learning_rate=0.05), seed=0)
    x, y = next(iter(data.train.batches(512)))
    estimated, real = [], []
    for number in range(40):
        architecture = supernet.space.sample(number)
        taken = removals(supernet, architecture)
        supernet.activate(architecture)
        supernet.zero_grad()
        loss = nn.functional.cross_entropy(supernet(x), y)
        loss.backward()
        estimated += first_order_changes(taken).tolist()
        for removal in taken:
            supernet.activate(removal.architecture)
            with torch.no_grad():
                real.append(float(nn.functional.cross_entropy(supernet(x), y) - loss))
    assert len(real) >= 100
    assert spearmanr(estimated, real)[0] >= 0.8


def test_saliency_is_the_mean_of_squared_changes() -> None:
    supernet = elastic()
    largest = supernet.space.largest()
    saliency = Saliency(removals(supernet, largest))
    supernet.activate(largest)
    squares = []
    for x, y in split(32).batches(16):
        supernet.zero_grad()
        nn.functional.cross_entropy(supernet(x), y).backward()
        saliency.add()
        squares.append(squared_changes(saliency.removals))
    assert saliency.values == pytest.approx(torch.stack(squares).mean(0).tolist())


def test_a_channel_counts_by_what_reads_it_and_a_kernel_by_its_outputs() -> None:
    width, kernel = Choice([1, 3], name="width"), Choice([1, 3], name="kernel")
    first, second = Conv2d(1, width, 1), Conv2d(width, 2, kernel, padding=kernel // 2, bias=False)
    supernet = nas.Supernet(nn.Sequential(first, second))
    for parameter in supernet.parameters():
        parameter.grad = torch.rand_like(parameter)
    product = second.weight.detach() * second.weight.grad
    narrower, smaller = product[:, 1:].sum((0, 2, 3)), product.sum((1, 2, 3)) - product[:, :, 1, 1].sum(1)
    found = removals(supernet, supernet.space.largest())
    expected = {"width": narrower, "kernel": smaller}
    assert [each.choice for each in found] == list(expected)
    assert squared_changes(found).tolist() == pytest.approx([float(each.square().sum()) for each in expected.values()])
    assert first_order_changes(found).tolist() == pytest.approx([-float(each.sum()) for each in expected.values()])


def test_before_a_batch_norm_channels_are_told_apart_though_their_sum_is_nothing() -> None:
    torch.manual_seed(0)
    width = Choice([2, 4, 8], name="width")
    layers = [Conv2d(1, width, 3, padding=1), nn.ReLU(), Conv2d(width, 4, 3, padding=1, bias=False), BatchNorm2d(4)]
    supernet = nas.Supernet(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, CLASSES)))
    x, y = next(iter(split(32).batches(32)))
    nn.functional.cross_entropy(supernet(x * torch.rand_like(x)), y).backward()
    everything = [Removal("width", supernet.space.smallest(), {layers[2].weight: []})]  # type: ignore[dict-item]
    scale = float(squared_changes(removals(supernet, supernet.space.largest()))) ** 0.5
    assert abs(float(first_order_changes(everything))) < 0.05 * scale


@pytest.mark.parametrize(("eta", "first"), [(0.0, "depth"), (1.0, "kernel"), (1e6, "width")])
def test_eta_weighs_what_is_saved_against_saliency(eta: float, first: str) -> None:
    supernet = elastic()
    costs = {"width": 6.0, "kernel": 4.0, "depth": 1.0}

    def cost(architecture: Architecture) -> float:
        steps = {"width": (2, 4, 6), "kernel": (1, 3), "depth": (0, 1, 2)}
        return sum(costs[name] * steps[name].index(architecture[name]) for name in architecture)

    (largest,) = [cost(supernet.space.largest())]
    budget = Budget(lambda each: list(map(cost, each)), 0.0, largest)
    path = ShrinkingPath(supernet, budget, eta=eta)
    saliency = {"width": 9.0, "kernel": 0.9, "depth": 0.5}
    path.saliency.sums = torch.tensor([saliency[each.choice] for each in path.saliency.removals])
    path.saliency.minibatches = 1
    ended = path.towards(largest - 0.5)
    assert [name for name in ended if ended[name] != path.architecture[name]] == [first]


def test_several_candidates_of_one_choice_in_a_round_count_with_their_squared_sum() -> None:
    supernet = elastic()
    at = {6: 2.0, 4: 1.0, 2: 0.0}
    budget = Budget(lambda each: [at[one["width"]] + (one.get("kernel") == 3) for one in each], 0.0, 3.0)
    path = ShrinkingPath(supernet, budget)
    saliency = {"width": 1.0, "kernel": 2.0, "depth": 5.0}
    path.saliency.sums = torch.tensor([saliency[each.choice] for each in path.saliency.removals])
    path.saliency.minibatches = 1
    assert [path.towards(bound)["width"] for bound in (2.0, 1.0)] == [4, 4]
    assert path.towards(1.0)["kernel"] == 1


@pytest.mark.parametrize("bound", [0.8, 0.4, 0.2])
def test_it_ends_within_the_bound_and_leaves_the_largest_as_it_was(bound: float) -> None:
    given = problem(bound)
    phases = list(METHODS["latency-pruning"].phases(given))
    train_phases(phases, seed=1, until=4)
    parent = {name: tensor.clone() for name, tensor in given.supernet.model.state_dict().items()}
    phases, proposed = pruned(problem(bound))
    budget = phases[-1].step.path.budget  # type: ignore[attr-defined]
    costs = budget.costs(phases[-1].step.proposals)
    assert costs[0] <= budget.bound
    assert costs == sorted(costs, reverse=True)
    assert proposed != given.space.largest()
    trained = phases[-1].step.model
    kept = trained.model.state_dict()  # type: ignore[union-attr, operator]
    for name in ("0.weight", "4.weight"):
        order = [kept[name].flatten().sort().values, parent[name].flatten().sort().values]
        assert torch.equal(*order)


def test_a_bound_below_the_smallest_network_is_refused() -> None:
    with pytest.raises(UsageError, match="pruning cannot come below a cost of"):
        pruned(problem(0.001))


def test_a_space_without_sizes_is_refused() -> None:
    torch.manual_seed(0)
    both = OneOf({"a": nn.Conv2d(1, 2, 3, padding=1), "b": nn.Conv2d(1, 2, 5, padding=2)})
    with pytest.raises(UsageError, match="nothing can be removed"):
        ShrinkingPath(nas.Supernet(nn.Sequential(both)), Budget(lambda each: [1.0] * len(each), 0.5, 1.0))


def test_a_killed_pruning_ends_with_the_same_bits(tmp_path: Path) -> None:
    ended = []

    def run(**options: Any) -> nn.Module:
        phases = METHODS["latency-pruning"].phases(problem(epochs=6))
        train_phases(phases, seed=1, **options)
        ended.append(phases[-1].step.proposals)
        return phases[-1].step.model

    check_resumed(run, tmp_path / "pruned.safetensors")
    assert all(each == ended[0] for each in ended)


def test_next_removal_is_that_of_all_removals() -> None:
    supernet = elastic()
    largest = supernet.space.largest()
    for removal in removals(supernet, largest):
        found = next_removal(supernet, largest, removal.choice)
        assert found is not None and found.architecture == removal.architecture
