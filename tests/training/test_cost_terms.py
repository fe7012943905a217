"""Loss terms of the expected cost: closed forms, bands, and a real table of operations."""

import math
from collections.abc import Callable, Mapping

import pytest
import torch
from tiny import operations
from torch import Tensor

from nas.costs import ExpectedCost, StaticCosts
from nas.errors import UsageError
from nas.hardware import Catalogue, feature_table
from nas.training.cost_terms import AddedCost, LogCost, ScaledLoss, TargetCost
from nas.training.objectives import CrossEntropy, Forward, LossTerm

COSTS = torch.tensor([2.0, 5.0, 11.0], dtype=torch.float64)
ALPHA = torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64)
OUTPUT = torch.tensor([[1.0, -1.0, 0.5], [0.0, 0.2, 2.0]], dtype=torch.float64)
TARGET = torch.tensor([0, 1])


def expected(probabilities: Mapping[str, Tensor]) -> Tensor:
    return probabilities["op"] @ COSTS


def architecture_pass(probabilities: Tensor, role: str = "architecture") -> Forward:
    return Forward(OUTPUT, TARGET, role, {}, None, {"op": probabilities})


def value_and_gradient(term: LossTerm) -> tuple[float, Tensor]:
    alpha = ALPHA.clone().requires_grad_()
    loss = term(architecture_pass(alpha.softmax(0)))
    assert loss is not None
    return loss.item(), torch.autograd.grad(loss, alpha)[0]


P = ALPHA.softmax(0)
E = P @ COSTS
SLOPE = P * (COSTS - E)
"""dE / dalpha through the softmax."""


def test_an_added_cost_is_linear_in_the_expected_cost() -> None:
    value, gradient = value_and_gradient(AddedCost(expected, reference=4.0, weight=0.1))
    assert value == pytest.approx(0.1 * float(E - 4) / 4)
    torch.testing.assert_close(gradient, 0.1 / 4 * SLOPE)


def test_a_log_cost_does_not_depend_on_the_unit() -> None:
    value, gradient = value_and_gradient(LogCost(expected, weight=0.02))
    assert value == pytest.approx(0.02 * math.log(E))
    torch.testing.assert_close(gradient, 0.02 * SLOPE / E)
    _, in_microseconds = value_and_gradient(LogCost(lambda p: 1000 * expected(p), weight=0.02))
    torch.testing.assert_close(in_microseconds, gradient)


def test_a_scaled_loss_multiplies_by_a_power_of_the_log_ratio() -> None:
    term = ScaledLoss(CrossEntropy(roles=["architecture"]), expected, reference=4.0, a=0.2, b=0.3)
    value, gradient = value_and_gradient(term)
    entropy, ratio = float(torch.nn.functional.cross_entropy(OUTPUT, TARGET)), math.log(E) / math.log(4)
    assert value == pytest.approx(0.2 * entropy * ratio**0.3)
    torch.testing.assert_close(gradient, 0.2 * entropy * 0.3 * ratio**-0.7 / math.log(4) * SLOPE / E)
    assert term(architecture_pass(P, "weights")) is None, "as the loss that it scales"


@pytest.mark.parametrize(("target", "sign"), [(10.99, 1), (11.0, 0), (11.57, 0), (11.6, -1), (100.0, -1)])
def test_a_target_pulls_from_both_sides_of_a_band_below_it(target: float, sign: int) -> None:
    """The likeliest operation costs 11."""
    value, gradient = value_and_gradient(TargetCost(expected, target, tolerance=0.05, weight=2))
    assert value == pytest.approx(sign * 2 * math.log(E))
    torch.testing.assert_close(gradient, sign * 2 * SLOPE / E)


@pytest.mark.parametrize(
    "term",
    [AddedCost(expected, 4.0), LogCost(expected, 0.1), TargetCost(expected, 4.0)],
    ids=lambda term: type(term).__name__,
)
def test_costs_are_for_the_architecture_alone(term: LossTerm) -> None:
    assert term(architecture_pass(P, "weights")) is None
    assert term(architecture_pass(P)) is not None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AddedCost(expected, 0.0), "the reference cost is 0"),
        (lambda: TargetCost(expected, -1.0), "the target cost is -1"),
        (lambda: ScaledLoss(CrossEntropy(), expected, reference=1.0), "the reference cost is 1, .* more than 1"),
        (
            lambda: ScaledLoss(CrossEntropy(), lambda p: expected(p) / 100, reference=2.0)(architecture_pass(P)),
            r"the expected cost is 0\.0\d+, .* more than 1; .* smaller unit",
        ),
        (lambda: LogCost(lambda p: 0 * expected(p), 1.0)(architecture_pass(P)), "the expected cost is 0, .* than 0"),
    ],
)
def test_costs_without_a_logarithm_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


def test_a_real_table_at_one_hot_probabilities_costs_what_the_architecture_does() -> None:
    supernet = operations()
    space, costs = supernet.space, StaticCosts(supernet, (1, 6, 6))
    table = feature_table(Catalogue(supernet, (1, 6, 6))).part(["flops"])
    term = LogCost(ExpectedCost(space, table, dtype=torch.float64), weight=1.0)
    for number in range(5):
        architecture = space.sample(number)
        one_hot = {
            name: torch.tensor([float(each == architecture[name]) for each in candidates], dtype=torch.float64)
            for name, candidates in space.choices.items()
        }
        value = term(Forward(OUTPUT, TARGET, "architecture", {}, None, one_hot))
        assert value is not None and math.exp(value) == pytest.approx(costs(architecture)["flops"], rel=1e-12)


def test_descending_a_real_cost_makes_the_cheapest_operation_likelier() -> None:
    supernet = operations()
    table = feature_table(Catalogue(supernet, (1, 6, 6))).part(["flops"])
    term = AddedCost(ExpectedCost(supernet.space, table), reference=1000.0)
    alphas = {name: torch.zeros(3, requires_grad=True) for name in supernet.space.choices}
    value = term(Forward(OUTPUT, TARGET, "architecture", {}, None, {n: a.softmax(0) for n, a in alphas.items()}))
    assert value is not None
    value.backward()
    for name, alpha in alphas.items():
        assert alpha.grad is not None
        order = [supernet.space.choices[name][index] for index in (-alpha.grad).argsort(descending=True)]
        assert order == ["skip", "k1", "k3"], name
        assert float(alpha.grad.sum()) == pytest.approx(0, abs=1e-6 * float(alpha.grad.abs().max()))
