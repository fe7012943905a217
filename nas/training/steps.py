"""What one step does to the gradients: all paths of a supernet, or one plain network."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nas.errors import UsageError
from nas.nn.channels import Region
from nas.supernet import Supernet
from nas.training.feedback import Feedback
from nas.training.objectives import Forward, LossTerm
from nas.training.paths import Path, PathSampler

__all__ = ["Backward", "PlainStep", "Step", "SupernetStep", "total_loss"]

Backward = Callable[[Tensor], None]


class Step:
    """Fills the gradients of a model for one batch; to be extended."""

    model: nn.Module

    def __call__(self, step: int, x: Tensor, y: Tensor, backward: Backward) -> dict[str, Tensor]:
        """The detached losses by role; their gradients are in the model's parameters.

        Args:
            step: number of the step over the whole training.
            x: images ``[N, C, H, W]``, or tokens ``[N, L]``.
            y: labels ``[N]``, or the next tokens ``[N, L]``.
            backward: called with each loss.
        """
        raise TypeError(f"{type(self).__name__} must define __call__()")

    def begin(self, optimizer: torch.optim.Optimizer) -> None:
        """Told the optimiser of the model's parameters before the first step."""

    def used_regions(self) -> Iterable[tuple[nn.Parameter, Region]]:
        """The parts of the parameters that the last step used: all of every parameter."""
        return ((parameter, ()) for parameter in self.model.parameters())

    def state(self) -> dict[str, Tensor]:
        """What training must remember beside model and optimiser, for checkpoints."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Takes what :meth:`state` gave."""

    def record(self) -> dict[str, Any]:
        """JSON values worth logging after an epoch."""
        return {}


class SupernetStep(Step):
    """Runs every path of the step and adds up their gradients.

    Args:
        supernet: in training mode.
        paths: which architectures each step trains.
        objective: loss terms, added up for each path.
        feedback: what the sharing scheme of the supernet learns from on the way.
    """

    def __init__(
        self,
        supernet: Supernet,
        paths: PathSampler,
        objective: Sequence[LossTerm],
        feedback: Sequence[Feedback] = (),
    ) -> None:
        self.model: Supernet = supernet
        self.paths, self.objective, self.feedback = paths, objective, feedback
        self._drawn: list[Path] = []
        self._trained = [0] * supernet.sharing.banks

    def __call__(self, step: int, x: Tensor, y: Tensor, backward: Backward) -> dict[str, Tensor]:
        """The detached loss by role, averaged over the paths of a role."""
        earlier: dict[str, Tensor] = {}
        losses: dict[str, list[Tensor]] = {}
        for each in self.feedback:
            each.before_step(step)
        self._drawn = list(self.paths.draw(step))
        for path in self._drawn:
            self._activate(path)
            output = self.model(x)
            loss = total_loss(self.objective, Forward(output, y, path.role, earlier, x))
            backward(loss)
            earlier[path.role] = output.detach()
            losses.setdefault(path.role, []).append(loss.detach())
            if self.model.bank is not None:
                self._trained[self.model.bank] += 1
        for each in self.feedback:
            each.after_step(step, self._drawn)
        return {role: torch.stack(values).mean() for role, values in losses.items()}

    def begin(self, optimizer: torch.optim.Optimizer) -> None:
        for each in self.feedback:
            each.begin(optimizer)

    def used_regions(self) -> Iterator[tuple[nn.Parameter, Region]]:
        """The parts of the parameters that the paths of the last step ran."""
        for path in self._drawn:
            self._activate(path)
            yield from self.model.active_regions()

    def record(self) -> dict[str, Any]:
        """How many paths of the epoch trained each bank, where there are several; and what is learnt about them."""
        trained, self._trained = self._trained, [0] * len(self._trained)
        found = {"paths_by_bank": trained} if any(trained) else {}
        return {**found, **{name: value for each in self.feedback for name, value in each.record().items()}}

    def _activate(self, path: Path) -> None:
        self.model.activate(path.architecture, path.bank)


class PlainStep(Step):
    """One forward and backward pass of an ordinary network."""

    def __init__(self, network: nn.Module, objective: Sequence[LossTerm]) -> None:
        self.model, self.objective = network, objective

    def __call__(self, step: int, x: Tensor, y: Tensor, backward: Backward) -> dict[str, Tensor]:
        loss = total_loss(self.objective, Forward(self.model(x), y, "network", {}, x))
        backward(loss)
        return {"network": loss.detach()}


def total_loss(objective: Sequence[LossTerm], forward: Forward) -> Tensor:
    """The sum of the terms that apply to a pass.

    Raises:
        UsageError: none applies, so the pass would train nothing.
    """
    terms = [value for term in objective if (value := term(forward)) is not None]
    if not terms:
        raise UsageError(
            f"no term of the objective applies to the path with role '{forward.role}', so it would train nothing; "
            "add a term, or a role to one."
        )
    return torch.stack(terms).sum()
