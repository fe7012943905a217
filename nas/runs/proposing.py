"""What a differentiable method has learnt, as architectures to judge."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from nas.files import write_file
from nas.methods import Setting, Trained
from nas.nn.batch_statistics import batch_statistics
from nas.runs.bench import Bench
from nas.runs.folder import RunFolder
from nas.runs.progress import Progress
from nas.search import collapse
from nas.space import Architecture
from nas.streams import Stream, derive_seed
from nas.training import Epoch, RelaxedStep, load_checkpoint, restore, state_of, train

__all__ = ["collapse_of", "derive_final", "learnt_by"]


def derive_final(
    bench: Bench, folder: RunFolder, step: RelaxedStep, setting: Setting, progress: Progress
) -> Architecture:
    """The architecture that the method proposes after training; kept in ``derived.json``.

    The supernet is left as it was when the architecture was decided.
    """
    if folder.last_tuned:
        tensors, _ = load_checkpoint(folder.last_tuned)
        restore(tensors, step.model)
        step.restore(state_of(tensors))
    if folder.derived.exists():
        return bench.space.architecture(folder.read(folder.derived))
    found = _chosen(bench, folder, step, setting, progress) if bench.method.choose else step.derived
    write_file(folder.derived, found.to_json())
    return found


def learnt_by(bench: Bench, step: RelaxedStep, final: Architecture, history: Sequence[Epoch]) -> dict[str, Any]:
    """What strategies may follow: the final architecture, then those of earlier epochs, the latest first; chances."""
    earlier = [bench.space.architecture(epoch["architecture"]["derived"]) for epoch in reversed(history)]
    return {
        "proposals": [final, *earlier],
        "probabilities": step.relaxed.arrays(),
        "options": step.relaxed.supernet.options,
    }


def collapse_of(step: RelaxedStep, architecture: Mapping[str, Any]) -> str | None:
    """The sentence that says that an architecture has no operation left that learns, if so."""
    free = {name: each.parameter_free for name, each in step.relaxed.decisions.items()}
    return collapse(architecture, free, step.relaxed.supernet.space)


def _chosen(bench: Bench, folder: RunFolder, step: RelaxedStep, setting: Setting, progress: Progress) -> Architecture:
    """Lets the method ask the trained supernet; decisions and tuning survive an interruption."""
    assert bench.method.choose is not None
    start = {"rounds": 0, "decided": []}
    state: dict[str, Any] = folder.read(folder.projection) if folder.projection.exists() else start
    step.relaxed.frozen.clear()
    recipe = setting.recipe.model_copy(
        update={
            "epochs": setting.learning.tune_epochs,
            "learning_rate": setting.recipe.learning_rate / 10,
            "final_learning_rate": setting.recipe.final_learning_rate / 10,
        }
    )

    with progress.task(f"Deriving the architecture ({bench.method.name})", len(bench.space.choices)) as task:

        def tune(number: int) -> None:
            train(
                step,
                setting.weights,
                recipe,
                seed=derive_seed(setting.seed, Stream.TUNING, number),
                augment=setting.augment,
                checkpoint=folder.tuned(number),
            )
            decided = [[name, values.nonzero().flatten().tolist()] for name, values in step.relaxed.frozen.items()]
            write_file(folder.projection, json.dumps({"rounds": number + 1, "decided": decided}))
            folder.log("derive", round=number, decided=decided)
            task.update(len(decided))

        return bench.method.choose(
            Trained(
                step,
                bench.space,
                lambda: _score(bench, step),
                tune,
                rounds=state["rounds"],
                decided=[(name, tuple(kept)) for name, kept in state["decided"]],
            )
        )


@torch.no_grad()
def _score(bench: Bench, step: RelaxedStep) -> float:
    """How well the supernet does on the validation split under its gates, with the batch-norm statistics of each batch.

    Everything but batch norm runs in evaluation mode, and all is left as it was.
    """
    tally = bench.data.task.tally()
    with batch_statistics(step.model):
        for x, y in bench.data.validation.batches(bench.config.evaluation.batch_size):
            tally.add(step.model(x), y)
    return tally.score
