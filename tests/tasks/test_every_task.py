"""What every task must keep to, those that ship and one that a user wrote."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nas.tasks import Classification, Forward, Language, MultiLabel, Regression, Task

N, K, LENGTH = 60, 3, 5


@dataclass(frozen=True)
class Case:
    """A task with examples: targets as a split gives them, and outputs of some network."""

    task: Task
    targets: Tensor
    output_shape: tuple[int, ...]

    def outputs(self, seed: int, examples: int = N) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(examples, *self.output_shape, generator=generator, dtype=torch.double)


DRAWS = torch.Generator().manual_seed(0)
CASES = {
    "classification": Case(Classification("abc"), torch.arange(N) % K, (K,)),
    "language": Case(Language(tuple("abc")), torch.randint(0, K, (N, LENGTH), generator=DRAWS), (K, LENGTH)),
    "regression": Case(Regression(), torch.randn(N, K, generator=DRAWS), (K,)),
    "one number": Case(Regression(["price"]), torch.randn(N, 1, generator=DRAWS), (1,)),
    "multi-label": Case(MultiLabel(), (torch.rand(N, K, generator=DRAWS) < 0.4).float(), (K,)),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def close(target: Tensor, task: Task) -> Tensor:
    """Outputs that say the targets."""
    if isinstance(task, Regression):
        return target.double()
    if isinstance(task, MultiLabel):
        return 20 * target.double() - 10
    return 20 * F.one_hot(target, K).movedim(-1, 1).double()


def told(case: Case, output: Tensor, **how: Any) -> Tensor:
    target = case.targets.double() if case.targets.is_floating_point() else case.targets
    loss = case.task.loss(**how)(Forward(output, target, "largest", {}))
    assert loss is not None
    return loss


def test_the_output_has_the_shape_that_the_task_says(case: Case) -> None:
    assert case.task.output_shape(tuple(case.targets.shape[1:])) == case.output_shape


def test_targets_pass_their_own_check_and_are_left_as_they_are(case: Case) -> None:
    checked = case.task.check_targets(case.targets.numpy(), N, "it")
    assert torch.equal(checked, case.targets) and checked.dtype == case.targets.dtype


def test_the_loss_is_least_where_the_output_is_right(case: Case) -> None:
    assert told(case, close(case.targets, case.task)) < 0.01 < told(case, case.outputs(1))


def test_the_loss_keeps_to_roles_and_weights_it(case: Case) -> None:
    output = case.outputs(1)
    assert told(case, output, weight=0.25) == pytest.approx(told(case, output).item() / 4)
    assert told(case, output, roles=["largest"]) == told(case, output)
    assert case.task.loss(roles=["other"])(Forward(output, case.targets, "largest", {})) is None


def test_nobody_is_taught_before_the_teacher_ran(case: Case) -> None:
    term = case.task.distillation()
    assert term(Forward(case.outputs(1), case.targets, "largest", {})) is None
    assert (
        case.task.distillation("median")(Forward(case.outputs(1), case.targets, "x", {"largest": case.outputs(2)}))
        is None
    )


def test_distillation_in_place_has_the_gradient_that_paper_and_pencil_give(case: Case) -> None:
    student, teacher = case.outputs(1).requires_grad_(), case.outputs(2)
    term = case.task.distillation()(Forward(student, case.targets, "random", {"largest": teacher}))
    assert term is not None
    (gradient,) = torch.autograd.grad(term, student)
    predictions: dict[str, Callable[[Tensor], Tensor]] = {
        "regression": lambda output: 2 * output,
        "multi-label": torch.sigmoid,
    }
    predict = predictions.get(case.task.name, lambda output: output.softmax(1))
    averaged = N * (LENGTH if case.task.name == "language" else 1)
    averaged *= case.output_shape[0] if case.task.name in predictions else 1
    torch.testing.assert_close(gradient, (predict(student) - predict(teacher)).detach() / averaged)


def test_a_student_who_says_the_same_learns_nothing_from_its_teacher(case: Case) -> None:
    for temperature in (1.0, 4.0):
        student, teacher = case.outputs(1).requires_grad_(), case.outputs(1)
        divergence = case.task.divergence(student, case.task.taught(teacher, temperature), temperature)
        (gradient,) = torch.autograd.grad(divergence, student)
        assert divergence.item() == pytest.approx(0, abs=1e-9)
        torch.testing.assert_close(gradient, torch.zeros_like(gradient))
        other = case.task.divergence(student, case.task.taught(case.outputs(2), temperature), temperature)
        assert other.item() > 0.01


def test_a_tally_in_parts_is_that_of_all_at_once(case: Case) -> None:
    output, target = case.outputs(1).float(), case.targets
    whole, parts = case.task.tally(), case.task.tally()
    whole.add(output, target)
    for chosen in torch.split(torch.arange(N), 7):
        parts.add(output[chosen], target[chosen])
    assert parts.metrics() == pytest.approx(whole.metrics(), rel=1e-6)
    assert parts.score == pytest.approx(whole.score)
    np.testing.assert_allclose(parts.results, whole.results, rtol=1e-6)
    assert len(whole.results) == N


def test_a_tally_gives_the_columns_of_the_task_and_an_interval_around_the_metric(case: Case) -> None:
    tally = case.task.tally()
    tally.add(case.outputs(1).float(), case.targets)
    found, name = tally.metrics(), case.task.metric.name
    assert list(found) == case.task.columns and case.task.figures[0] == name
    assert found[f"{name}_low"] < found[name] < found[f"{name}_high"]


def test_the_better_network_is_told_by_metric_results_and_score(case: Case) -> None:
    better, worse = case.task.tally(), case.task.tally()
    noise = case.outputs(1)
    better.add(close(case.targets, case.task).float() + 0.1 * noise.float(), case.targets)
    worse.add(noise.float(), case.targets)
    sign = 1 if case.task.metric.maximise else -1
    name = case.task.metric.name
    assert sign * better.metrics()[name] > sign * worse.metrics()[name]
    assert sign * better.results.mean() > sign * worse.results.mean()
    assert 1 >= better.score > worse.score >= 0


def test_copies_of_one_example_widen_the_interval(case: Case) -> None:
    if case.task.name == "language":
        pytest.skip("windows are no copies")
    groups, name = np.repeat(np.arange(N), 4), case.task.metric.name
    widths = []
    for each in (None, groups):
        tally = case.task.tally(each)
        tally.add(case.outputs(1).float().repeat_interleave(4, 0), case.targets.repeat_interleave(4, 0))
        found = tally.metrics()
        widths.append(found[f"{name}_high"] - found[f"{name}_low"])
    assert widths[1] > 1.5 * widths[0]


def test_a_network_agrees_with_itself_and_not_with_another(case: Case) -> None:
    ours, theirs = case.outputs(1).numpy(), case.outputs(2).numpy()
    assert case.task.agree(ours + 1e-6, ours).all()
    assert case.task.agree(theirs, ours).mean() < 0.7


def test_names_and_answers_are_plain_values(case: Case) -> None:
    told = case.task.describe()
    assert all(isinstance(value, str | list) for value in told.values())
    output = case.outputs(1, examples=1).numpy()
    said = eval(case.task.answer.format(output="output"), {"output": output, "numpy": np, **told})
    assert isinstance(said, str) if "classes" in told else said.shape == case.output_shape
    assert "3" in case.task.outputs(3)
