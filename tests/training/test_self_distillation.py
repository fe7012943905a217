"""A supernet that its own past teaches: votes, the ring, gates of the time, resumption."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from tiny import CLASSES, operations
from torch import Tensor, nn
from torch.nn import functional as F

import nas
from nas.errors import UsageError
from nas.tasks import Classification
from nas.training import Context, Listener
from nas.training.objectives import CrossEntropy, Forward
from nas.training.self_distillation import SelfDistillation
from nas.training.steps import total_loss

TASK = Classification(["cat", "dog", "owl"])
X = torch.randn(8, 1, 6, 6, generator=torch.Generator().manual_seed(0))
Y = torch.arange(8) % CLASSES


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(64, CLASSES)).double()


def student_pass(model: nn.Module, role: str = "weights") -> Forward:
    return Forward(model(X.double()), Y, role, {}, X.double())


def perturb(model: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype))


def test_nobody_teaches_before_the_first_snapshot() -> None:
    model = network()
    term = SelfDistillation(model, TASK, every=3)
    for step in range(3):
        term.before_step(Context(step))
        assert term(student_pass(model)) is None
    term.before_step(Context(3))
    assert term(student_pass(model)) is not None
    assert term(student_pass(model, "architecture")) is None


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_a_teacher_that_is_the_student_teaches_nothing(mode: str) -> None:
    model = network()
    getattr(model, mode)()
    term = SelfDistillation(model, TASK, every=1, snapshots=1)
    term.before_step(Context(1))
    forward = student_pass(model)
    loss = term(forward)
    assert loss is not None and loss.detach().abs() < 1e-12
    torch.testing.assert_close(torch.autograd.grad(loss, forward.output)[0], torch.zeros_like(forward.output))


def outputs_of_three(term: SelfDistillation, model: nn.Module) -> list[Tensor]:
    """Takes three snapshots of different weights; what each gives for the batch."""
    outputs = []
    for step in range(1, 4):
        perturb(model, step)
        term.before_step(Context(step))
        with torch.no_grad():
            outputs.append(model(X.double()))
    perturb(model, 99)
    return outputs


VOTES: dict[str, Callable[[list[Tensor]], Tensor]] = {
    "mean": lambda outputs: torch.stack([(z / 2).softmax(1) for z in outputs]).mean(0),
    "majority": lambda outputs: sum(F.one_hot(z.argmax(1), CLASSES) for z in outputs) / len(outputs),  # type: ignore[return-value]
}


@pytest.mark.parametrize("vote", VOTES)
def test_the_loss_is_the_divergence_from_the_vote(vote: Any) -> None:
    model = network()
    term = SelfDistillation(model, TASK, every=1, temperature=2, weight=0.7, vote=vote)
    outputs = outputs_of_three(term, model)
    forward = student_pass(model)
    loss = term(forward)
    assert loss is not None
    p, log_q = VOTES[vote](outputs), (forward.output / 2).log_softmax(1)
    torch.testing.assert_close(loss, 0.7 * 4 * (torch.xlogy(p, p) - p * log_q).sum(1).mean())
    q = log_q.exp()
    torch.testing.assert_close(torch.autograd.grad(loss, forward.output)[0], (0.7 * 2 * (q - p) / len(X)).detach())


def test_teachers_that_agree_vote_like_one() -> None:
    model = network()
    many, one = SelfDistillation(model, TASK, every=1, snapshots=3), SelfDistillation(model, TASK, every=1, snapshots=1)
    for step in range(1, 4):
        many.before_step(Context(step))
        one.before_step(Context(step))
    perturb(model, 5)
    forward = student_pass(model)
    torch.testing.assert_close(many(forward), one(forward), rtol=1e-12, atol=1e-12)


def test_the_oldest_gives_way() -> None:
    model = network()
    term, last = (SelfDistillation(model, TASK, every=1, snapshots=2) for _ in range(2))
    outputs = outputs_of_three(term, model)
    p = VOTES["mean"](outputs[1:])
    forward = student_pass(model)
    expected = 4 * (torch.xlogy(p, p) - p * (forward.output / 2).log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(term(forward), expected)
    assert last(forward) is None


def test_teaching_leaves_the_model_and_the_teachers_as_they_were() -> None:
    model = network()
    term = SelfDistillation(model, TASK, every=1)
    outputs_of_three(term, model)
    forward = student_pass(model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    taught = {name: value.clone() for name, value in term.state().items()}
    assert torch.equal(term(forward), term(forward))  # type: ignore[arg-type]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(torch.equal(value, taught[name]) for name, value in term.state().items())


def train(weight: float | None) -> dict[str, Tensor]:
    """Six steps of SGD; without the term at all where there is no weight."""
    model = network()
    term = SelfDistillation(model, TASK, every=2, weight=weight or 0.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for step in range(6):
        term.before_step(Context(step))
        optimizer.zero_grad()
        total_loss([CrossEntropy()] if weight is None else [CrossEntropy(), term], student_pass(model)).backward()
        optimizer.step()
    return model.state_dict()


def test_a_weight_of_zero_trains_bit_for_bit_as_without() -> None:
    without, zero, one = train(None), train(0.0), train(1.0)
    assert all(torch.equal(zero[name], value) for name, value in without.items())
    assert not torch.equal(one["0.weight"], without["0.weight"])


class Soft:
    """Gates of a supernet, all alike; what :class:`nas.supernet.Relaxed` does for any number of decisions."""

    def __init__(self, supernet: nas.Supernet, gates: Tensor) -> None:
        self.supernet = supernet
        self.follow(gates)

    def follow(self, gates: Tensor) -> None:
        self.gates = gates
        self.supernet.mix(self.probabilities())

    def probabilities(self) -> dict[str, Tensor]:
        return dict.fromkeys(self.supernet.space.choices, self.gates)

    @contextmanager
    def showing(self, probabilities: Mapping[str, Tensor]) -> Iterator[None]:
        previous = self.gates
        self.supernet.mix(probabilities)
        yield
        self.follow(previous)


def test_a_teacher_follows_the_gates_of_its_time() -> None:
    supernet = operations().eval()
    gated = Soft(supernet, torch.tensor([0.0, 0.0, 1.0]))
    term = SelfDistillation(supernet, TASK, every=1, gated=gated)
    term.before_step(Context(1))
    with torch.no_grad():
        then = (supernet(X) / 2).softmax(1)
    gated.follow(torch.tensor([1.0, 0.0, 0.0]))
    forward = Forward(supernet(X), Y, "weights", {}, X)
    expected = 4 * (torch.xlogy(then, then) - then * (forward.output / 2).log_softmax(1)).sum(1).mean()
    assert expected > 1e-4
    torch.testing.assert_close(term(forward), expected)
    assert torch.equal(supernet(X), forward.output), "the student's gates are back"


def test_what_it_remembers_survives_a_checkpoint() -> None:
    supernet = operations()
    gated = Soft(supernet, torch.tensor([0.2, 0.3, 0.5]))
    term = SelfDistillation(supernet, TASK, every=1, gated=gated, snapshots=2)
    assert isinstance(term, Listener) and term.state() == {}
    for step in range(1, 4):
        perturb(supernet, step)
        term.before_step(Context(step))
    again = SelfDistillation(supernet, TASK, every=1, gated=gated, snapshots=2)
    again.before_step(Context(7))
    again.restore(term.state())
    state = again.state()
    assert list(state) == list(term.state())
    assert all(torch.equal(value, state[name]) for name, value in term.state().items())
    supernet.eval()
    forward = Forward(supernet(X), Y, "weights", {}, X)
    assert torch.equal(term(forward), again(forward))  # type: ignore[arg-type]
    again.restore({})
    assert again(forward) is None


@pytest.mark.parametrize("wrong", [{"every": 0}, {"every": 1, "snapshots": 0}])
def test_an_empty_ring_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="both must be 1 or more"):
        SelfDistillation(network(), TASK, **wrong)
