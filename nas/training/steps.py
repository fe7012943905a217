"""What one step does to the gradients: all paths of a supernet, or one plain network."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nas.errors import UsageError
from nas.nn.channels import Region
from nas.supernet import Supernet
from nas.training.feedback import Feedback
from nas.training.microbatches import WHOLE, Microbatches
from nas.training.objectives import Forward, LossTerm
from nas.training.paths import Path, PathSampler

__all__ = ["Backward", "PlainStep", "Step", "SupernetStep", "total_loss"]

Backward = Callable[[Tensor], None]

_WEIGHTS = 0
"""The random numbers of the weights' passes, beside other passes of the same step."""


class Step:
    """Fills the gradients of a model for one batch; to be extended by what each microbatch does, and what is done once.

    Attributes:
        model: whose gradients they are.
        microbatches: how batches are cut; not at all by default.
    """

    model: nn.Module
    microbatches: Microbatches = WHOLE

    def __call__(self, step: int, x: Tensor, y: Tensor, backward: Backward) -> dict[str, Tensor]:
        """The detached losses by role, averaged over microbatches and processes, as are the gradients in the model.

        Args:
            step: number of the step over the whole training.
            x: images ``[N, C, H, W]``, or tokens ``[N, L]``.
            y: labels ``[N]``, or the next tokens ``[N, L]``.
            backward: called with each loss.
        """
        cut = self.microbatches
        cut.draw_anew(step)
        learnt = self.before(step, x, y)
        parts = cut.of(self.model, (step, _WEIGHTS), x, y)
        found = [self.run(step, images, labels, backward) for images, labels in parts]
        losses = {role: torch.stack([each[role] for each in found]).mean() for role in found[0]}
        cut.ranks.average([*(p.grad for p in self.model.parameters() if p.grad is not None), *losses.values()])
        self.after(step)
        return {**learnt, **losses}

    def before(self, step: int, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """What happens once, before the microbatches; the losses of what learns by itself.

        Args:
            step: number of the step over the whole training.
            x, y: the whole batch.
        """
        return {}

    def run(self, step: int, x: Tensor, y: Tensor, backward: Backward) -> dict[str, Tensor]:
        """The detached losses of a microbatch by role; their gradients are added to those in the model's parameters.

        Args:
            step: number of the step over the whole training.
            x, y: the microbatch.
            backward: called with each loss.
        """
        raise TypeError(f"{type(self).__name__} must define run()")

    def after(self, step: int) -> None:
        """What happens once, when the gradients are there and before the optimiser moves.

        Args:
            step: number of the step over the whole training.
        """

    def begin(self, optimizer: torch.optim.Optimizer, microbatches: Microbatches = WHOLE) -> None:
        """Told the optimiser of the model's parameters, and how batches are cut, before the first step."""
        self.microbatches = microbatches

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

    Attributes:
        only: the banks whose paths are run, all by default; paths of the others are left to other processes.
    """

    only: Collection[int] | None = None

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

    def before(self, step: int, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Draws the paths."""
        for each in self.feedback:
            each.before_step(step)
        drawn = list(self.paths.draw(step))
        self._drawn = drawn if self.only is None else self._left_to_us(drawn, self.only)
        return {}

    def run(self, step: int, x: Tensor, y: Tensor, backward: Backward) -> dict[str, Tensor]:
        """The detached loss by role, averaged over the paths of a role."""
        earlier: dict[str, Tensor] = {}
        losses: dict[str, list[Tensor]] = {}
        for path in self._drawn:
            self._activate(path)
            output = self.model(x)
            loss = total_loss(self.objective, Forward(output, y, path.role, earlier, x))
            backward(loss)
            earlier[path.role] = output.detach()
            losses.setdefault(path.role, []).append(loss.detach())
        return {role: torch.stack(values).mean() for role, values in losses.items()}

    def after(self, step: int) -> None:
        for path in self._drawn:
            if (bank := self._bank_of(path)) is not None:
                self._trained[bank] += 1
        for each in self.feedback:
            each.after_step(step, self._drawn)

    def begin(self, optimizer: torch.optim.Optimizer, microbatches: Microbatches = WHOLE) -> None:
        super().begin(optimizer, microbatches)
        for each in self.feedback:
            each.begin(optimizer, microbatches.ranks)

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

    def _left_to_us(self, drawn: Sequence[Path], banks: Collection[int]) -> list[Path]:
        """Those of some banks; several paths would be clipped together, so that banks depend on each other."""
        if len(drawn) > 1:
            raise UsageError(
                f"a step trains {len(drawn)} paths, so banks cannot be trained apart from each other; draw one path."
            )
        return [path for path in drawn if self._bank_of(path) in banks]

    def _bank_of(self, path: Path) -> int | None:
        return self.model.sharing.bank_of(path.architecture) if path.bank is None else path.bank

    def _activate(self, path: Path) -> None:
        self.model.activate(path.architecture, path.bank)


class PlainStep(Step):
    """One forward and backward pass of an ordinary network."""

    def __init__(self, network: nn.Module, objective: Sequence[LossTerm]) -> None:
        self.model, self.objective = network, objective

    def run(self, step: int, x: Tensor, y: Tensor, backward: Backward) -> dict[str, Tensor]:
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
