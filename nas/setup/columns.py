"""What results tell of a network by names of their own, which no cost and no evaluator may give again."""

from nas.costs import LATENCY, StaticCosts
from nas.tasks import Task

__all__ = ["own_columns"]

_SEARCHED = (
    *("id", "architecture", "feasible", "pareto", "optimism", "draws", "chosen"),
    *("file", "parity", "calibration_error"),
)
_MEASURED = (LATENCY, "latency_spread_ms", "latency_source", "measured_latency_ms", "measured_spread_ms")
_RETRAINED = (
    *("start", "recipe", "augmentation", "distillation"),
    *("trial", "trials", "epochs", "state", "seed", "begun", "before", "after", "delivered", "former"),
)
_PARTS = ("selection", "test", "shared", "searched", "float32")
"""What stands before a figure of the task: see :mod:`nas.delivery.selection`."""


def own_columns(task: Task) -> list[str]:
    """The names that a row of a result has, but for the plain figures of the task, which evaluators give.

    >>> from nas.tasks import Regression
    >>> {"id", "flops", "test_rmse", "epochs"} <= set(own_columns(Regression()))
    True
    """
    figures = [f"{part}_{name}" for part in _PARTS for name in task.columns]
    return [*_SEARCHED, *_MEASURED, *StaticCosts.names, *_RETRAINED, *figures]
