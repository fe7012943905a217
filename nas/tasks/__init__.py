"""What the networks of a data set must do: what they learn from, are evaluated by, and how they agree."""

from collections.abc import Mapping

from nas.tasks.classification import ACCURACY, Classification
from nas.tasks.language import BITS_PER_CHARACTER, Language
from nas.tasks.losses import CrossEntropy, Forward, InPlaceDistillation, LossTerm, Taught, Told
from nas.tasks.metric import Metric
from nas.tasks.multi_label import MEAN_AVERAGE_PRECISION, MultiLabel
from nas.tasks.regression import RMSE, Regression
from nas.tasks.tally import Tally
from nas.tasks.task import Task

__all__ = [
    "ACCURACY",
    "BITS_PER_CHARACTER",
    "MEAN_AVERAGE_PRECISION",
    "METRICS",
    "RMSE",
    "Classification",
    "CrossEntropy",
    "Forward",
    "InPlaceDistillation",
    "Language",
    "LossTerm",
    "Metric",
    "MultiLabel",
    "Regression",
    "Tally",
    "Task",
    "Taught",
    "Told",
]

_SHIPPED = (Classification, Language, Regression, MultiLabel)

METRICS: Mapping[str, Metric] = {metric.name: metric for task in _SHIPPED for metric in (task.metric, *task.others)}
"""The figures of the tasks that ship, by name."""
