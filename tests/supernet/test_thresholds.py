"""Single-Path NAS: the indicators, the weights they compare, and the networks and costs that they stand for."""

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from shipped import INPUT_SHAPE, SHIPPED, images, perturbed
from torch import Tensor, nn

import nas
from nas.costs import ExpectedCost
from nas.errors import UsageError
from nas.hardware import Catalogue, feature_table
from nas.nn import Cell, OneOf, Repeat
from nas.predictors import BlockTable, BlockValues
from nas.space import Architecture, Choice, Subset
from nas.supernet import Relaxed
from nas.supernet.relaxations import Thresholds
from nas.supernet.relaxations.thresholds import indicator
from search_spaces.mobilenet import InvertedResidual

NESTED = ["mobilenet", "once_for_all"]


def relaxed(supernet: nas.Supernet) -> Relaxed:
    return Relaxed(supernet, Thresholds(supernet), seed=0)


def single(**arguments: Any) -> nas.Supernet:
    """A convolution from one channel to four, with a choice, in double precision."""
    torch.manual_seed(0)
    settings: dict[str, Any] = {"out_channels": 4, "kernel_size": 1, "bias": False, **arguments}
    return nas.Supernet(nn.Sequential(nas.nn.Conv2d(1, **settings)).double())


def elastic_kernel(*candidates: int) -> nas.Supernet:
    kernel = Choice(candidates, name="kernel")
    return single(kernel_size=kernel, padding=kernel // 2)


def weight_of(supernet: nas.Supernet) -> nn.Parameter:
    (weight,) = supernet.parameters()
    return weight


def block() -> nas.Supernet:
    """One block with the four candidates of the paper."""
    kernel, expansion = Choice([3, 5], name="kernel"), Choice([3, 6], name="expansion")
    return perturbed(nn.Sequential(InvertedResidual(8, 8, kernel, expansion)))


@torch.no_grad()
def decide(search: Relaxed, architecture: Mapping[str, Any]) -> None:
    """Puts thresholds out of reach so that the indicators say an architecture; zero where they may be on."""
    for name, value in architecture.items():
        options = search.decisions[name].options
        search.parameters.logits[name].copy_(torch.tensor([math.inf if each > value else 0.0 for each in options]))


def run(search: Relaxed, x: Tensor) -> Tensor:
    search.follow(search.draw(0, 0.0))
    return search.supernet(x)


def gate(search: Relaxed, name: str) -> list[float]:
    values: list[float] = search.draw(0, 0.0)[name].values.tolist()
    return values


# The indicator


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_indicator_is_a_step_to_the_last_bit(dtype: torch.dtype) -> None:
    values = torch.cat([torch.linspace(-30, 30, 2001, dtype=dtype), torch.tensor([-0.0, math.inf, -math.inf])])
    assert torch.equal(indicator(values), (values >= 0).to(values))


def test_the_gradient_of_the_indicator_is_that_of_the_sigmoid() -> None:
    values = torch.linspace(-6, 6, 101, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(indicator(values).sum(), values)
    sigmoid = values.detach().sigmoid()
    torch.testing.assert_close(gradient, sigmoid * (1 - sigmoid), rtol=1e-12, atol=0)


# The networks that thresholds stand for


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", NESTED)
def test_at_first_the_supernet_is_exactly_its_largest_architecture(name: str, training: bool) -> None:
    supernet = perturbed(SHIPPED[name]()).train(training)
    first = run(relaxed(supernet), images())
    supernet.activate(supernet.space.largest())
    assert torch.equal(first, supernet(images()))


def test_without_its_ring_a_kernel_is_exactly_the_smaller_one() -> None:
    supernet = elastic_kernel(3, 5)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():  # small integers, whose sums are exact in any order
        weight_of(supernet).copy_(torch.randint(-9, 10, (4, 1, 5, 5), generator=generator))
    x = torch.randint(-9, 10, (2, 1, 8, 8), generator=generator).double()
    search = relaxed(supernet)
    decide(search, {"kernel": 3})
    small = run(search, x)
    centre = weight_of(supernet)[:, :, 1:4, 1:4]
    assert torch.equal(small, nn.functional.conv2d(x, centre, padding=1))
    decide(search, {"kernel": 5})
    assert not torch.equal(small, run(search, x))


@pytest.mark.parametrize("name", NESTED)
def test_indicators_run_the_architecture_that_they_say(name: str) -> None:
    supernet = perturbed(SHIPPED[name]()).double().eval()
    space, x, search = supernet.space, images().double(), relaxed(supernet)
    for architecture in [space.smallest(), *(space.sample(number) for number in range(8))]:
        decide(search, {**space.largest(), **architecture})
        mixed = run(search, x)
        supernet.activate(architecture)
        torch.testing.assert_close(mixed, supernet(x), rtol=1e-9, atol=1e-9)


# Gates


def test_gates_are_nested_one_hot_and_sum_to_one() -> None:
    search = relaxed(elastic_kernel(1, 3, 5, 7))
    expected = {(0, 0, 0): 7, (0, 0, 1): 5, (0, 1, 0): 3, (1, 0, 0): 1, (1, 1, 0): 1, (0, 1, 1): 3}
    for off, kernel in expected.items():
        with torch.no_grad():
            search.parameters.logits["kernel"][1:] = torch.tensor([math.inf if each else 0.0 for each in off])
        drawn = search.draw(0, 0.0)["kernel"]
        assert drawn.values.tolist() == [float(each == kernel) for each in (1, 3, 5, 7)]
        assert drawn.values.sum().item() == 1
        assert drawn.active == (0, 1, 2, 3)
        assert torch.equal(search.probabilities()["kernel"], drawn.values)


def test_numbers_are_ordered_by_size_however_they_are_listed() -> None:
    search = relaxed(elastic_kernel(5, 1, 3))
    assert gate(search, "kernel") == [1, 0, 0]
    with torch.no_grad():
        search.parameters.logits["kernel"][0] = math.inf
    assert gate(search, "kernel") == [0, 0, 1]
    with torch.no_grad():
        search.parameters.logits["kernel"][2] = math.inf
    assert gate(search, "kernel") == [0, 1, 0]


def test_the_threshold_of_the_smallest_has_no_effect() -> None:
    search = relaxed(elastic_kernel(1, 3))
    threshold = search.parameters.logits["kernel"]
    with torch.no_grad():
        threshold[0] = math.inf
    assert gate(search, "kernel") == [0, 1]
    search.draw(0, 0.0)["kernel"].values[1].backward()
    assert threshold.grad is not None
    assert threshold.grad[0] == 0


def test_a_choice_of_one_candidate_takes_it() -> None:
    assert gate(relaxed(elastic_kernel(3)), "kernel") == [1]


# The weights that are compared


def brute_force(supernet: nas.Supernet, name: str) -> list[float]:
    """The norm of what each candidate but the smallest adds, from masks over all weights."""
    masks: list[dict[nn.Parameter, Tensor]] = []
    for candidate in sorted(supernet.space.choices[name]):
        supernet.activate(supernet.space.complete({**supernet.space.largest(), name: candidate}))
        masks.append({each: torch.zeros_like(each, dtype=torch.bool) for each in supernet.parameters()})
        for parameter, region in supernet.active_regions():
            if parameter.dim() > 1:
                indices = [torch.cat([torch.arange(*each) for each in ranges]) for ranges in region]
                indices += [torch.arange(size) for size in parameter.shape[len(region) :]]
                masks[-1][parameter][torch.meshgrid(*indices, indexing="ij")] = True
    return [
        math.sqrt(sum(float(each.detach()[more[each] & ~less[each]].square().sum()) for each in more))
        for less, more in pairwise(masks)
    ]


@pytest.mark.parametrize("name", NESTED)
def test_a_candidate_is_on_up_to_the_norm_of_all_that_it_adds(name: str) -> None:
    supernet = perturbed(SHIPPED[name]()).double()
    search = relaxed(supernet)
    for choice, candidates in supernet.space.choices.items():
        order = sorted(range(len(candidates)), key=lambda position: candidates[position])
        for rank, norm in enumerate(brute_force(supernet, choice), start=1):
            for factor, last in ((1 - 1e-5, len(order) - 1), (1 + 1e-5, rank - 1)):
                with torch.no_grad():
                    search.parameters.logits[choice].zero_()[order[rank]] = norm * factor
                assert gate(search, choice).index(1) == order[last]


def slope(norm: float, threshold: float = 0.0) -> float:
    sigmoid = 1 / (1 + math.exp(threshold - norm))
    return sigmoid * (1 - sigmoid)


def test_a_kernel_adds_its_ring() -> None:
    supernet = elastic_kernel(3, 5)
    weight, search = weight_of(supernet), relaxed(supernet)
    search.draw(0, 0.0)["kernel"].values[1].backward()
    ring = weight.detach().clone()
    ring[:, :, 1:4, 1:4] = 0
    norm = float(ring.norm())
    torch.testing.assert_close(weight.grad, slope(norm) * ring / norm, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(
        search.parameters.logits["kernel"].grad, torch.tensor([0.0, -slope(norm)]), rtol=1e-5, atol=0
    )


def test_a_depth_adds_its_blocks_but_not_their_biases_and_norms() -> None:
    torch.manual_seed(0)
    blocks = [nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.BatchNorm2d(1)) for _ in range(3)]
    search = relaxed(nas.Supernet(nn.Sequential(Repeat(blocks, Choice([1, 3], name="depth")))))
    search.draw(0, 0.0)["depth"].values[1].backward()
    assert [each[0].weight.grad is not None for each in blocks] == [False, True, True]
    assert all(each[0].bias.grad is None and each[1].weight.grad is None for each in blocks)
    norm = float(torch.stack([each[0].weight.detach() for each in blocks[1:]]).norm())
    torch.testing.assert_close(blocks[2][0].weight.grad, slope(norm) * blocks[2][0].weight.detach() / norm)


def test_a_skipped_block_is_a_depth_of_zero() -> None:
    torch.manual_seed(0)
    supernet = nas.Supernet(Repeat([nn.Conv2d(1, 1, 3, padding=1)], Choice([0, 1], name="depth")))
    search, x = relaxed(supernet), images()
    decide(search, {"depth": 0})
    assert torch.equal(run(search, x), x)


def test_a_weight_that_two_layers_share_counts_once() -> None:
    torch.manual_seed(0)
    width = Choice([4, 8], name="width")
    whole, most = nas.nn.Linear(3, width, bias=False), nas.nn.Linear(3, width - 1, bias=False)
    most.weight = whole.weight
    search = relaxed(nas.Supernet(nn.ModuleList([whole, most])))
    search.draw(0, 0.0)["width"].values[1].backward()
    added = torch.cat([torch.zeros(4, 3), whole.weight.detach()[4:]])
    norm = float(added.norm())
    torch.testing.assert_close(whole.weight.grad, slope(norm) * added / norm)


def test_weights_of_zero_have_a_finite_gradient() -> None:
    supernet = elastic_kernel(3, 5)
    with torch.no_grad():
        weight_of(supernet).zero_()
    search = relaxed(supernet)
    search.draw(0, 0.0)["kernel"].values[1].backward()
    assert gate(search, "kernel") == [0, 1]
    assert torch.equal(weight_of(supernet).grad, torch.zeros(4, 1, 5, 5, dtype=torch.float64))


# Learning


def test_a_loss_reaches_every_threshold_and_every_weight() -> None:
    supernet = perturbed(SHIPPED["mobilenet"]())
    search = relaxed(supernet)
    run(search, images()).square().sum().backward()
    for name, thresholds in search.parameters.logits.items():
        assert thresholds.grad is not None
        assert thresholds.grad.isfinite().all()
        assert (thresholds.grad != 0).sum() == len(thresholds) - 1, name
    for parameter in supernet.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()
        assert parameter.grad.any()


def test_weights_that_are_off_learn_through_their_indicator_alone() -> None:
    supernet = elastic_kernel(3, 5)
    search = relaxed(supernet)
    ring = weight_of(supernet).detach().clone()
    ring[:, :, 1:4, 1:4] = 0
    with torch.no_grad():
        search.parameters.logits["kernel"][1] = float(ring.norm()) + 1
    run(search, images().double()).square().sum().backward()
    gradient = weight_of(supernet).grad
    assert gradient is not None
    similarity = torch.cosine_similarity(gradient[ring != 0], ring[ring != 0], dim=0)
    assert similarity.abs().item() == pytest.approx(1, abs=1e-9)


def test_under_a_cost_alone_sizes_switch_off_until_the_smallest_is_left() -> None:
    supernet = block()
    search, cost = relaxed(supernet), expected(supernet)
    optimizer = torch.optim.Adam(search.parameters.parameters(), 0.5)
    costs = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = cost(search.probabilities()).log()
        loss.backward()
        optimizer.step()
        costs.append(loss.item())
    assert costs == sorted(costs, reverse=True)
    assert costs[0] > costs[-1]
    assert chosen(search) == supernet.space.smallest()


# Costs


def expected(supernet: nas.Supernet) -> ExpectedCost:
    table = feature_table(Catalogue(supernet, (8, 6, 6)))
    return ExpectedCost(supernet.space, table.part(["flops"]), dtype=torch.float64)


def chosen(search: Relaxed) -> Architecture:
    values = {name: search.decisions[name].options[int(each.argmax())] for name, each in search.probabilities().items()}
    return search.supernet.space.architecture(values)


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("expansion", [3, 6])
def test_the_expected_latency_is_exactly_that_of_the_block_that_runs(kernel: int, expansion: int) -> None:
    supernet = block()
    space, milliseconds = supernet.space, np.random.default_rng(0).uniform(1, 9, (3, 3, 1))
    rows = tuple(list(space.choices).index(name) for name in ("kernel", "expansion"))
    order = np.argsort(rows)
    table = BlockTable(["ms"], [BlockValues(tuple(sorted(rows)), np.transpose(milliseconds, (*order, 2)))])
    cost, search = ExpectedCost(space, table, dtype=torch.float64), relaxed(supernet)
    decide(search, {"kernel": kernel, "expansion": expansion})
    assert cost(search.probabilities()).item() == milliseconds[[3, 5].index(kernel), [3, 6].index(expansion), 0]


def test_the_expected_flops_are_exactly_those_of_the_architecture_that_runs() -> None:
    supernet = nas.Supernet(SHIPPED["mobilenet"]())
    table = feature_table(Catalogue(supernet, INPUT_SHAPE)).part(["flops"])
    cost, space = ExpectedCost(supernet.space, table, dtype=torch.float64), supernet.space
    search = relaxed(supernet)
    for architecture in [space.largest(), space.smallest(), *(space.sample(number) for number in range(10))]:
        decide(search, {**space.largest(), **architecture})
        assert chosen(search) == architecture
        assert cost(search.probabilities()).item() == table(space.indices([architecture]))[0, 0]


# What is refused


def kept_edges() -> nn.Module:
    return Cell({(0, 2): nn.Identity(), (1, 2): nn.Identity()}, inputs=2, kept={2: Subset([0, 1], 1, name="kept")})


def modules() -> nn.Module:
    return OneOf([nn.Identity(), nn.Conv2d(1, 1, 3, padding=1)], Choice([0, 1], name="operation"))


@pytest.mark.parametrize(("build", "name"), [(kept_edges, "kept"), (modules, "operation")])
def test_a_choice_between_modules_or_edges_is_refused(build: Callable[[], nn.Module], name: str) -> None:
    with pytest.raises(UsageError, match=f"single-path needs nested sizes, but choice '{name}' .* use another method"):
        Thresholds(nas.Supernet(build()))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"stride": Choice([1, 2], name="stride")}, "candidate 2 of choice 'stride' .* of 1 "),
        ({"kernel_size": Choice([[1, 3], [3, 1]], name="kernel")}, r"candidate \[3, 1\] of choice 'kernel'"),
        ({"out_channels": 12 // Choice([1, 2], name="parts")}, "candidate 2 of choice 'parts'"),
    ],
)
def test_candidates_that_do_not_contain_each_other_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=f"single-path needs nested sizes, but {message}"):
        Thresholds(single(**arguments))


def test_the_supernet_stays_as_it_was() -> None:
    supernet = perturbed(SHIPPED["mobilenet"]())
    supernet.activate(supernet.space.sample(3))
    before = supernet(images())
    Thresholds(supernet)
    assert supernet.architecture == supernet.space.sample(3)
    assert torch.equal(supernet(images()), before)
    refused = single(stride=Choice([1, 2], name="stride"))
    refused.activate({"stride": 1})
    with pytest.raises(UsageError):
        Thresholds(refused)
    assert refused.architecture == Architecture({"stride": 1})
