"""How far a mean over examples may be off: standard errors and 95 % intervals.

Copies of one image are no independent examples, so errors are those of the means over groups (Liang and Zeger, 1986).
"""

import math

import numpy as np
import numpy.typing as npt

from nas.errors import UsageError

__all__ = [
    "Floats", "Groups", "accuracy_interval", "effective_size", "mean_interval", "positive_mean_interval",
    "standard_errors",
]  # fmt: skip

_Z = 1.959964
"""Half of the 95 % interval of a normal distribution, in standard deviations."""

Floats = npt.NDArray[np.float64]
Groups = npt.NDArray[np.int64]
"""``[examples]``, equal for examples that are copies of one."""


def standard_errors(values: npt.ArrayLike, groups: Groups | None = None) -> Floats:
    """The standard error of the mean over the last axis ``[..., examples]``, shape ``[...]``; infinite for one group.

    >>> standard_errors([[1.0, 2.0, 3.0]]).round(3).tolist()
    [0.577]
    >>> standard_errors([1.0, 1.0, 3.0, 3.0], np.array([0, 0, 1, 1])).round(3).tolist()
    1.0
    """
    matrix = np.asarray(values, dtype=float)
    examples = matrix.shape[-1]
    rest = matrix - matrix.mean(axis=-1, keepdims=True)
    if groups is not None:
        starts = np.unique(np.sort(groups), return_index=True)[1]
        rest = np.add.reduceat(rest[..., np.argsort(groups, kind="stable")], starts, axis=-1)
    count = rest.shape[-1]
    if count < 2:
        return np.full(matrix.shape[:-1], np.inf)
    return np.asarray(np.sqrt(np.square(rest).sum(axis=-1) * count / (count - 1)) / examples)


def effective_size(correct: npt.ArrayLike, groups: Groups | None = None) -> float:
    """How many independent examples would tell the share of the correct ones as well.

    Between the number of groups, which it is where all are correct or none is, and that of examples.
    """
    values = np.asarray(correct, dtype=float)
    if groups is None:
        return float(len(values))
    count, share = len(np.unique(groups)), float(values.mean())
    if share in (0.0, 1.0):
        return float(count)
    error = float(standard_errors(values, groups))
    return min(max(share * (1 - share) / error**2 if error else math.inf, float(count)), float(len(values)))


def accuracy_interval(correct: float, seen: float) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson, 1927); sound also at 0 % and 100 %.

    >>> [round(bound, 3) for bound in accuracy_interval(9, 10)]
    [0.596, 0.982]
    """
    z2 = _Z**2
    share = correct / seen
    centre = share + z2 / (2 * seen)
    reach = (z2 * (share * (1 - share) + z2 / (4 * seen)) / seen) ** 0.5
    low, high = (centre - reach) / (1 + z2 / seen), (centre + reach) / (1 + z2 / seen)
    return max(0.0, low), min(1.0, high)


def mean_interval(values: npt.ArrayLike) -> tuple[float, float]:
    """The 95 % interval of a mean of values ``[n]``: 1.96 standard errors to either side.

    The values count as independent. Windows of text are nearly so, but characters within one are not, which is why
    the losses of windows go in, and not those of characters.

    Raises:
        UsageError: a single value shows no spread.

    >>> [round(bound, 3) for bound in mean_interval([1.0, 2.0, 3.0])]
    [0.868, 3.132]
    """
    numbers = np.asarray(values, dtype=float)
    if len(numbers) < 2:
        raise UsageError(f"The spread of {len(numbers)} window of text is not known; evaluate two or more.")
    mean, reach = float(numbers.mean()), _Z * float(standard_errors(numbers))
    return mean - reach, mean + reach


def positive_mean_interval(values: npt.ArrayLike, groups: Groups | None = None) -> tuple[float, float]:
    """The 95 % interval of a mean of positive values ``[n]``, such as squared errors, whose logarithm is nearly normal.

    >>> [round(bound, 3) for bound in positive_mean_interval([1.0, 2.0, 3.0])]
    [1.136, 3.522]
    """
    numbers = np.asarray(values, dtype=float)
    mean = float(numbers.mean())
    if mean == 0:
        return 0.0, 0.0
    error = float(standard_errors(numbers, groups)) / mean
    return mean * math.exp(-_Z * error), mean * math.exp(min(_Z * error, 700.0))
