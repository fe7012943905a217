"""A supernet that learns from its own past."""

from collections import deque
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call

from nas.errors import UsageError
from nas.tasks import Forward, Task
from nas.tasks.losses import applies
from nas.training.context import Context
from nas.training.listener import Listener

__all__ = ["Gated", "SelfDistillation"]


class Gated(Protocol):
    """What sets the gates of the model, such as :class:`nas.supernet.Relaxed`."""

    def probabilities(self) -> Mapping[str, Tensor]:
        """How likely each option of a decision is, by name."""

    def showing(self, probabilities: Mapping[str, Tensor]) -> AbstractContextManager[None]:
        """Makes the model follow these as gates; on leaving, what it followed before."""


@dataclass(frozen=True, eq=False)
class _Snapshot:
    """Detached copies of a model's parameters and buffers, and of the probabilities of its options."""

    model: dict[str, Tensor]
    probabilities: dict[str, Tensor]


class SelfDistillation(Listener):
    """``weight`` times the divergence from what the model's earlier versions vote for, p (SD-DARTS, Zhu et al., 2023);
    for classes ``T^2 * KL(p || softmax(output / T))``.

    Known to us is the abstract alone, so everything but the idea is a reconstruction: how many versions vote, how far
    apart they are, how votes are counted, and that weights learn from them. Teachers run in the mode of the model, so
    in training their batch norm takes the statistics of the batch, as the student's does.

    Args:
        model: what is trained.
        task: which says what outputs mean, and how far they are apart.
        every: steps between snapshots; the first is taken after so many steps, and there is no such loss before.
        gated: sets the gates of the model, so that each teacher follows the probabilities of its time; None where
            teachers run what the student runs.
        snapshots: how many versions teach; the oldest is dropped.
        temperature: ``T``.
        weight: factor.
        vote: "mean" of what teachers say, such as probabilities, or "majority", the share of teachers for a class.
        roles: the roles that learn from it; None for all.

    Raises:
        UsageError: ``snapshots`` or ``every`` is below one.
    """

    def __init__(
        self,
        model: nn.Module,
        task: Task,
        every: int,
        gated: Gated | None = None,
        *,
        snapshots: int = 3,
        temperature: float = 2.0,
        weight: float = 1.0,
        vote: Literal["mean", "majority"] = "mean",
        roles: Collection[str] | None = ("weights",),
    ) -> None:
        if min(snapshots, every) < 1:
            raise UsageError(f"SelfDistillation got snapshots={snapshots} and every={every}; both must be 1 or more.")
        self.model, self.task, self.every, self.gated = model, task, every, gated
        self.temperature, self.weight, self.roles = temperature, weight, roles
        self.vote = vote
        self._ring: deque[_Snapshot] = deque(maxlen=snapshots)

    def __call__(self, forward: Forward) -> Tensor | None:
        if not self._ring or not applies(self.roles, forward):
            return None
        votes = torch.stack([self._vote(self._teach(each, forward)) for each in self._ring])
        return self.weight * self.task.divergence(forward.output, votes.mean(0), self.temperature)

    def before_step(self, context: Context) -> None:
        """Takes a snapshot of the model if one is due."""
        if context.step and context.step % self.every == 0:
            probabilities = self.gated.probabilities() if self.gated else {}
            self._ring.append(_Snapshot(_copies(self.model.state_dict()), _copies(probabilities)))

    def state(self) -> dict[str, Tensor]:
        """The snapshots, the oldest first."""
        return {
            f"{number}/{part}/{name}": value
            for number, snapshot in enumerate(self._ring)
            for part, values in vars(snapshot).items()
            for name, value in values.items()
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Takes what :meth:`state` gave."""
        device = next(self.model.parameters()).device
        found: dict[int, _Snapshot] = {}
        for key, value in state.items():
            number, part, name = key.split("/", 2)
            snapshot = found.setdefault(int(number), _Snapshot({}, {}))
            vars(snapshot)[part][name] = value.to(device, copy=True)
        self._ring.clear()
        self._ring.extend(found[number] for number in sorted(found))

    def _vote(self, output: Tensor) -> Tensor:
        return self.task.taught(output, self.temperature) if self.vote == "mean" else self.task.votes(output)

    @torch.no_grad()
    def _teach(self, snapshot: _Snapshot, forward: Forward) -> Tensor:
        """The logits of an earlier version, which leaves no trace: not in its copy, into which batch norm writes its
        running statistics, nor in the generator, from which dropout draws."""
        with torch.random.fork_rng(), self.gated.showing(snapshot.probabilities) if self.gated else nullcontext():
            output: Tensor = functional_call(self.model, _copies(snapshot.model), (forward.input,))
        return output


def _copies(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}
