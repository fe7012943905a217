"""Loss terms: identities of distillation, roles, and an objective that trains nothing."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.errors import UsageError
from nas.tasks import Classification
from nas.training import CrossEntropy, Forward, InPlaceDistillation, LossTerm
from nas.training.objectives import Distillation, Entropy
from nas.training.steps import total_loss

TASK = Classification(["cat", "dog", "owl"])
TARGET = torch.tensor([0, 2, 1, 2])


def logits(seed: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*(shape or (4, 3)), generator=generator, dtype=torch.float64).requires_grad_()


def test_distillation_has_the_gradient_of_the_divergence() -> None:
    student, teacher = logits(0), logits(1)
    term = InPlaceDistillation()(Forward(student, TARGET, "random", {"largest": teacher.detach()}))
    assert term is not None
    (ours,) = torch.autograd.grad(term, student)
    divergence = F.kl_div(student.log_softmax(1), teacher.detach().softmax(1), reduction="batchmean")
    (theirs,) = torch.autograd.grad(divergence, student)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(ours, (student.softmax(1) - teacher.softmax(1)).detach() / 4)
    entropy = -(teacher.softmax(1) * teacher.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(term, divergence + entropy)


def test_distillation_from_oneself_has_no_gradient() -> None:
    student = logits(0)
    term = InPlaceDistillation()(Forward(student, TARGET, "random", {"largest": student.detach()}))
    assert term is not None
    torch.testing.assert_close(torch.autograd.grad(term, student)[0], torch.zeros_like(student))


def test_distillation_of_dense_outputs() -> None:
    student, teacher = logits(0, 2, 3, 5), logits(1, 2, 3, 5)
    term = InPlaceDistillation()(Forward(student, TARGET, "random", {"largest": teacher.detach()}))
    expected = -(teacher.softmax(1) * student.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(term, expected)


def test_nobody_learns_from_a_teacher_that_has_not_run() -> None:
    assert InPlaceDistillation()(Forward(logits(0), TARGET, "largest", {})) is None
    forward = Forward(logits(0), TARGET, "random", {"largest": logits(1).detach()})
    assert InPlaceDistillation(teacher="median")(forward) is None


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy(smoothing: float) -> None:
    output = logits(0)
    one_hot = F.one_hot(TARGET, 3) * (1 - smoothing) + smoothing / 3
    expected = -(one_hot * output.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(CrossEntropy(smoothing)(Forward(output, TARGET, "any", {})), expected)


def test_terms_apply_to_their_roles_and_are_added() -> None:
    objective: list[LossTerm] = [CrossEntropy(roles=["largest"]), CrossEntropy(), InPlaceDistillation()]
    output, earlier = logits(0), {"largest": logits(1).detach()}
    plain = F.cross_entropy(output, TARGET)
    torch.testing.assert_close(total_loss(objective, Forward(output, TARGET, "largest", {})), 2 * plain)
    distilled = F.cross_entropy(output, earlier["largest"].softmax(1))
    torch.testing.assert_close(total_loss(objective, Forward(output, TARGET, "random", earlier)), plain + distilled)


def test_an_objective_without_an_applicable_term_is_refused() -> None:
    objective: list[LossTerm] = [CrossEntropy(roles=["largest"]), InPlaceDistillation()]
    with pytest.raises(UsageError, match="no term of the objective applies to the path with role 'smallest'"):
        total_loss(objective, Forward(logits(0), TARGET, "smallest", {}))


def test_a_weight_scales_the_cross_entropy() -> None:
    output = logits(0)
    expected = 0.1 * F.cross_entropy(output, TARGET)
    torch.testing.assert_close(CrossEntropy(weight=0.1)(Forward(output, TARGET, "any", {})), expected)


IMAGES = torch.randn(4, 5, generator=torch.Generator().manual_seed(9), dtype=torch.float64)


def linear(seed: int) -> nn.Linear:
    layer = nn.Linear(5, 3, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(logits(seed, 3, 5))
    return layer


def test_a_trained_teacher_teaches_by_the_divergence_of_softened_outputs() -> None:
    teacher, student = nn.Sequential(linear(0), nn.Dropout(0.5)).eval(), logits(1)
    forward = Forward(student, TARGET, "any", {}, IMAGES)
    term = Distillation(teacher, TASK, temperature=4, share=0.9)(forward)
    p, q = (teacher(IMAGES) / 4).softmax(1).detach(), (student / 4).softmax(1)
    torch.testing.assert_close(term, 0.9 * 16 * (p * (p / q).log()).sum(1).mean())
    assert term is not None
    term.backward()
    assert all(parameter.grad is None for parameter in teacher.parameters()) and student.grad is not None
    torch.testing.assert_close(student.grad, 0.9 * 4 * (q - p).detach() / 4)
    assert Distillation(teacher, TASK, roles=["other"])(forward) is None


def test_a_share_of_zero_is_the_cross_entropy() -> None:
    forward = Forward(logits(1), TARGET, "any", {}, IMAGES)
    together = total_loss([CrossEntropy(), Distillation(linear(0).eval(), TASK, share=0)], forward)
    alone = total_loss([CrossEntropy()], forward)
    assert torch.equal(together, alone)
    assert torch.equal(torch.autograd.grad(together, forward.output)[0], torch.autograd.grad(alone, forward.output)[0])


def test_a_teacher_teaches_nothing_to_itself() -> None:
    teacher, student = linear(0).eval(), linear(0)
    student.load_state_dict(teacher.state_dict())
    output = student(IMAGES)
    term = Distillation(teacher, TASK)(Forward(output, TARGET, "any", {}, IMAGES))
    assert term is not None and term.detach().abs() < 1e-12
    torch.testing.assert_close(torch.autograd.grad(term, output)[0], torch.zeros_like(output))


def test_a_teacher_in_training_mode_is_refused() -> None:
    with pytest.raises(UsageError, match=r"the teacher, a Linear, is in training mode.*call teacher\.eval"):
        Distillation(linear(0), TASK)


def test_the_entropy_is_summed_over_decisions() -> None:
    a, b = torch.full((4,), 0.25).requires_grad_(), torch.tensor([0.5, 0.5, 0.0]).requires_grad_()
    forward = Forward(logits(0), TARGET, "architecture", {}, None, {"a": a, "b": b})
    term = Entropy(weight=2)(forward)
    assert term is not None and term.item() == pytest.approx(2 * math.log(8))
    for gradient in torch.autograd.grad(term, (a, b)):
        assert gradient.isfinite().all(), "also where a probability is zero"
    assert Entropy(weight=2)(Forward(logits(0), TARGET, "weights", {}, None, {"a": a})) is None
    assert Entropy(weight=2, roles=None)(Forward(logits(0), TARGET, "random", {})) is None, "a discrete path has none"


def test_descending_the_entropy_sharpens_a_decision() -> None:
    alpha = torch.tensor([0.3, 0.1, 0.0], requires_grad=True)
    probabilities = alpha.softmax(0)
    term = Entropy(weight=1)(Forward(logits(0), TARGET, "architecture", {}, None, {"a": probabilities}))
    assert term is not None
    term.backward()
    assert alpha.grad is not None and (alpha - alpha.grad).softmax(0).max() > probabilities.max()
