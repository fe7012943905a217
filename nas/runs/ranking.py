"""Is the ranking of a trained supernet any good? Its scores against what stand-alone training found."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nas.errors import UsageError
from nas.evaluation.ranking import Ranking, agreement, consecutive, rank, tau
from nas.files import write_file
from nas.report.ranking import RankingContent, write_ranking_report
from nas.runs.bench import Bench
from nas.runs.deliver import restore_trained
from nas.runs.folder import RunFolder
from nas.runs.progress import Progress, Silent
from nas.runs.truth import Truth, read_truth
from nas.space import Architecture, find_notation
from nas.training import load_checkpoint, restore

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["rank_runs"]

_COSTS = ("flops", "params")
_LARGEST_SHARE, _PERCENT, _SHARE = 1.5, 0.1, 0.001


@dataclass(frozen=True)
class _Question:
    """What is asked of every run alike.

    Attributes:
        truth: what its scores are compared with.
        maximise: whether greater truths are better.
        threshold: of sparse tau, in the units of the truth.
        seed: of the intervals.
    """

    truth: Truth
    maximise: bool
    threshold: float
    seed: int

    @property
    def notes(self) -> list[str]:
        """What a reader must know of the truth."""
        name = ", ".join(self.truth.columns)
        notes = [f"Sparse tau rounds {name} to multiples of {self.threshold:g}.", *self.truth.notes]
        if self.truth.trainings.shape[1] == 1:
            notes.append(
                "The truth is of one training, so how well it can judge is not known; "
                "name a column for each training if there are several."
            )
        return notes


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
    """Judges the supernets of runs by a table; writes ``ranking.json``, ``.csv``, ``.parquet`` and ``.html`` into each.

    Checkpoints of the last epochs are judged too, where a run kept them.

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
        UsageError: a run is not there, not trained or of another space, or the table cannot judge it.
    """
    progress = progress or Silent()
    benches = _trained(folders)
    question = _ask(benches[0], truth, columns, samples, threshold, minimise, seed)
    costs = _Costs(question.truth.architectures, progress)
    judged = [
        _Judged(bench, folder, question, costs.of(bench), progress)
        for bench, folder in zip(benches, folders, strict=True)
    ]
    between = _agreement([each.scores for each in judged]) if len(judged) > 1 else None
    for each in judged:
        each.between = {"runs": [folder.name for folder in folders], **between} if between else None
        each.write()
    return {"runs": {each.folder.name: each.record for each in judged}, "agreement": between}


class _Costs:
    """FLOPs and parameters of the architectures, counted once for all runs whose networks are the same."""

    def __init__(self, architectures: Sequence[Architecture], progress: Progress) -> None:
        self.architectures, self.progress = architectures, progress
        self.tables: dict[str, pd.DataFrame] = {}

    def of(self, bench: Bench) -> "pd.DataFrame":
        """A row for each architecture as the run delivers it."""
        import pandas as pd

        key = json.dumps(bench.subject)
        if key not in self.tables:
            rows = []
            with self.progress.task("Counting FLOPs and parameters", len(self.architectures)) as task:
                for count, architecture in enumerate(self.architectures, start=1):
                    rows.append(bench.costs(architecture))
                    task.update(count)
            self.tables[key] = pd.DataFrame(rows)[list(_COSTS)]
        return self.tables[key]


class _Judged:
    """One run and what is found out about it."""

    def __init__(
        self, bench: Bench, folder: RunFolder, question: _Question, costs: "pd.DataFrame", progress: Progress
    ) -> None:
        self.bench, self.folder, self.question, self.progress = bench, folder, question, progress
        self.costs = costs
        self.scores = self.score(f"Scoring architectures with {folder.name}")
        self.ranking: Ranking = rank(
            self._turned(self.scores),
            question.truth.trainings,
            {name: self.costs[name].to_numpy() for name in _COSTS},
            maximise=question.maximise,
            threshold=question.threshold,
            seed=question.seed,
        )
        self.epochs = self._judge_epochs()
        self.between: dict[str, Any] | None = None

    @cached_property
    def record(self) -> dict[str, Any]:
        """Everything in plain values."""
        truth, config = self.question.truth, self.bench.config
        return {
            "run": self.folder.name,
            "space": config.space,
            "method": config.method,
            "sharing": self.bench.sharing,
            "seed": config.seed,
            "metric": self.bench.metric.name,
            "truth": str(truth.path),
            "columns": list(truth.columns),
            "maximise": self.question.maximise,
            **self.ranking.record(),
            "epochs": self.epochs,
            "between_runs": self.between,
            "notes": [*self.question.notes, *self._told_between],
        }

    @property
    def _told_between(self) -> list[str]:
        if self.between is None:
            return []
        others = ", ".join(self.between["runs"])
        return [f"The runs {others} rank these architectures alike with tau {self.between['mean']:.2f} on average."]

    @property
    def table(self) -> "pd.DataFrame":
        """A row for each architecture, the best scored first; ranks count from 1, equals share the best one."""
        import pandas as pd

        truth, sign = self.question.truth, 1 if self.question.maximise else -1
        table = pd.DataFrame(
            {
                "id": [architecture.id for architecture in truth.architectures],
                "score": self.scores,
                "score_rank": _ranks(self._turned(self.scores) * sign),
                "truth": truth.trainings.mean(axis=1),
                "truth_rank": _ranks(truth.trainings.mean(axis=1) * sign),
            }
        )
        if truth.trainings.shape[1] > 1:
            for number, training in enumerate(truth.trainings.T, start=1):
                table[f"truth_{number}"] = training
        table = table.join(self.costs).assign(architecture=[each.key for each in truth.architectures])
        return table.sort_values(["score_rank", "id"], ignore_index=True)

    def score(self, title: str) -> np.ndarray:
        """The metric ``[n]`` of the architectures with shared weights, as the supernet is now."""
        architectures = self.question.truth.architectures
        with self.progress.task(title, len(architectures)) as task:
            table = self.bench.evaluator(architectures, task.update)
        return table[self.bench.metric.name].to_numpy(dtype=np.float64)

    def write(self) -> None:
        """Puts everything into the run's folder."""
        table = self.table
        self.folder.write_table("ranking", table)
        content = RankingContent(
            title=f"Ranking of {self.folder.name}",
            summary={name: getattr(self.bench.config, name) for name in ("method", "space", "data")},
            record=self.record,
            table=table,
        )
        write_ranking_report(self.folder.path / "ranking.html", content)
        write_file(self.folder.path / "ranking.json", json.dumps(self.record, indent=2))

    def _turned(self, scores: np.ndarray) -> np.ndarray:
        """Scores that are better in the same direction as the truth."""
        return scores if self.bench.metric.maximise == self.question.maximise else -scores

    def _judge_epochs(self) -> dict[str, Any] | None:
        """How the ranking changed over the last epochs, of which the run kept checkpoints; None if there are none."""
        kept = _kept_epochs(self.folder)
        scores, truth = [], self.question.truth.trainings.mean(axis=1)
        for epoch, path in kept:
            restore(load_checkpoint(path)[0], self.bench.searched)
            scores.append(self.score(f"Scoring architectures with epoch {epoch}"))
        if not kept:
            return None
        several = len(kept) > 1
        return {
            "epoch": [epoch for epoch, _ in kept],
            "tau": [tau(self._turned(each), truth) for each in scores],
            "consecutive": consecutive(scores).tolist() if several else [],
            "agreement": _agreement(scores) if several else None,
        }


