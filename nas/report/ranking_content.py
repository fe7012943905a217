"""What the page about a ranking shows, as plain values: whoever ranked fills it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nas.errors import UsageError
from nas.evaluation import ranking

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RankingContent", "alike", "measures", "truth_name"]

_COLUMNS = ("id", "score", "score_rank", "truth", "truth_rank", "architecture")


@dataclass(frozen=True, kw_only=True, eq=False)
class RankingContent:
    """How well a supernet ranks architectures.

    Attributes:
        title: of the page.
        summary: ``method``, ``space`` and ``data``, as far as they are known.
        record: what :meth:`nas.evaluation.ranking.Ranking.record` gives, with ``metric`` (name of the score),
            ``columns`` (names of the truth), ``percent`` (whether it is in per cent), ``maximise`` (whether greater
            truths are better), ``epochs`` (None, or ``epoch``, ``tau``, ``consecutive`` and ``agreement``, None of one
            epoch) and ``notes`` (sentences).
        table: a row for each architecture, the best scored first: ``id``, ``score``, ``score_rank``, ``truth``,
            ``truth_rank`` (1 is the best), ``architecture`` (JSON) and any costs.

    Raises:
        UsageError: the table lacks a column.
    """

    title: str
    summary: Mapping[str, Any]
    record: Mapping[str, Any]
    table: "pd.DataFrame"

    def __post_init__(self) -> None:
        missing = [name for name in _COLUMNS if name not in self.table]
        if missing:
            raise UsageError(f"the table of a ranking lacks the column '{missing[0]}'; add it to every row.")

    @property
    def truth(self) -> str:
        """What the truth is called, with its unit."""
        return truth_name(self.record)


def truth_name(record: Mapping[str, Any]) -> str:
    """The columns of the truth, with the unit where that is per cent.

    >>> truth_name({"columns": ["test_accuracy"], "percent": True})
    'test_accuracy (%)'
    """
    return ", ".join(record["columns"]) + (" (%)" if record["percent"] else "")


def measures(record: Mapping[str, Any]) -> dict[str, Mapping[str, float | None] | None]:
    """Every tau of a ranking by what it is called: ``value``, ``low`` and ``high``; None where it is not known.

    The supernet's own come first, then what it must be compared with.
    """
    costs = record["costs"]
    return {
        "tau": record["tau"],
        "sparse tau": record["sparse_tau"],
        "weighted tau": record["weighted_tau"],
        **{f"tau within {alike(cost)} {ranking.cost_word(name)}": cost["within"] for name, cost in costs.items()},
        **{f"tau of {ranking.cost_word(name)} alone": cost["tau"] for name, cost in costs.items()},
        "ceiling: tau between trainings": record["ceiling"],
    }


def alike(cost: Mapping[str, Any]) -> str:
    """What architectures of one stratum of a cost have: "equal" or "similar" values of it."""
    return "equal" if cost["rule"] == "equal" else "similar"
