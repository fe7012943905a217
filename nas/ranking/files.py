"""What a run's folder keeps of a ranking: the record, the table of architectures and the page."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nas.files import write_file
from nas.ranking.scores import SupernetScores
from nas.report.ranking import RankingContent, write_ranking_report
from nas.setup.pretrained import called_space

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["write_ranking"]


def write_ranking(scored: SupernetScores, between: Mapping[str, Any] | None) -> dict[str, Any]:
    """Puts ``ranking.json``, ``.csv``, ``.parquet`` and ``.html`` into the run's folder.

    Args:
        between: how alike several runs rank, with their names as ``runs``; None of a single run.

    Returns:
        The content of ``ranking.json``.
    """
    folder, record, table = scored.folder, _record(scored, between), _table(scored)
    folder.write_table("ranking", table)
    content = RankingContent(
        title=f"Ranking of {folder.name}",
        summary={name: getattr(scored.setup.config, name) for name in ("method", "space", "task")},
        record=record,
        table=table,
    )
    write_ranking_report(folder.path / "ranking.html", content)
    write_file(folder.path / "ranking.json", json.dumps(record, indent=2))
    return record


def _record(scored: SupernetScores, between: Mapping[str, Any] | None) -> dict[str, Any]:
    """Everything in plain values."""
    question, setup = scored.question, scored.setup
    return {
        "run": scored.folder.name,
        "space": called_space(setup.config),
        "method": setup.config.method,
        "sharing": setup.sharing,
        "seed": setup.config.seed,
        "metric": setup.metric.name,
        "truth": str(question.truth.path),
        "columns": list(question.truth.columns),
        "percent": question.percent,
        "maximise": question.maximise,
        **scored.ranking.record(),
        "epochs": scored.epochs,
        "between_runs": between,
        "notes": [*question.notes, *([] if between is None else [_agreement_note(between)])],
    }


def _agreement_note(between: Mapping[str, Any]) -> str:
    others = ", ".join(between["runs"])
    return f"The runs {others} rank these architectures alike with tau {between['mean']:.2f} on average."


def _table(scored: SupernetScores) -> "pd.DataFrame":
    """A row for each architecture, the best scored first; ranks count from 1, equals share the best one."""
    import pandas as pd

    truth, sign = scored.question.truth, 1 if scored.question.maximise else -1
    table = pd.DataFrame(
        {
            "id": [architecture.id for architecture in truth.architectures],
            "score": scored.scores,
            "score_rank": _ranks(scored.turned * sign),
            "truth": truth.trainings.mean(axis=1),
            "truth_rank": _ranks(truth.trainings.mean(axis=1) * sign),
        }
    )
    if truth.trainings.shape[1] > 1:
        for number, training in enumerate(truth.trainings.T, start=1):
            table[f"truth_{number}"] = training
    table = table.join(scored.costs).assign(architecture=[each.key for each in truth.architectures])
    return table.sort_values(["score_rank", "id"], ignore_index=True)


def _ranks(values: np.ndarray) -> np.ndarray:
    from scipy.stats import rankdata

    return np.asarray(rankdata(-values, method="min"), dtype=np.int64)