def _trained(folders: Sequence[RunFolder]) -> list[Bench]:
    """What the runs stand for, each with its trained supernet."""
    names = [folder.name for folder in folders]
    benches: list[Bench] = []
    for folder in folders:
        if names.count(folder.name) > 1:
            raise UsageError(f"run '{folder.name}' is named twice; name it once.")
        config = folder.load_config()
        if folder.kind != "search":
            raise UsageError(f"run '{folder.name}' is a {folder.kind}, which trains no supernet; name a search.")
        bench = Bench(config)
        restore_trained(bench, folder)
        benches.append(bench)
        if bench.space.fingerprint != benches[0].space.fingerprint or bench.metric != benches[0].metric:
            raise UsageError(
                f"run '{folder.name}' is not of the same space and metric as '{names[0]}'; rank it by itself."
            )
    return benches


def _ask(
    bench: Bench,
    path: Path,
    columns: Sequence[str],
    samples: int | None,
    threshold: float | None,
    minimise: bool | None,
    seed: int,
) -> _Question:
    shape = bench.data.input_shape
    size = shape[1] if len(shape) > 1 else None
    truth = read_truth(path, columns, bench.space, find_notation(bench.config.space), size)
    if samples is not None:
        truth = truth.sample(samples, seed)
    maximise = bench.metric.maximise if minimise is None else not minimise
    if threshold is None:
        threshold = _PERCENT if maximise and truth.trainings.max() > _LARGEST_SHARE else _SHARE
    return _Question(truth, maximise, threshold, seed)


def _kept_epochs(folder: RunFolder) -> list[tuple[int, Path]]:
    """The epochs whose supernets were kept, in order, each with its checkpoint."""
    found = ((re.fullmatch(r"epoch-(\d+)", path.stem), path) for path in folder.supernet.parent.glob("*.safetensors"))
    return sorted((int(match[1]), path) for match, path in found if match)


def _agreement(scores: Sequence[np.ndarray]) -> dict[str, Any]:
    """How alike several scores rank the same architectures, in plain values; None where undefined."""
    found = agreement(scores)
    return {
        "mean": found.mean,
        "spread": None if np.isnan(found.spread) else found.spread,
        "taus": found.taus.tolist(),
        "deviation": float(found.deviation.mean()),
    }


def _ranks(values: np.ndarray) -> np.ndarray:
    from scipy.stats import rankdata

    return np.asarray(rankdata(-values, method="min"), dtype=np.int64)
