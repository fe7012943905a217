"""Targets that have a row for each example."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nas.errors import UsageError
from nas.wording import counted

__all__ = ["names_of", "table"]


def table(targets: npt.ArrayLike, examples: int, where: str) -> np.ndarray:
    """Targets [N, k], also of targets [N]; UsageError if they are of another shape, or there are none."""
    values = np.asarray(targets)
    rows = values[:, None] if values.ndim == 1 else values
    if examples == 0:
        raise UsageError(f"{where} holds no example; give a set with examples.")
    if rows.ndim != 2 or len(rows) != examples or not rows.shape[1]:
        raise UsageError(
            f"{where} holds targets of shape {values.shape} for {counted(examples, 'example')}; give one number, or a "
            "row of them, for each example."
        )
    return rows


def names_of(names: Sequence[str], columns: int, where: str) -> None:
    """Refuses (UsageError) names of another number of columns; none at all will do."""
    if names and len(names) != columns:
        raise UsageError(
            f"{where} holds {counted(columns, 'target')} for each example, but the task names {len(names)}; name each "
            "of them, or none."
        )
