"""Is the ranking of a trained supernet any good? Its scores against what stand-alone training found."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nas.delivery.networks import restore_trained
from nas.errors import UsageError
from nas.ranking.files import write_ranking
from nas.ranking.scores import CostTables, Question, agreed, score_supernet
from nas.ranking.truth import read_truth
from nas.setup.folder import RunFolder
from nas.setup.progress import Progress, Silent
from nas.setup.run_setup import Setup
from nas.space import find_notation

__all__ = ["rank_runs"]

_LARGEST_SHARE, _POINT, _SHARE = 1.5, 0.1, 0.001


def rank_runs(
    folders: Sequence[RunFolder],
    truth: Path,
    columns: Sequence[str],
    *,
    samples: int | None = None,
    threshold: float | None = None,
    minimise: bool | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Compares supernets of runs with a table; writes ``ranking.json``, ``.csv``, ``.parquet`` and ``.html`` into each.

    Checkpoints of the last epochs are scored too, where a run kept them.

    Args:
        folders: trained runs of one space.
        truth: a ``.csv`` or ``.parquet`` file of architectures trained by themselves.
        columns: of it, one for each independent training.
        samples: evaluate only so many random architectures of the table.
        threshold: of sparse tau, in the units of the columns; by default 0.1 for accuracies in percent, which some
            value above 1.5 tells, else 0.001.
        minimise: whether smaller values in the columns are better; by default as of the metric of the runs.
        seed: of the samples and of the intervals.

    Returns:
        ``runs``: name → what ``ranking.json`` holds; ``agreement`` of several runs, else None.

    Raises:
        UsageError: a run is not there, not trained or of another space, or the table says too little of it.
    """
    progress = progress or Silent()
    benches = _trained(folders)
    question = _ask(benches[0], truth, columns, samples, threshold, minimise, seed)
    costs = CostTables(question.truth.architectures, progress)
    scored = [
        score_supernet(setup, folder, question, costs.of(setup), progress)
        for setup, folder in zip(benches, folders, strict=True)
    ]
    between = agreed([each.scores for each in scored]) if len(scored) > 1 else None
    named = between and {"runs": [folder.name for folder in folders], **between}
    return {"runs": {each.folder.name: write_ranking(each, named) for each in scored}, "agreement": between}


def _trained(folders: Sequence[RunFolder]) -> list[Setup]:
    """What the runs stand for, each with its trained supernet."""
    names = [folder.name for folder in folders]
    benches: list[Setup] = []
    for folder in folders:
        if names.count(folder.name) > 1:
            raise UsageError(f"run '{folder.name}' is named twice; name it once.")
        config = folder.load_config()
        if folder.kind != "search":
            raise UsageError(f"run '{folder.name}' is a {folder.kind}, which trains no supernet; name a search.")
        setup = Setup(config, folder.path)
        if not setup.traits.needs_supernet:
            raise UsageError(
                f"run '{folder.name}' trained no supernet: evaluator '{config.evaluator}' evaluated its candidates, "
                "and a ranking is of shared weights; name another search."
            )
        restore_trained(setup, folder)
        benches.append(setup)
        if setup.space.fingerprint != benches[0].space.fingerprint or setup.metric != benches[0].metric:
            raise UsageError(
                f"run '{folder.name}' is not of the same space and metric as '{names[0]}'; rank it by itself."
            )
    return benches


def _ask(
    setup: Setup,
    path: Path,
    columns: Sequence[str],
    samples: int | None,
    threshold: float | None,
    minimise: bool | None,
    seed: int,
) -> Question:
    shape = setup.data.input_shape
    size = shape[1] if len(shape) > 1 else None
    truth = read_truth(path, columns, setup.space, find_notation(setup.config.space), size)
    if samples is not None:
        truth = truth.sample(samples, seed)
    maximise = setup.metric.maximise if minimise is None else not minimise
    percent = maximise and setup.metric.share and _LARGEST_SHARE < float(truth.trainings.max()) <= 100
    if threshold is None:
        threshold = _POINT if percent else _SHARE
    return Question(truth, maximise, threshold, seed, percent)
