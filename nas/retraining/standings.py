"""What is known of the last round of a search so far."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from nas.files import write_file
from nas.retraining.entrants import Entrant
from nas.retraining.legs import Leg
from nas.setup.folder import RunFolder
from nas.tasks import Metric

__all__ = ["Standings"]


class Standings:
    """Lengths and scores of the last round, kept in ``finish.json`` as they come, so that a killed round decides alike.

    Args:
        entrants: of the round.
    """

    def __init__(self, folder: RunFolder, metric: Metric, entrants: Sequence[Entrant]) -> None:
        self.folder, self.metric = folder, metric
        self._file = folder.path / "finish.json"
        known = folder.read(self._file, "lengths", "scores") if self._file.exists() else {"lengths": {}, "scores": {}}
        self._lengths: dict[str, dict[str, int]] = known["lengths"]
        self._scores: dict[str, dict[str, float]] = known["scores"]
        self._origins = {each.row["id"]: each.origin for each in entrants}

    def leg(self, name: str, decide: Callable[[], Leg]) -> Leg:
        """The length of a part, as it was decided when the round first came there."""
        if name not in self._lengths:
            self._lengths[name] = decide().as_dict()
            self._keep()
        return Leg(**self._lengths[name])

    def score(self, entrant: Entrant, column: str, evaluate: Callable[[], float]) -> float:
        """A figure of a network, as it was when the round first came there.

        Args:
            column: what it is of, such as "rung_1"; the name of the metric is put behind.
        """
        known = self._scores.setdefault(entrant.row["id"], {})
        name = self._column(column)
        if name not in known:
            known[name] = evaluate()
            self._keep()
        return known[name]

    def known(self, entrant: Entrant, column: str) -> float:
        """A figure that was told before."""
        return self._scores[entrant.row["id"]][self._column(column)]

    def best_first(self, column: str, entrants: Sequence[Entrant], cost: str) -> list[Entrant]:
        """Those with the best figure first; of equals the one that costs least."""
        sign = -1 if self.metric.maximise else 1
        return sorted(entrants, key=lambda each: (sign * self.known(each, column), each.row[cost]))

    def is_better(self, new: float, old: float) -> bool:
        """Whether a figure is above another, or below where less is better; equals are no better."""
        return new > old if self.metric.maximise else new < old

    @property
    def table(self) -> list[dict[str, Any]]:
        """A row for each entrant: id, origin and its figures."""
        return [{"id": name, "origin": origin, **self._scores.get(name, {})} for name, origin in self._origins.items()]

    def _column(self, name: str) -> str:
        return f"{name}_{self.metric.name}"

    def _keep(self) -> None:
        write_file(self._file, json.dumps({"lengths": self._lengths, "scores": self._scores}, indent=2))
