"""Our tasks keep to what every task must do, and teach as paper and pencil say."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nas.tasks import Classification, Forward, Language, MultiLabel, Regression, Task
from nas.testing import TaskSuite

N, K = 60, 3


def drawn() -> torch.Generator:
    return torch.Generator().manual_seed(0)


class ShippedTaskSuite(TaskSuite):
    def predicts(self, output: Tensor) -> Tensor:
        """What the gradient of distillation is the difference of."""
        return output.softmax(1)

    def test_distillation_in_place_has_the_gradient_that_paper_and_pencil_give(self) -> None:
        student, teacher = self._guess(1).double().requires_grad_(), self._guess(2).double()
        term = self.make().distillation()(Forward(student, self.targets(), "random", {"largest": teacher}))
        assert term is not None
        (gradient,) = torch.autograd.grad(term, student)
        averaged = student.numel() / (K if isinstance(self, TestClassification) else 1)
        torch.testing.assert_close(gradient, (self.predicts(student) - self.predicts(teacher)).detach() / averaged)

    def test_copies_of_one_example_widen_the_interval(self) -> None:
        name, widths = self.make().metric.name, []
        for groups in (None, np.repeat(np.arange(N), 4)):
            tally = self.make().tally(groups)
            tally.add(self._guess(1).repeat_interleave(4, 0), self.targets().repeat_interleave(4, 0))
            found = tally.metrics()
            widths.append(found[f"{name}_high"] - found[f"{name}_low"])
        assert widths[1] > 1.5 * widths[0]

    def test_an_answer_is_a_class_or_the_numbers(self) -> None:
        told, output = self.make().describe(), self._guess(1)[:1].numpy()
        said = eval(self.make().answer.format(output="output"), {"output": output, "numpy": np, **told})
        assert isinstance(said, str) if "classes" in told else said.shape == output.shape[1:]


class TestClassification(ShippedTaskSuite):
    def make(self) -> Task:
        return Classification("abc")

    def targets(self) -> Tensor:
        return torch.arange(N) % K

    def right(self, targets: Tensor) -> Tensor:
        return 20 * F.one_hot(targets, K).movedim(-1, 1).float()


class TestLanguage(TestClassification):
    test_copies_of_one_example_widen_the_interval = None  # windows are no copies

    def make(self) -> Task:
        return Language(tuple("abc"))

    def targets(self) -> Tensor:
        return torch.randint(0, K, (N, 5), generator=drawn())


class TestRegression(ShippedTaskSuite):
    make = Regression

    def targets(self) -> Tensor:
        return torch.randn(N, K, generator=drawn())

    def right(self, targets: Tensor) -> Tensor:
        return targets

    def predicts(self, output: Tensor) -> Tensor:
        return 2 * output


class TestOneNumber(TestRegression):
    def make(self) -> Task:
        return Regression(["price"])

    def targets(self) -> Tensor:
        return torch.randn(N, 1, generator=drawn())


class TestMultiLabel(ShippedTaskSuite):
    make = MultiLabel

    def targets(self) -> Tensor:
        return (torch.rand(N, K, generator=drawn()) < 0.4).float()

    def right(self, targets: Tensor) -> Tensor:
        return 20 * targets - 10

    def predicts(self, output: Tensor) -> Tensor:
        return output.sigmoid()


def test_nobody_is_taught_by_another_role_than_the_teacher() -> None:
    suite = TestRegression()
    term = suite.make().distillation("median")
    assert term(Forward(suite._guess(1), suite.targets(), "x", {"largest": suite._guess(2)})) is None
