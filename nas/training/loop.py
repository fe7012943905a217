"""The training loop: phases, schedule, clipping, mixed precision, checkpoints, divergence."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nas.data import Augment, Split
from nas.errors import UsageError
from nas.streams import Stream, derive_seed
from nas.training.averaging import WeightAverage
from nas.training.checkpoint import has_ended, load_checkpoint, restore, save_checkpoint, state_of, trained_of
from nas.training.context import Context
from nas.training.fingerprints import check_fingerprint, described, fingerprint
from nas.training.masking import masked_step
from nas.training.microbatches import Microbatches
from nas.training.phase import Phase, Span, restore_all, spans, state_of_all, total_epochs
from nas.training.ranks import ALONE, Ranks
from nas.training.recipe import Recipe
from nas.training.steps import Step
from nas.wording import counted

__all__ = ["Epoch", "train", "train_phases"]

Epoch = dict[str, Any]
"""What an epoch reports: epoch, loss, a loss for each role, learning_rate, images_per_second."""

_CHECK_EVERY = 20


def train(
    step: Step,
    data: Split,
    recipe: Recipe,
    *,
    seed: int,
    augment: Augment | None = None,
    checkpoint: Path | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> list[Epoch]:
    """A training of one phase: trains ``step.model`` in place and leaves it in evaluation mode.

    Args:
        augment: what is done to the examples; None leaves them as they are.
        seed, checkpoint, on_epoch: as for :func:`train_phases`, as are the result and what is raised.

    >>> import nas
    >>> from nas.training import CrossEntropy, PlainStep, Recipe
    >>> network, data = nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), nas.data.load("digits", limit=100)
    >>> step = PlainStep(network, [CrossEntropy()])
    >>> [epoch["epoch"] for epoch in train(step, data.train, Recipe(epochs=2), seed=0)]
    [0, 1]
    """
    return train_phases([Phase(step, data, recipe, augment)], seed=seed, checkpoint=checkpoint, on_epoch=on_epoch)


def train_phases(
    phases: Sequence[Phase],
    *,
    seed: int,
    checkpoint: Path | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
    ranks: Ranks = ALONE,
    until: int | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> list[Epoch]:
    """Trains the model of the phases in place, one phase after another, and leaves it in evaluation mode.

    Where a recipe asks for an average of the weights, the model has it in checkpoints, in ``on_epoch`` and afterwards.

    Batches, paths and dropout are functions of (seed, epoch, step), so a run that continues from its checkpoint
    ends bit for bit where an uninterrupted one does.

    Several processes may train together: each calls this with equal phases, and the group of ``torch.distributed``
    is there. Each runs its share of the microbatches of every batch; gradients are averaged once a step, so weights are
    the same bits in all processes, and all end where one process with as many microbatches does, up to rounding.

    Args:
        checkpoint: file written after every epoch; if it exists, training continues from it. Of several processes the
            first one writes it, and each reads its own.
        on_epoch: told every epoch that is trained now, after its checkpoint was written; of several processes in the
            first one.
        ranks: the processes, and which of them this is.
        until: how many epochs there are to be when this returns; those of all phases by default.
        stop: asked after every epoch, and before the first where a checkpoint has some; if it says so the training has
            ended, for those that read the checkpoint too.

    Returns:
        One record for each epoch.

    Raises:
        UsageError: the checkpoint is of other settings or other code; the loss or a weight is not finite, and the last
            good checkpoint stays; a batch cannot be cut as the recipe says; the processes cannot share its parts or
            begin at different epochs; or phases do not go together, see :func:`nas.training.phase.spans`.
    """
    walked = spans(phases)
    model = phases[0].step.model
    learnable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    keeper = _Keeper(phases, seed, checkpoint)
    tensors, history = keeper.load()
    until = min(keeper.epochs, keeper.epochs if until is None else until)
    _check_begin(len(history), model, ranks)
    optimizer: torch.optim.Optimizer | None = None
    average = WeightAverage(model, 0.0)
    for span in walked:
        phase, goes_on = span.phase, span.first < len(history)
        if len(history) > span.end:
            continue
        if not goes_on and len(history) >= until:
            break
        if optimizer is None or not span.done:
            optimizer = phase.recipe.make_optimizer(model)
        phase.freeze()
        start = _start(span, optimizer, Microbatches(phase.recipe.microbatches, seed, ranks))
        if goes_on:
            restore(tensors, model, optimizer)
            restore_all(phases, state_of(tensors))
        else:
            _begin(start, phase, seed)
        average = WeightAverage(model, phase.recipe.weight_average)
        if goes_on:
            average.restore(trained_of(tensors))
        for epoch in range(len(history), min(span.end, until)):
            if history and stop():
                until = len(history)
                keeper.save(optimizer, average, history, epochs=until)
                break
            history.append(_run_epoch(span, start, epoch, seed, average))
            _average_buffers([*model.buffers(), *average.buffers], ranks)
            if ranks.rank == 0:
                keeper.save(optimizer, average, history)
                if on_epoch is not None:
                    with average.in_place():
                        on_epoch(history[-1])
        for parameter in learnable:
            parameter.requires_grad_(True)
    average.exchange()
    model.eval()
    return history


class _Keeper:
    """Writes and reads the checkpoint of a training, if it has one."""

    def __init__(self, phases: Sequence[Phase], seed: int, checkpoint: Path | None) -> None:
        self.phases, self.seed, self.checkpoint, self.model = phases, seed, checkpoint, phases[0].step.model
        self.epochs = total_epochs(phases)
        self._known = {} if checkpoint is None else fingerprint(self.model, next(iter(phases[0].data.batches(1)))[0])

    def load(self) -> tuple[dict[str, Tensor], list[Epoch]]:
        """The tensors and the epochs so far; nothing if there is no checkpoint.

        Raises:
            UsageError: it is of another training.
        """
        if self.checkpoint is None or not self.checkpoint.exists():
            return {}, []
        tensors, header = load_checkpoint(self.checkpoint)
        _check_recipes(header, self.phases, self.seed, self.checkpoint)
        check_fingerprint(header, self._known, self.checkpoint)
        if has_ended(header):
            self.epochs = len(header["history"])
        return tensors, header["history"]

    def save(
        self,
        optimizer: torch.optim.Optimizer,
        average: WeightAverage,
        history: Sequence[Epoch],
        epochs: int | None = None,
    ) -> None:
        """Writes it, with what everybody must remember.

        Args:
            epochs: that the training has; all of its phases by default.
        """
        if self.checkpoint is not None:
            header = {
                "recipes": [each.recipe.model_dump() for each in self.phases],
                "epochs": self.epochs if epochs is None else epochs,
                "until": [each.end for each in self.phases],
                "frozen": [list(each.frozen) for each in self.phases],
                "seed": self.seed,
                "history": list(history),
                "fingerprint": described(self._known),
            }
            with average.in_place():
                state = state_of_all(self.phases)
                save_checkpoint(self.checkpoint, self.model, optimizer, state, average.others, **header)


def _start(span: Span, optimizer: torch.optim.Optimizer, microbatches: Microbatches) -> Context:
    """Where the training is when a phase begins."""
    return Context(
        step=span.first_step,
        phase=span.number,
        epoch=span.first,
        steps_per_epoch=span.phase.steps_per_epoch,
        recipe=span.phase.recipe,
        recipe_epoch=span.done,
        optimizer=optimizer,
        microbatches=microbatches,
    )


def _begin(start: Context, phase: Phase, seed: int) -> None:
    phase.step.model.train()
    with _seeded(phase.step.model, seed, start.epoch):
        for each in phase.observers:
            each.begin(start)


def _run_epoch(span: Span, start: Context, epoch: int, seed: int, average: WeightAverage) -> Epoch:
    phase, recipe, number = span.phase, span.phase.recipe, epoch - span.first
    phase.step.model.train()
    started, losses, images, rate = time.perf_counter(), [], 0, 0.0
    with _seeded(phase.step.model, seed, epoch):
        batches = phase.data.shuffled(recipe.batch_size, (seed, Stream.BATCHES, epoch), phase.augment)
        for position, (x, y) in enumerate(islice(batches, phase.steps_per_epoch)):
            step = start.step + number * start.steps_per_epoch + position
            done = span.done + number
            context = replace(start, step=step, x=x, y=y, epoch=epoch, position=position, recipe_epoch=done)
            rate = recipe.learning_rate_at(context.recipe_step, context.steps_per_epoch)
            losses.append(_optimizer_step(phase, context, rate))
            average.update(step - span.first_step)
            images += len(x)
            if len(losses) % _CHECK_EVERY == 0:
                _check_finite(losses[-_CHECK_EVERY:], recipe, epoch)
    _check_finite(losses, recipe, epoch)
    _check_weights(phase.step.model, recipe, epoch)
    roles = dict.fromkeys(role for loss in losses for role in loss)
    means = {role: float(torch.stack([loss[role] for loss in losses if role in loss]).mean()) for role in roles}
    return {
        "epoch": epoch,
        **({"phase": phase.name} if phase.name else {}),
        "loss": sum(means.values()) / max(1, len(means)),
        **{f"loss_{role}": value for role, value in means.items()},
        "learning_rate": rate,
        "images_per_second": images / (time.perf_counter() - started),
        **phase.record(),
    }


def _optimizer_step(phase: Phase, context: Context, rate: float) -> dict[str, Tensor]:
    recipe, optimizer, device = context.recipe, context.optimizer, context.x.device.type
    assert optimizer is not None
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad(set_to_none=True)
    with torch.autocast(device, dtype=torch.bfloat16, enabled=recipe.amp and device == "cuda"):
        losses = phase.take(context, Tensor.backward)
    used = [
        parameter for group in optimizer.param_groups for parameter in group["params"] if parameter.grad is not None
    ]
    nn.utils.clip_grad_norm_(used, recipe.clip)
    if recipe.rate_by_size:
        share = phase.step.size_of_paths(context) ** recipe.rate_by_size
        for group in optimizer.param_groups:
            group["lr"] = rate * share
    if recipe.masked:
        masked_step(optimizer, phase.step.used_regions(context))
    else:
        optimizer.step()
    return losses


def _check_finite(losses: list[dict[str, Tensor]], recipe: Recipe, epoch: int) -> None:
    for loss in losses:
        for role, value in loss.items():
            if not math.isfinite(value):
                raise UsageError(
                    f"training diverged in epoch {epoch + 1}: the loss of the {role} path is {float(value)}; "
                    f"lower training.learning_rate (now {recipe.learning_rate:g}); the last good checkpoint is kept."
                )


def _check_weights(model: nn.Module, recipe: Recipe, epoch: int) -> None:
    for name, parameter in model.named_parameters():
        if not parameter.isfinite().all():
            raise UsageError(
                f"training diverged in epoch {epoch + 1}: '{name}' is not finite; "
                f"lower training.learning_rate (now {recipe.learning_rate:g}); the last good checkpoint is kept."
            )


def _check_begin(epoch: int, model: nn.Module, ranks: Ranks) -> None:
    if not ranks.agree(epoch, next(model.parameters()).device):
        raise UsageError(
            f"process {ranks.rank} of {ranks.size} would begin with epoch {epoch + 1} and another with another; give "
            "every process the same checkpoint."
        )


@torch.no_grad()
def _average_buffers(buffers: Sequence[Tensor], ranks: Ranks) -> None:
    """Makes buffers, such as running statistics of batch norms, the same in all processes."""
    buffers = [buffer for buffer in buffers if buffer.is_floating_point()]
    means = [buffer.double() for buffer in buffers]
    ranks.average(means)
    for buffer, mean in zip(buffers, means, strict=True):
        buffer.copy_(mean)


def _check_recipes(header: dict[str, Any], phases: Sequence[Phase], seed: int, checkpoint: Path) -> None:
    stored = header.get("recipes", [header.get("recipe", {})])
    if "recipes" not in header and len(header["history"]) < total_epochs(phases):
        raise UsageError(
            f"checkpoint {checkpoint} was begun by an earlier version, which drew other random numbers; end that "
            "training with it, or start a run of another name."
        )
    if "recipes" in header and len(stored) != len(phases):
        raise UsageError(
            f"checkpoint {checkpoint} is of a training in {counted(len(stored), 'phase')}, not {len(phases)}; use the "
            "same settings to continue, or another run name."
        )
    for recipe, phase in zip(stored, phases, strict=False):
        then = {**Recipe().model_dump(mode="json"), **recipe, "seed": header.get("seed")}
        for name, value in {**phase.recipe.model_dump(mode="json"), "seed": seed}.items():
            if then.get(name) != value:
                raise UsageError(
                    f"checkpoint {checkpoint} was trained with {name}={then.get(name)!r}, not {value!r}; "
                    "use the same settings to continue, or another run name."
                )
    for name, now in (("until", [each.end for each in phases]), ("frozen", [list(each.frozen) for each in phases])):
        if header.get(name, now) != now:
            raise UsageError(
                f"checkpoint {checkpoint} is of phases with {name} {header[name]}, not {now}; use the same settings to "
                "continue, or another run name."
            )


@contextmanager
def _seeded(model: nn.Module, seed: int, epoch: int) -> Iterator[None]:
    """Random numbers that are a function of the seed and the epoch; those outside go on as if there had been none."""
    with torch.random.fork_rng(devices=_cuda_devices(model)):
        torch.manual_seed(derive_seed(seed, Stream.LAYERS, epoch))
        yield


def _cuda_devices(model: nn.Module) -> list[torch.device]:
    return list({p.device for p in model.parameters() if p.device.type == "cuda"})
