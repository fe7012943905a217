"""Loss terms: identities of distillation, roles, and an objective that trains nothing."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nas.errors import UsageError
from nas.training import CrossEntropy, Forward, InPlaceDistillation, LossTerm
from nas.training.steps import total_loss

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
