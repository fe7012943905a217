"""How well one trained supernet ranks: its scores, those of its last epochs, and what the truth says of them."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from nas.evaluation.ranking import Ranking, agreement, consecutive, rank, tau
from nas.ranking.truth import Truth
from nas.setup.folder import RunFolder
from nas.setup.progress import Progress
from nas.setup.run_setup import Setup
from nas.setup.supernets import shared_weights_of
from nas.space import Architecture
from nas.training import load_checkpoint, restore

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CostTables", "Question", "SupernetScores", "agreed", "score_supernet"]

_COSTS = ("flops", "params")


@dataclass(frozen=True)
class Question:
    """What is asked of every run alike.

    Attributes:
        truth: what its scores are compared with.
        maximise: whether greater truths are better.
        threshold: of sparse tau, in the units of the truth.
        seed: of the intervals.
        percent: whether the truth is in per cent, not a share of 1.
    """

    truth: Truth
    maximise: bool
    threshold: float
    seed: int
    percent: bool

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


class CostTables:
    """FLOPs, parameters and a run's own costs of the architectures, counted once for runs whose networks are equal."""

    def __init__(self, architectures: Sequence[Architecture], progress: Progress) -> None:
        self.architectures, self.progress = architectures, progress
        self.tables: dict[str, pd.DataFrame] = {}

    def of(self, setup: Setup) -> "pd.DataFrame":
        """A row for each architecture as the run delivers it."""
        import pandas as pd

        names = [*_COSTS, *setup.own_costs.names]
        key = json.dumps([setup.subject, setup.config.costs, setup.config.costs_args])
        if key not in self.tables:
            rows = []
            with self.progress.task("Counting FLOPs and parameters", len(self.architectures)) as task:
                for count, architecture in enumerate(self.architectures, start=1):
                    rows.append(setup.costs_of(architecture))
                    task.update(count)
            self.tables[key] = pd.DataFrame(rows)[names]
        return self.tables[key]


@dataclass(frozen=True, eq=False)
class SupernetScores:
    """What was found out about the supernet of one run.

    Attributes:
        costs: a row for each architecture of the truth.
        scores: ``[n]``, the metric of these architectures with shared weights.
        turned: the scores, better in the same direction as the truth.
        epochs: how the ranking changed over the last epochs, in plain values; None if the run kept none.
    """

    setup: Setup
    folder: RunFolder
    question: Question
    costs: "pd.DataFrame"
    scores: np.ndarray
    turned: np.ndarray
    ranking: Ranking
    epochs: dict[str, Any] | None


def score_supernet(
    setup: Setup, folder: RunFolder, question: Question, costs: "pd.DataFrame", progress: Progress
) -> SupernetScores:
    """Scores the architectures of the truth with a trained supernet, which ends with the weights of another epoch."""
    trained = _weights(setup.searched)
    scores = _score(setup, question, f"Scoring architectures with {folder.name}", progress)
    sign = 1.0 if setup.metric.maximise == question.maximise else -1.0
    ranking = rank(
        sign * scores,
        question.truth.trainings,
        {str(name): costs[name].to_numpy() for name in costs},
        maximise=question.maximise,
        threshold=question.threshold,
        seed=question.seed,
    )
    kept, of_epochs = _kept_epochs(folder), []
    for epoch, path in kept:
        tensors = load_checkpoint(path)[0]
        if _are_in(tensors, trained):
            of_epochs.append(scores)
            continue
        restore(tensors, setup.searched)
        of_epochs.append(_score(setup, question, f"Scoring architectures with epoch {epoch}", progress))
    epochs = _over_epochs([epoch for epoch, _ in kept], of_epochs, sign, question.truth) if kept else None
    return SupernetScores(setup, folder, question, costs, scores, sign * scores, ranking, epochs)


def agreed(scores: Sequence[np.ndarray]) -> dict[str, Any]:
    """How alike several scores rank the same architectures, in plain values; None where undefined."""
    found = agreement(scores)
    return {
        "mean": found.mean,
        "spread": None if np.isnan(found.spread) else found.spread,
        "taus": found.taus.tolist(),
        "deviation": float(found.deviation.mean()),
    }


def _score(setup: Setup, question: Question, title: str, progress: Progress) -> np.ndarray:
    """The metric ``[n]`` of the architectures with shared weights, as the supernet is now."""
    architectures = question.truth.architectures
    with progress.task(title, len(architectures)) as task:
        table = shared_weights_of(setup.config, setup.searched, setup.data)(architectures, task.update)
    return table[setup.metric.name].to_numpy(dtype=np.float64)


def _over_epochs(epochs: list[int], scores: list[np.ndarray], sign: float, truth: Truth) -> dict[str, Any]:
    several = len(epochs) > 1
    return {
        "epoch": epochs,
        "tau": [tau(sign * each, truth.trainings.mean(axis=1)) for each in scores],
        "consecutive": consecutive(scores).tolist() if several else [],
        "agreement": agreed(scores) if several else None,
    }


def _kept_epochs(folder: RunFolder) -> list[tuple[int, Path]]:
    """The epochs whose supernets were kept, in order, each with its checkpoint."""
    found = ((re.fullmatch(r"epoch-(\d+)", path.stem), path) for path in folder.supernet.parent.glob("*.safetensors"))
    return sorted((int(match[1]), path) for match, path in found if match)


def _weights(model: nn.Module) -> dict[str, Tensor]:
    """A copy of everything that a checkpoint of the model holds of it, by its name there."""
    return {f"model/{name}": tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}


def _are_in(tensors: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> bool:
    """Whether a checkpoint holds these very weights, as that of the last epoch does."""
    return all(name in tensors and torch.equal(tensors[name], weight) for name, weight in weights.items())
