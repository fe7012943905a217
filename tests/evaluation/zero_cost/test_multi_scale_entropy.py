"""DeepMAD's entropy is the published formula of sizes, and a search finds what maximises it within a bound."""

import itertools
import math

import pytest
import torch
from torch import nn

import nas
from nas.costs import Candidate, StaticCosts
from nas.costs.convolution_path import depth_to_width
from nas.errors import UsageError
from nas.evaluation.zero_cost import PROXIES, Probe, ZeroCost
from nas.evaluation.zero_cost.entropy import entropy_of
from nas.problem import Problem
from nas.search import search
from nas.space import Architecture
from nas.tasks import CrossEntropy
from search_spaces.mobilenet import mobilenet

PROBE = Probe([(torch.zeros(2, 3, 8, 8), torch.zeros(2, dtype=torch.int64))], CrossEntropy(), {}, seed=0)


def network(depths: tuple[int, ...], width: int, groups: int = 1) -> nn.Sequential:
    """A stage for each depth; each but the first begins with stride 2."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1)]
    for stage, depth in enumerate(depths):
        for layer in range(depth - (stage == 0)):
            stride = 2 if stage and not layer else 1
            layers.append(nn.Conv2d(width, width, 3, stride, padding=1, groups=groups))
    return nn.Sequential(*layers)


def entropy(depths: tuple[int, ...], width: int, groups: int = 1) -> float:
    return PROXIES["deepmad"](network(depths, width, groups), PROBE)


def unevenness(*depths: int) -> float:
    mean = sum(depths) / len(depths)
    return 10 * math.exp(math.sqrt(sum((depth - mean) ** 2 for depth in depths) / len(depths)))


def test_it_is_the_published_sum() -> None:
    """Each resolution weighs 1, the last 8; the logarithm of its numbers times half that of all widths so far."""
    stem, layer = math.log(3 * 9) / 2, math.log(4 * 9) / 2
    first, second = math.log(64 * 4) * (stem + layer), math.log(16 * 4) * (stem + 2 * layer)
    third = math.log(4 * 4) * (stem + 5 * layer)
    expected = first + second + 8 * third - unevenness(2, 1, 3)
    assert entropy((2, 1, 3), 4) == pytest.approx(expected)


def test_twice_as_wide() -> None:
    """The images still have three channels, so all but the first convolution gain half the logarithm of 2."""
    so_far = math.log(27) / 2 + 4 * math.log(36) / 2
    expected = 8 * (math.log(64 * 4) + math.log(2)) * (so_far + 4 * math.log(2) / 2) - 10
    assert entropy((5,), 8) == pytest.approx(expected)


def test_a_depthwise_layer_tells_its_kernel_alone() -> None:
    layers = 3 * math.log(9) / 2
    for width in (4, 16):
        expected = 8 * math.log(64 * width) * (math.log(27) / 2 + layers) - 10
        assert entropy((4,), width, groups=width) == pytest.approx(expected)


def test_it_grows_with_depth_but_not_where_depths_are_uneven() -> None:
    assert all(less < more for less, more in itertools.pairwise(entropy((depth, depth), 8) for depth in range(1, 6)))
    assert entropy((2, 12), 8) < entropy((2, 6), 8)


def test_what_no_convolution_leads_to_cannot_be_used() -> None:
    assert math.isnan(entropy_of(()))
    with pytest.raises(UsageError, match="proxy 'deepmad' and cost 'depth_to_width' read the convolutions of a netwo"):
        PROXIES["deepmad"](nn.Flatten(), PROBE)


@pytest.fixture(scope="module")
def problem() -> Problem:
    """Of 64 networks: widths and depths of three stages."""
    model = mobilenet((1, 8, 8), 10, depths=(1, 2), kernels=(3,), expansions=(3,))
    return Problem(nas.Supernet(model), nas.data.load("digits"))


def test_neither_data_nor_weights_are_read(problem: Problem) -> None:
    architecture = problem.space.sample(0)
    one, many = (
        ZeroCost(problem, "deepmad", images=images, repeats=repeats).score(architecture)
        for images, repeats in ((2, 1), (32, 2))
    )
    assert one == many


@pytest.fixture(scope="module")
def scored(problem: Problem) -> dict[Architecture, tuple[float, float]]:
    """Entropy and depth over width of each."""
    evaluator, static = ZeroCost(problem, "deepmad", images=2), StaticCosts(problem.supernet, (1, 8, 8))
    return {each: (evaluator.score(each), depth_to_width(Candidate(each, static))) for each in problem.space}


@pytest.mark.parametrize("strategy", ["evolution", "milp"])
def test_a_search_finds_the_most_within_a_bound(
    strategy: str, problem: Problem, scored: dict[Architecture, tuple[float, float]]
) -> None:
    """Without the bound the best is a deeper one."""
    bound = sorted(ratio for _, ratio in scored.values())[40]
    table = search(
        problem.space,
        lambda some: [scored[each][0] for each in some],
        strategy,
        objectives="maximise proxy",
        costs=lambda some: [{"depth_to_width": scored[each][1]} for each in some],
        constraints=f"depth_to_width <= {bound}",
        budget=30,
        batch=5,
    )
    within = max(entropy for entropy, ratio in scored.values() if ratio <= bound)
    assert table.loc[table["feasible"], "proxy"].max() == within < max(entropy for entropy, _ in scored.values())
