"""Alpha divergences: their limits, their gradients, the bounds that clipping sets."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nas.tasks import AlphaDistillation, Forward
from nas.tasks.alpha_divergence import alpha_divergence

ORDERS = (-1.0, 0.0, 0.5, 1.0, 2.0)


def logits(seed: int, *shape: int, spread: float = 1.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return spread * torch.randn(*(shape or (6, 5)), generator=generator)


def plain(student: Tensor, teacher: Tensor, order: float) -> Tensor:
    """The divergence as it is defined, with its own gradient, in float64."""
    p, q = teacher.double().softmax(1).detach(), student.double().softmax(1)
    if order == 1:
        return (p * (p / q).log()).sum(1)
    if order == 0:
        return (q * (q / p).log()).sum(1)
    return ((q * (p / q) ** order).sum(1) - 1) / (order * (order - 1))


def gradient(loss: Tensor, student: Tensor) -> Tensor:
    (found,) = torch.autograd.grad(loss.sum(), student)
    return found


@pytest.mark.parametrize("order", ORDERS)
def test_value_and_gradient_are_those_of_the_definition(order: float) -> None:
    student, teacher = logits(0).requires_grad_(), logits(1)
    ours, theirs = alpha_divergence(student, teacher, order), plain(student, teacher, order)
    torch.testing.assert_close(ours.double(), theirs, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(gradient(ours, student), gradient(theirs, student).float(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("limit", [0.0, 1.0])
def test_orders_near_a_limit_come_near_to_its_divergence(limit: float) -> None:
    student, teacher = logits(0), logits(1)
    at_limit = alpha_divergence(student, teacher, limit)
    away = [(alpha_divergence(student, teacher, limit + step) - at_limit).abs().max().item() for step in (0.1, 0.01)]
    assert 0 < away[1] < away[0] / 5
    kl = F.kl_div(student.log_softmax(1), teacher.softmax(1), reduction="none").sum(1)
    reverse = F.kl_div(teacher.log_softmax(1), student.softmax(1), reduction="none").sum(1)
    torch.testing.assert_close(at_limit, kl if limit else reverse)


@pytest.mark.parametrize("order", ORDERS)
def test_a_student_like_its_teacher_has_nothing_to_learn(order: float) -> None:
    student = logits(0).requires_grad_()
    divergence = alpha_divergence(student, student, order)
    torch.testing.assert_close(divergence, torch.zeros(6), atol=1e-6, rtol=0)
    torch.testing.assert_close(gradient(divergence, student), torch.zeros(6, 5), atol=1e-6, rtol=0)


def of(*probabilities: float) -> Tensor:
    return torch.tensor([probabilities]).log()


def test_a_negative_order_punishes_guesses_that_are_too_high() -> None:
    teacher = of(0.9, 0.05, 0.05)
    unsure, sure = of(0.5, 0.25, 0.25), of(0.99, 0.005, 0.005)
    found = [[alpha_divergence(each, teacher, order).item() for order in (-1, 1)] for each in (unsure, sure)]
    assert found[0] == pytest.approx([0.889, 0.368], abs=1e-3)
    assert found[1] == pytest.approx([0.045, 0.144], abs=1e-3)


def test_each_example_learns_by_the_order_that_finds_it_farther_away() -> None:
    teacher = of(0.9, 0.05, 0.05).repeat(2, 1)
    student = torch.cat([of(0.5, 0.25, 0.25), of(0.99, 0.005, 0.005)]).requires_grad_()
    loss = AlphaDistillation()(Forward(student, torch.zeros(2), "random", {"largest": teacher}))
    assert loss is not None
    orders = [alpha_divergence(student, teacher, order) for order in (-1, 1)]
    torch.testing.assert_close(loss, (orders[0][0] + orders[1][1]) / 2)
    expected = torch.stack([gradient(orders[0], student)[0], gradient(orders[1], student)[1]]) / 2
    torch.testing.assert_close(gradient(loss, student), expected)


def test_order_one_alone_has_the_gradient_of_in_place_distillation() -> None:
    student, teacher = logits(0).requires_grad_(), logits(1)
    loss = AlphaDistillation(orders=[1.0])(Forward(student, torch.zeros(6), "random", {"largest": teacher}))
    assert loss is not None
    torch.testing.assert_close(gradient(loss, student), gradient(F.cross_entropy(student, teacher.softmax(1)), student))


def test_clipping_bounds_the_divergence() -> None:
    student, teacher = logits(0, 200, 10, spread=5).requires_grad_(), logits(1, 200, 10, spread=5)
    clipped = alpha_divergence(student, teacher, -1, clip=5)
    assert clipped.max() <= (5 - 1) / 2 + 1e-6 < alpha_divergence(student, teacher, -1).max()
    assert gradient(clipped, student).abs().max() <= 5
    order_one = [alpha_divergence(student, teacher, 1, clip=clip) for clip in (5, math.inf)]
    assert torch.equal(*order_one)


@pytest.mark.parametrize("order", ORDERS)
def test_certain_networks_give_no_nan(order: float) -> None:
    for seed in range(10):
        student, teacher = logits(seed, spread=300).requires_grad_(), logits(seed + 50, spread=300)
        loss = alpha_divergence(student, teacher, order, clip=5)
        assert loss.isfinite().all() and gradient(loss, student).isfinite().all()


def test_dense_outputs_are_averaged_over_places() -> None:
    student, teacher = logits(0, 2, 5, 3), logits(1, 2, 5, 3)
    dense = AlphaDistillation()(Forward(student, torch.zeros(2, 3), "random", {"largest": teacher}))
    flat = [each.movedim(1, 2).reshape(6, 5) for each in (student, teacher)]
    torch.testing.assert_close(
        dense, AlphaDistillation()(Forward(flat[0], torch.zeros(6), "random", {"largest": flat[1]}))
    )


def test_it_applies_to_its_roles_after_its_teacher() -> None:
    forward = Forward(logits(0), torch.zeros(6), "random", {"largest": logits(1)})
    assert AlphaDistillation(roles=["smallest"])(forward) is None
    assert AlphaDistillation(teacher="median")(forward) is None
    assert AlphaDistillation(roles=["random"])(forward) is not None
