"""A training in phases: what differs between them, and which epochs are whose."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from torch import Tensor, nn

from nas.data import Augment, Split
from nas.errors import UsageError
from nas.training.context import Context
from nas.training.listener import Listener
from nas.training.recipe import Recipe
from nas.training.steps import Backward, Step
from nas.wording import counted

__all__ = ["Phase", "Span", "restore_all", "spans", "state_of_all", "total_epochs"]

_LISTENER = "listener"


@dataclass(frozen=True, eq=False)
class Phase:
    """Some epochs of a training.

    A phase that ends before its recipe does leaves the rest of it to the next, which may have batches of another size:
    the optimiser and the schedule of the learning rate go on. Otherwise the next begins with an optimiser and a
    schedule of its own.

    Attributes:
        step: what each step does; all phases train the same model.
        data: that it trains on.
        recipe: of the optimiser, its schedule and the batches.
        augment: what is done to the examples.
        listeners: told what happens, beside those parts of the step that listen.
        until: after how many epochs of the recipe the phase ends; after all by default.
        frozen: patterns of the names of parameters that stay as they are, such as ``stem.*``.
        name: for the log, where there are several phases.
    """

    step: Step
    data: Split
    recipe: Recipe
    augment: Augment | None = None
    listeners: Sequence[Listener] = ()
    until: int | None = None
    frozen: Sequence[str] = ()
    name: str = ""

    @property
    def end(self) -> int:
        """The epoch of the recipe with which it ends."""
        return self.recipe.epochs if self.until is None else self.until

    @property
    def steps_per_epoch(self) -> int:
        """Of all examples, or of as many as the recipe gives an epoch."""
        size, examples = self.recipe.batch_size, self.recipe.epoch_examples
        whole = self.data.steps(size)
        return whole if examples is None else min(whole, -(-examples // size))

    @property
    def observers(self) -> list[Listener]:
        """Everybody who listens, each once, the step last."""
        parts = (part for part in self.step.parts if isinstance(part, Listener))
        return list(dict.fromkeys([*parts, *self.listeners, self.step]))

    def take(self, context: Context, backward: Backward) -> dict[str, Tensor]:
        """One step: gradients are in the model afterwards, and everybody has been told; the losses by role.

        Args:
            context: with its batch.
            backward: called with each loss.
        """
        context.microbatches.draw_anew(context.step)
        if any(each.wants_gradient_norms for each in self.observers):
            context.gradient_norms = ()
        for each in self.observers:
            each.before_step(context)
        losses = self.step(context, backward)
        for each in self.observers:
            each.after_step(context)
        return losses

    def record(self) -> dict[str, Any]:
        """What everybody has to say about the last epoch."""
        return {name: value for each in reversed(self.observers) for name, value in each.record().items()}

    def freeze(self) -> None:
        """Has the frozen parameters of the model learn nothing."""
        for name, parameter in self.step.model.named_parameters():
            if any(fnmatchcase(name, pattern) for pattern in self.frozen):
                parameter.requires_grad_(False)


@dataclass(frozen=True)
class Span:
    """The epochs of a phase.

    Attributes:
        phase: whose they are.
        number: of the phase.
        first: its first epoch, over the whole training.
        first_step: its first step, likewise.
        done: epochs of its recipe that were done before it.
        epochs: how many it has.
    """

    phase: Phase
    number: int
    first: int
    first_step: int
    done: int
    epochs: int

    @property
    def end(self) -> int:
        """The epoch after its last, over the whole training."""
        return self.first + self.epochs

    @property
    def end_step(self) -> int:
        """The step after its last, likewise."""
        return self.first_step + self.epochs * self.phase.steps_per_epoch


def spans(phases: Sequence[Phase]) -> list[Span]:
    """Which epochs are whose.

    Raises:
        UsageError: there is no phase, a phase ends before it begins, goes on with another recipe than the one that has
            not ended, or trains another model.
    """
    if not isinstance(phases, list | tuple) or not all(isinstance(each, Phase) for each in phases):
        raise UsageError(f"a training needs a list of nas.training.Phase, but got {phases!r:.200}; give it phases.")
    if not phases or not any(phase.end for phase in phases):
        raise UsageError("a training needs at least one phase with an epoch, and was given none.")
    found: list[Span] = []
    for number, phase in enumerate(phases):
        before = found[-1] if found else None
        goes_on = before is not None and before.phase.end < before.phase.recipe.epochs
        done = before.phase.end if before is not None and goes_on else 0
        _check(phase, phases[0].step.model, before.phase if before is not None and goes_on else None, number)
        first, first_step = (before.end, before.end_step) if before is not None else (0, 0)
        found.append(Span(phase, number, first, first_step, done, phase.end - done))
    return found


def state_of_all(phases: Sequence[Phase]) -> dict[str, Tensor]:
    """What everybody in all phases must remember, for checkpoints; that of the last step has no prefix."""
    *others, last = _everybody(phases)
    numbered = (
        (f"{_LISTENER}{number}/{name}", value)
        for number, each in enumerate(others)
        for name, value in each.state().items()
    )
    return {**last.state(), **dict(numbered)}


def restore_all(phases: Sequence[Phase], state: Mapping[str, Tensor]) -> None:
    """Takes what :func:`state_of_all` gave."""
    *others, last = _everybody(phases)
    for number, each in enumerate(others):
        prefix = f"{_LISTENER}{number}/"
        each.restore({name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)})
    last.restore({name: value for name, value in state.items() if not name.startswith(_LISTENER)})


def _everybody(phases: Sequence[Phase]) -> list[Listener]:
    """Whoever listens in some phase, each once, the step of the last phase at the end."""
    last = phases[-1].step
    everybody = dict.fromkeys(each for phase in phases for each in phase.observers if each is not last)
    return [*everybody, last]


def total_epochs(phases: Sequence[Phase]) -> int:
    """How many epochs all phases have together.

    Raises:
        UsageError: as :func:`spans`.
    """
    return spans(phases)[-1].end


def _check_frozen(phase: Phase, number: int) -> None:
    names = [name for name, _ in phase.step.model.named_parameters()]
    for pattern in phase.frozen:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise UsageError(
                f"phase {number + 1} freezes '{pattern}', but no parameter of the model is called so; give a pattern "
                f"of names such as '{names[0]}'."
            )


def _check(phase: Phase, model: nn.Module, unfinished: Phase | None, number: int) -> None:
    if phase.step.model is not model:
        raise UsageError(f"phase {number + 1} trains another model than the first; give all phases the same.")
    _check_frozen(phase, number)
    done = 0 if unfinished is None else unfinished.end
    if not done <= phase.end <= phase.recipe.epochs:
        raise UsageError(
            f"phase {number + 1} ends after {counted(phase.end, 'epoch')} of its recipe, which has "
            f"{phase.recipe.epochs} and of which {done} are done before; let until be between."
        )
    if unfinished is not None and phase.recipe.of_batches(unfinished.recipe.batch_size) != unfinished.recipe:
        raise UsageError(
            f"phase {number + 1} has another recipe, but phase {number} ends after {unfinished.end} of "
            f"{unfinished.recipe.epochs} epochs of its own; give both the same, or let that one end."
        )
