"""The figures of the tasks that ship."""

from collections.abc import Mapping

from nas.tasks.classification import Classification
from nas.tasks.language import Language
from nas.tasks.metric import Metric
from nas.tasks.multi_label import MultiLabel
from nas.tasks.regression import Regression

__all__ = ["METRICS"]

_SHIPPED = (Classification, Language, Regression, MultiLabel)

METRICS: Mapping[str, Metric] = {metric.name: metric for task in _SHIPPED for metric in (task.metric, *task.others)}
"""By name."""
