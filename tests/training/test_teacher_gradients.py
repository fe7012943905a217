"""In-place distillation inside a step: the teacher runs first and learns from labels alone."""

import torch
import torch.nn.functional as F
from tiny import CLASSES, elastic, take

from nas.space import Architecture
from nas.training import Context, CrossEntropy, InPlaceDistillation, LossTerm, Path, SupernetStep


class Pair:
    """A teacher and one student."""

    def __init__(self, teacher: Architecture, student: Architecture) -> None:
        self.paths = [Path(teacher, "largest"), Path(student, "random")]

    def draw(self, context: Context) -> list[Path]:
        return self.paths


def test_no_gradient_flows_into_the_teacher() -> None:
    supernet = elastic().double().eval()
    x, y = torch.randn(8, 1, 6, 6, dtype=torch.float64), torch.arange(8) % CLASSES
    teacher, student = supernet.space.largest(), supernet.space.smallest()
    supernet.activate(teacher)
    output = supernet(x)
    soft = output.detach().softmax(1)
    torch.autograd.backward(F.cross_entropy(output, y))
    supernet.activate(student)
    torch.autograd.backward(F.cross_entropy(supernet(x), soft))
    expected = {name: parameter.grad for name, parameter in supernet.named_parameters()}
    supernet.zero_grad()
    objective: list[LossTerm] = [CrossEntropy(roles=["largest"]), InPlaceDistillation()]
    take(SupernetStep(supernet, Pair(teacher, student), objective), 0, x, y)
    for name, parameter in supernet.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name])
