"""The training loop: schedule, clipping, mixed precision, checkpoints, divergence."""

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nas.data import Augment, Split
from nas.errors import UsageError
from nas.streams import Stream, derive_seed
from nas.training.checkpoint import load_checkpoint, restore, save_checkpoint, state_of
from nas.training.fingerprint import check_fingerprint, described, fingerprint
from nas.training.masked_step import masked_step
from nas.training.microbatches import Microbatches
from nas.training.ranks import ALONE, Ranks
from nas.training.recipe import Recipe
from nas.training.steps import Step

__all__ = ["Epoch", "train"]

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
    ranks: Ranks = ALONE,
    until: int | None = None,
) -> list[Epoch]:
    """Trains ``step.model`` in place and leaves it in evaluation mode.

    Batches, paths and dropout are functions of (seed, epoch, step), so a run that continues from its checkpoint
    ends bit for bit where an uninterrupted one does.

    Several processes may train together: each calls this with an equal step, and the group of ``torch.distributed``
    is there. Each runs its share of the microbatches of every batch; gradients are averaged once a step, so weights are
    the same bits in all processes, and all end where one process with as many microbatches does, up to rounding.

    Args:
        checkpoint: file written after every epoch; if it exists, training continues from it. Of several processes the
            first one writes it, and each reads its own.
        on_epoch: told every epoch that is trained now, after its checkpoint was written; of several processes in the
            first one.
        ranks: the processes, and which of them this is.
        until: how many epochs there are to be when this returns; those of the recipe by default.

    Returns:
        One record for each epoch.

    Raises:
        UsageError: the checkpoint is of other settings or other code; the loss or a weight is not finite, and the last
            good checkpoint stays; a batch cannot be cut as the
            recipe says; or the processes cannot share its parts or begin at different epochs.
    """
    model = step.model
    optimizer = recipe.make_optimizer(model)
    step.begin(optimizer, Microbatches(recipe.microbatches, seed, ranks))
    history: list[Epoch] = []
    known = {} if checkpoint is None else fingerprint(model, next(iter(data.batches(1)))[0])
    if checkpoint is not None and checkpoint.exists():
        tensors, header = load_checkpoint(checkpoint)
        _check_recipe(header, recipe, seed, checkpoint)
        check_fingerprint(header, known, checkpoint)
        restore(tensors, model, optimizer)
        step.restore(state_of(tensors))
        history = header["history"]
    _check_begin(len(history), model, ranks)
    for epoch in range(len(history), recipe.epochs if until is None else until):
        with torch.random.fork_rng(devices=_cuda_devices(model)):
            torch.manual_seed(derive_seed(seed, Stream.LAYERS, epoch))
            record = _run_epoch(step, optimizer, data, recipe, epoch=epoch, seed=seed, augment=augment)
        history.append(record)
        _average_buffers(model, ranks)
        if ranks.rank:
            continue
        if checkpoint is not None:
            header = {"recipe": recipe.model_dump(), "seed": seed, "history": history, "fingerprint": described(known)}
            save_checkpoint(checkpoint, model, optimizer, step.state(), **header)
        if on_epoch is not None:
            on_epoch(record)
    model.eval()
    return history


def _run_epoch(
    step: Step,
    optimizer: torch.optim.Optimizer,
    data: Split,
    recipe: Recipe,
    *,
    epoch: int,
    seed: int,
    augment: Augment | None,
) -> Epoch:
    step.model.train()
    started, losses, images = time.perf_counter(), [], 0
    first = epoch * data.steps(recipe.batch_size)
    for number, (x, y) in enumerate(
        data.shuffled(recipe.batch_size, (seed, Stream.BATCHES, epoch), augment), start=first
    ):
        losses.append(_optimizer_step(step, optimizer, recipe, number, data.steps(recipe.batch_size), x, y))
        images += len(x)
        if len(losses) % _CHECK_EVERY == 0:
            _check_finite(losses[-_CHECK_EVERY:], recipe, epoch)
    _check_finite(losses, recipe, epoch)
    _check_weights(step.model, recipe, epoch)
    roles = dict.fromkeys(role for loss in losses for role in loss)
    means = {role: float(torch.stack([loss[role] for loss in losses if role in loss]).mean()) for role in roles}
    return {
        "epoch": epoch,
        "loss": sum(means.values()) / max(1, len(means)),
        **{f"loss_{role}": value for role, value in means.items()},
        "learning_rate": optimizer.param_groups[0]["lr"],
        "images_per_second": images / (time.perf_counter() - started),
        **step.record(),
    }


def _optimizer_step(
    step: Step, optimizer: torch.optim.Optimizer, recipe: Recipe, number: int, per_epoch: int, x: Tensor, y: Tensor
) -> dict[str, Tensor]:
    for group in optimizer.param_groups:
        group["lr"] = recipe.learning_rate_at(number, per_epoch)
    optimizer.zero_grad(set_to_none=True)
    with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=recipe.amp and x.device.type == "cuda"):
        losses = step(number, x, y, Tensor.backward)
    used = [
        parameter for group in optimizer.param_groups for parameter in group["params"] if parameter.grad is not None
    ]
    nn.utils.clip_grad_norm_(used, recipe.clip)
    if recipe.masked:
        masked_step(optimizer, step.used_regions())
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
def _average_buffers(model: nn.Module, ranks: Ranks) -> None:
    """Makes buffers, such as running statistics of batch norms, the same in all processes."""
    buffers = [buffer for buffer in model.buffers() if buffer.is_floating_point()]
    means = [buffer.double() for buffer in buffers]
    ranks.average(means)
    for buffer, mean in zip(buffers, means, strict=True):
        buffer.copy_(mean)


def _check_recipe(header: dict[str, Any], recipe: Recipe, seed: int, checkpoint: Path) -> None:
    stored = {**Recipe().model_dump(mode="json"), **header.get("recipe", {}), "seed": header.get("seed")}
    for name, value in {**json.loads(recipe.model_dump_json()), "seed": seed}.items():
        if stored.get(name) != value:
            raise UsageError(
                f"checkpoint {checkpoint} was trained with {name}={stored.get(name)!r}, not {value!r}; "
                "use the same settings to continue, or another run name."
            )


def _cuda_devices(model: nn.Module) -> list[torch.device]:
    return list({p.device for p in model.parameters() if p.device.type == "cuda"})
