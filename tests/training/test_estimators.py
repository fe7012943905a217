"""Gradients of architecture parameters against closed forms of a quadratic bilevel problem."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from nas.errors import UsageError
from nas.training.estimators import BilevelProblem, first_order, hypergradient, unrolled

RATE, MOMENTUM, DECAY = 0.3, 0.9, 0.05


class Quadratic:
    """``L_tr = w'Aw / 2 + w'Ba`` and ``L_val = |w - t|^2 / 2 + c'a + |a|^2``, with w in two pieces."""

    def __init__(self, seed: int = 0, dtype: torch.dtype = torch.float64) -> None:
        generator = torch.Generator().manual_seed(seed)
        root = torch.randn(5, 5, generator=generator, dtype=dtype)
        self.A = root @ root.T
        self.B = torch.randn(5, 3, generator=generator, dtype=dtype)
        self.t, self.c = (
            torch.randn(5, generator=generator, dtype=dtype),
            torch.randn(3, generator=generator, dtype=dtype),
        )
        first = torch.randn(5, generator=generator, dtype=dtype)
        self.weights = [nn.Parameter(first[:2].clone()), nn.Parameter(first[2:].clone())]
        self.alpha = torch.randn(3, generator=generator, dtype=dtype).requires_grad_()

    @property
    def w(self) -> Tensor:
        return torch.cat(self.weights)

    def training_loss(self) -> Tensor:
        return 0.5 * self.w @ self.A @ self.w + self.w @ self.B @ self.alpha

    def validation_loss(self) -> Tensor:
        return 0.5 * (self.w - self.t).square().sum() + self.c @ self.alpha + self.alpha.square().sum()

    def closed_form(self, rate: float, inertia: Tensor | float = 0.0, decay: Tensor | float = 0.0) -> Tensor:
        with torch.no_grad():
            ahead = self.w - rate * (inertia + self.A @ self.w + self.B @ self.alpha + decay * self.w)
            return self.c + 2 * self.alpha - rate * self.B.T @ (ahead - self.t)

    def problem(self, optimizer: torch.optim.Optimizer | None = None) -> BilevelProblem:
        return BilevelProblem(self.training_loss, self.validation_loss, self.weights, [self.alpha], optimizer)


def sgd(quadratic: Quadratic, steps: int = 0) -> torch.optim.SGD:
    groups = [
        {"params": quadratic.weights[:1], "weight_decay": DECAY},
        {"params": quadratic.weights[1:], "weight_decay": 0},
    ]
    optimizer = torch.optim.SGD(groups, lr=RATE, momentum=MOMENTUM)
    for _ in range(steps):
        optimizer.zero_grad()
        (0.1 * quadratic.training_loss()).backward()
        optimizer.step()
    return optimizer


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("steps", [0, 2], ids=["without momentum", "with momentum"])
def test_the_unrolled_gradient_is_the_closed_form(seed: int, steps: int) -> None:
    quadratic = Quadratic(seed)
    optimizer = sgd(quadratic, steps)
    buffers = [optimizer.state[w]["momentum_buffer"] for w in quadratic.weights] if steps else [torch.zeros(5)]
    decay = torch.tensor([DECAY, DECAY, 0, 0, 0], dtype=torch.float64)
    (gradient,) = unrolled(quadratic.problem(optimizer))
    expected = quadratic.closed_form(RATE, MOMENTUM * torch.cat(buffers), decay)
    torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-12)


def test_the_closed_form_is_what_autograd_finds_through_the_step() -> None:
    quadratic = Quadratic()
    w, alpha = quadratic.w.detach(), quadratic.alpha
    ahead = w - RATE * (quadratic.A @ w + quadratic.B @ alpha)
    loss = 0.5 * (ahead - quadratic.t).square().sum() + quadratic.c @ alpha + alpha.square().sum()
    torch.testing.assert_close(torch.autograd.grad(loss, alpha)[0], quadratic.closed_form(RATE), rtol=1e-12, atol=1e-12)


def test_the_step_looks_ahead_as_the_optimiser_would() -> None:
    quadratic = Quadratic()
    optimizer = sgd(quadratic, steps=2)
    seen: list[Tensor] = []

    def validation_loss() -> Tensor:
        seen.append(quadratic.w.detach().clone())
        return quadratic.validation_loss()

    unrolled(replace(quadratic.problem(optimizer), validation_loss=validation_loss))
    optimizer.zero_grad()
    quadratic.training_loss().backward()
    optimizer.step()
    torch.testing.assert_close(seen[0], quadratic.w.detach(), rtol=1e-12, atol=1e-12)


def test_a_rate_of_zero_is_the_first_order() -> None:
    quadratic = Quadratic()
    optimizer = sgd(quadratic, steps=2)
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    (unrolled_gradient,), (gradient,) = unrolled(quadratic.problem(optimizer)), first_order(quadratic.problem())
    assert unrolled_gradient is not None and gradient is not None
    assert torch.equal(unrolled_gradient, gradient)
    torch.testing.assert_close(gradient, (quadratic.c + 2 * quadratic.alpha).detach())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weights_gradients_and_optimiser_are_bit_identical_afterwards(dtype: torch.dtype) -> None:
    quadratic = Quadratic(dtype=dtype)
    optimizer = sgd(quadratic, steps=2)
    quadratic.weights[0].grad, quadratic.alpha.grad = torch.full((2,), 7.0, dtype=dtype), None
    before = [w.detach().clone() for w in quadratic.weights]
    buffers = [optimizer.state[w]["momentum_buffer"].clone() for w in quadratic.weights]
    unrolled(quadratic.problem(optimizer))
    assert all(torch.equal(w, old) for w, old in zip(quadratic.weights, before, strict=True))
    assert all(
        torch.equal(optimizer.state[w]["momentum_buffer"], old)
        for w, old in zip(quadratic.weights, buffers, strict=True)
    )
    assert quadratic.weights[0].grad.eq(7).all() and quadratic.alpha.grad is None


