"""What every task must do."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nas.tasks import Forward, Tally, Task

__all__ = ["TaskSuite"]


class TaskSuite:
    """Tests of a :class:`nas.tasks.Task`.

    >>> from nas.tasks import Regression
    >>> class TestRegression(TaskSuite):
    ...     make = Regression
    ...     def targets(self):
    ...         return torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
    ...     def right(self, targets):
    ...         return targets

    Attributes:
        make: the task.
        targets: of about sixty examples, as :meth:`~nas.tasks.Task.check_targets` gives them, the same each time.
        right: outputs of a network that is nearly sure of the targets.
    """

    make: Callable[[], Task]
    targets: Callable[[], Tensor]
    right: Callable[[Tensor], Tensor]

    def test_targets_pass_their_own_check_and_say_the_shape_of_the_output(self) -> None:
        """They are checked wherever data are read, perhaps twice; a space makes its last layer of that shape."""
        task, targets = self.make(), self.targets()
        checked = task.check_targets(targets.numpy(), len(targets), "it")
        assert torch.equal(checked, targets) and checked.dtype == targets.dtype
        assert task.output_shape(tuple(targets.shape[1:])) == tuple(self.right(targets).shape[1:])

    def test_the_loss_falls_as_outputs_get_better(self) -> None:
        """All the way from a guess to what is right, so that following its gradient teaches the task."""
        right, guess = self.right(self.targets()), self._guess(1)
        losses = [self._loss(guess + share * (right - guess)).item() for share in (0.0, 0.5, 1.0)]
        assert losses[0] > losses[1] > losses[2]

    def test_the_loss_keeps_to_roles_and_weighs_them(self) -> None:
        """Methods say by role who learns from targets and who from a teacher."""
        output = self._guess(1)
        torch.testing.assert_close(self._loss(output, roles=["largest"], weight=0.25), self._loss(output) / 4)
        assert self.make().loss(roles=["other"])(Forward(output, self.targets(), "largest", {})) is None

    def test_who_says_what_the_teacher_says_learns_nothing(self) -> None:
        """In-place distillation (Yu and Huang, 2019), and none before the teacher ran."""
        student, term = self._guess(1).requires_grad_(), self.make().distillation()
        assert term(Forward(student, self.targets(), "largest", {})) is None
        for teacher, learns in ((student.detach(), False), (self._guess(2), True)):
            loss = term(Forward(student, self.targets(), "random", {"largest": teacher}))
            assert loss is not None
            (gradient,) = torch.autograd.grad(loss, student)
            assert bool(gradient.abs().max() > 1e-4) is learns

    def test_the_divergence_from_oneself_is_zero_and_from_another_more(self) -> None:
        """At any temperature (Hinton et al., 2015)."""
        task = self.make()
        for temperature in (1.0, 4.0):
            student = self._guess(1).requires_grad_()
            own = task.divergence(student, task.taught(student.detach(), temperature), temperature)
            (gradient,) = torch.autograd.grad(own, student)
            assert own.abs() < 1e-6 and gradient.abs().max() < 1e-6
            assert task.divergence(student, task.taught(self._guess(2), temperature), temperature) > 0.01

    def test_a_tally_depends_neither_on_batches_nor_on_their_order(self) -> None:
        """Batches may be of any size, and networks are compared example by example; bounds may be drawn by position."""
        output, targets, kept = self._guess(1), self.targets(), torch.arange(len(self.targets()))
        whole = self._tally(output)
        assert len(whole.results) == len(targets)
        for order in (kept, kept.flip(0)):
            parts = self.make().tally()
            for chosen in torch.split(order, 7):
                parts.add(output[chosen], targets[chosen])
            for name, value in whole.metrics().items():
                if order is kept or not name.endswith(("_low", "_high")):
                    np.testing.assert_allclose(parts.metrics()[name], value, rtol=1e-5, err_msg=name)
            np.testing.assert_allclose(parts.score, whole.score, rtol=1e-5)
            np.testing.assert_allclose(parts.results, whole.results[order.numpy()], rtol=1e-5)

    def test_a_tally_has_the_columns_of_the_task_and_an_interval_that_holds_the_metric(self) -> None:
        """Tables, constraints and the report are made of these columns."""
        task, found = self.make(), self._tally(self._guess(1)).metrics()
        name = task.metric.name
        assert list(found) == task.columns and np.isfinite(list(found.values())).all()
        assert found[f"{name}_low"] < found[name] < found[f"{name}_high"]

    def test_the_better_network_is_better_by_metric_results_and_score(self) -> None:
        """The metric says which direction is good; results follow it, and more of the score is better."""
        guess, metric = self._guess(1), self.make().metric
        better, worse = self._tally(self.right(self.targets()) + 0.1 * guess), self._tally(guess)
        sign = 1 if metric.maximise else -1
        assert sign * better.metrics()[metric.name] > sign * worse.metrics()[metric.name]
        assert sign * better.results.mean() > sign * worse.results.mean()
        assert 1 >= better.score > worse.score >= 0

    def test_a_network_agrees_with_itself_and_not_with_another(self) -> None:
        """By this an exported file is compared with its network, whose numbers differ in the last digits."""
        task, ours, theirs = self.make(), self._guess(1).numpy(), self._guess(2).numpy()
        assert task.agree(ours + 1e-6, ours).all()
        assert task.agree(theirs, ours).mean() < 0.7

    def test_what_is_written_beside_the_network_is_plain(self) -> None:
        """JSON tells it, and the Python of :attr:`~nas.tasks.Task.answer` reads an output with it."""
        task = self.make()
        told = task.describe()
        assert all(isinstance(value, str | list) for value in told.values())
        eval(task.answer.format(output="output"), {"output": self._guess(1)[:1].numpy(), "numpy": np, **told})
        assert "3" in task.outputs(3)

    def _guess(self, seed: int) -> Tensor:
        """Outputs of a network that knows nothing."""
        return torch.randn(self.right(self.targets()).shape, generator=torch.Generator().manual_seed(seed))

    def _loss(self, output: Tensor, **options: Any) -> Tensor:
        loss = self.make().loss(**options)(Forward(output, self.targets(), "largest", {}))
        assert loss is not None
        return loss

    def _tally(self, output: Tensor) -> Tally:
        tally = self.make().tally()
        tally.add(output, self.targets())
        return tally
