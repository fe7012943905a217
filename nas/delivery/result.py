"""What a search came to, as ``best.json`` holds it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["SearchResult"]

Row = Mapping[str, Any]


@dataclass(frozen=True)
class SearchResult:
    """The networks that a search found, and what their figures belong to.

    A network is a row: ``id``, ``architecture``, every cost, ``latency_ms`` with ``latency_spread_ms`` and
    ``latency_source`` ("measured", "recorded" or "predicted"), and its figures, named as :mod:`nas.delivery.selection`
    says: ``accuracy`` with ``accuracy_low`` and ``accuracy_high`` (95 %), ``selection_accuracy``, ``optimism``,
    ``test_accuracy``, ``shared_accuracy`` or ``searched_accuracy`` before it was trained again, ``float32_accuracy``
    where the file is of another type; by the name of the task's metric.

    Attributes:
        run: the name of the run.
        space: of architectures.
        evaluator: of candidates.
        method: that trained the supernet; None without one.
        sharing: the scheme of the supernet, and its size; None without one.
        metric: of the task.
        objective: what was searched for, such as "accuracy".
        score: the column of the objective in rows and tables.
        cost: what was kept low.
        own_costs: names of the costs of the run's own.
        best: the network in ``best.onnx``, with ``file`` (what it reads and answers), ``parity`` with PyTorch and, of a
            classifier, ``calibration_error``: how far its confidence is from its accuracy, from 0 to 1.
        largest: the largest network.
        random: the best of random draws, taken by the same rule; None if nothing was drawn or nothing fits.
        front: the Pareto front as measured.
        selection: why ``best`` was taken, as :func:`nas.delivery.selection.select` says.
        notes: what whoever gets the network must know.
    """

    run: str
    space: str
    evaluator: str
    method: str | None
    sharing: Row | None
    metric: str
    objective: str
    score: str
    cost: str
    own_costs: Sequence[str]
    best: Row
    largest: Row
    random: Row | None
    front: Sequence[Row]
    selection: Row
    notes: Sequence[str]

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, to be written."""
        return asdict(self)
