"""What came of a retraining: sentences for the terminal and for the report of the run."""

from collections.abc import Mapping
from typing import Any

from nas.report.quantities import label, written

__all__ = ["retraining_sentence"]

_RULE = "by more than one standard error of their paired difference on the part of the validation split that selects"


def retraining_sentence(metric: str, retrained: Mapping[str, Any]) -> str:
    """Which network the run hands over now, by which rule, and how it compares with the other.

    Args:
        metric: name of the metric that evaluated them.
        retrained: of ``best.json``.
    """
    name, tested = label(metric).lower(), f"test_{metric}"
    before, after = (written(metric, retrained[each]) for each in ("before", "after"))
    if not retrained["delivered"]:
        return (
            f"Retraining found nothing better than the network that best.onnx holds, which stays: the best retrained "
            f"network, {retrained['id']}, is not ahead of it {_RULE}. On the part that confirms the {name} of the "
            f"retrained network is {after}, and that of best.onnx is {before}."
        )
    return (
        f"best.onnx holds {retrained['id']}, retrained from {retrained['start']} weights: it is ahead of the former "
        f"file {_RULE}. On the part that confirms its {name} is {after}, and that of the former file, kept as "
        f"{retrained['former']}, is {before}; on the test split it is {written(tested, retrained[tested])}."
    )