def test_weights_come_back_when_a_loss_fails() -> None:
    quadratic = Quadratic()
    before = [w.detach().clone() for w in quadratic.weights]

    def fail() -> Tensor:
        raise RuntimeError("no memory")

    with pytest.raises(RuntimeError, match="no memory"):
        unrolled(replace(quadratic.problem(sgd(quadratic)), validation_loss=fail))
    assert all(torch.equal(w, old) for w, old in zip(quadratic.weights, before, strict=True))


def test_the_learning_rate_may_differ_between_weights() -> None:
    quadratic = Quadratic()
    rates = torch.tensor([0.3, 0.3, 0.1, 0.1, 0.1], dtype=torch.float64)
    (gradient,) = hypergradient(
        quadratic.training_loss,
        quadratic.validation_loss,
        quadratic.weights,
        [quadratic.alpha],
        rates=[0.3, 0.1],
        inertia=[None, None],
        decays=[0, 0],
    )
    with torch.no_grad():
        ahead = quadratic.w - rates * (quadratic.A @ quadratic.w + quadratic.B @ quadratic.alpha)
        expected = quadratic.c + 2 * quadratic.alpha - quadratic.B.T @ (rates * (ahead - quadratic.t))
    torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-12)


def test_what_is_not_on_the_path_stays_and_has_no_gradient() -> None:
    quadratic = Quadratic()
    idle_weight, idle_alpha = nn.Parameter(torch.ones(2)), torch.ones(2, requires_grad=True)
    optimizer = sgd(quadratic)
    optimizer.add_param_group({"params": [idle_weight], "weight_decay": 1.0})
    seen: list[Tensor] = []

    def training_loss() -> Tensor:
        seen.append(idle_weight.detach().clone())
        return quadratic.training_loss()

    problem = BilevelProblem(
        training_loss,
        quadratic.validation_loss,
        [*quadratic.weights, idle_weight],
        [quadratic.alpha, idle_alpha],
        optimizer,
    )
    gradient, nothing = unrolled(problem)
    assert nothing is None and first_order(problem)[1] is None
    decay = torch.tensor([DECAY, DECAY, 0, 0, 0], dtype=torch.float64)
    torch.testing.assert_close(gradient, quadratic.closed_form(RATE, decay=decay), rtol=1e-12, atol=1e-12)
    assert len(seen) == 3 and all(torch.equal(each, torch.ones(2)) for each in seen)


def test_an_alpha_that_only_the_training_loss_reads_learns_through_the_weights() -> None:
    quadratic = Quadratic()
    problem = replace(quadratic.problem(sgd(quadratic)), validation_loss=lambda: quadratic.w.square().sum())
    assert first_order(problem) == [None]
    assert unrolled(problem)[0] is not None


def test_a_validation_loss_at_its_minimum_gives_the_direct_gradient_alone() -> None:
    quadratic = Quadratic()
    problem = replace(
        quadratic.problem(sgd(quadratic)), validation_loss=lambda: 0 * quadratic.w.sum() + quadratic.alpha.sum()
    )
    (gradient,) = unrolled(problem)
    torch.testing.assert_close(gradient, torch.ones(3, dtype=torch.float64))


def test_looking_ahead_needs_sgd() -> None:
    quadratic = Quadratic()
    with pytest.raises(UsageError, match="trained by AdamW; use optimizer=sgd"):
        unrolled(quadratic.problem(torch.optim.AdamW(quadratic.weights)))
    with pytest.raises(UsageError, match="trained by no optimiser that it knows"):
        unrolled(quadratic.problem())


def test_a_real_mixture_has_nearly_the_gradient_that_autograd_finds_through_the_step() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)).double()
    alpha = torch.tensor([0.5, -0.5], dtype=torch.float64, requires_grad=True)
    batches = [(torch.randn(16, 4, dtype=torch.float64), torch.arange(16) % 3) for _ in range(2)]

    def loss(weights: dict[str, Tensor], batch: tuple[Tensor, Tensor]) -> Tensor:
        first, second = alpha.softmax(0)
        x, y = batch
        mixed = first * x + second * x.roll(1, 1)
        return nn.functional.cross_entropy(torch.func.functional_call(model, weights, (mixed,)), y)

    weights = dict(model.named_parameters())
    optimizer = torch.optim.SGD(weights.values(), lr=0.5, weight_decay=0.01)
    problem = BilevelProblem(
        lambda: loss(weights, batches[0]), lambda: loss(weights, batches[1]), list(weights.values()), [alpha], optimizer
    )
    slopes = torch.autograd.grad(problem.training_loss(), list(weights.values()), create_graph=True)
    ahead = {
        name: weight - 0.5 * (slope + 0.01 * weight)
        for (name, weight), slope in zip(weights.items(), slopes, strict=True)
    }
    (expected,) = torch.autograd.grad(loss(ahead, batches[1]), alpha)
    (gradient,), (direct,) = unrolled(problem), first_order(problem)
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-7)
    assert direct is not None and not torch.allclose(direct, expected, rtol=0.02)
