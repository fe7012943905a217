"""The largest network of a moment, which teaches from then on."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from nas.problem import Problem
from nas.training import Context, Forward, Listener

__all__ = ["FrozenTeacher"]


class FrozenTeacher(Listener):
    """How far a pass is from what the largest network says, as it was when the first phase with this term began; for
    classes the Kullback-Leibler divergence (once-for-all, Cai et al., 2020).

    It is in evaluation mode, and a part of the state of the training.

    Args:
        problem: whose supernet trains.

    Attributes:
        network: the teacher, plain.
    """

    def __init__(self, problem: Problem) -> None:
        self.supernet, self.task = problem.supernet, problem.task
        self.network = self._largest()
        self._is_taken = False
        self._said: tuple[Tensor | None, Tensor] = (None, torch.empty(0))

    def __call__(self, forward: Forward) -> Tensor | None:
        if self._said[0] is not forward.input:
            with torch.no_grad():
                self._said = forward.input, self.task.taught(self.network(forward.input), 1.0)
        return self.task.divergence(forward.output, self._said[1], 1.0)

    def begin(self, context: Context) -> None:
        if not self._is_taken:
            self.restore(self._largest().state_dict())

    def state(self) -> dict[str, Tensor]:
        """Its weights and statistics; nothing before it was taken."""
        return dict(self.network.state_dict()) if self._is_taken else {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Takes what :meth:`state` gave."""
        self._is_taken = bool(state)
        if state:
            self.network.load_state_dict(dict(state))

    def _largest(self) -> nn.Module:
        return self.supernet.extract(self.supernet.space.largest()).eval()
