"""Which of several networks is to be taken, where they were evaluated by the same examples.

Two networks that see the same examples err on much the same of them, so their difference is known far better than
either score. Everything here goes by the differences example by example, be these right or wrong answers (where the
test is that of McNemar, 1947, without his correction) or the bits of a window of text.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import studentized_range

from nas.tasks.intervals import Floats, Groups, standard_errors

__all__ = ["Verdict", "cheapest_of_equals", "paired_difference"]

_LEVEL = 0.05
_HALF = 1.959964
"""Half of the 95 % interval of a normal distribution, in standard deviations."""
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Verdict:
    """What the examples say of the networks; indices are positions among them.

    Attributes:
        chosen: the cheapest of the equals.
        best: the one with the best mean.
        behind: ``[networks]``, by how much each is worse than the best.
        errors: ``[networks]``, the standard error of that.
        equals: those that are no more than ``within`` standard errors behind, the best among them.
        differ: whether chance alone hardly explains (at 5 %, all pairs together) that another is so far behind.
    """

    chosen: int
    best: int
    behind: Floats
    errors: Floats
    equals: list[int]
    differ: bool


def cheapest_of_equals(
    results: npt.ArrayLike, costs: Sequence[float], maximise: bool, within: float, groups: Groups | None = None
) -> Verdict:
    """The cheapest network that is not more than so many standard errors worse than the best.

    One is the rule of Breiman et al. (1984), with the error of the difference in index of that of the score. The best
    of noisy scores is less far ahead than it looks, but dearer networks tend to be better: the more errors are allowed,
    the more of the metric is given away for a lower cost.

    Args:
        results: ``[networks, examples]``, what each example says of each network.
        costs: ``[networks]``; of equal costs the better, then the first network is taken.
        maximise: whether more of the metric is better.
        within: standard errors of the difference.
        groups: ``[examples]``, equal for copies of one example.
    """
    scores = np.asarray(results, dtype=float) * (1.0 if maximise else -1.0)
    means = scores.mean(axis=1)
    best = min(range(len(means)), key=lambda index: (-means[index], costs[index], index))
    behind, errors = means[best] - means, standard_errors(scores[best] - scores, groups)
    known = np.where(np.isfinite(errors), errors, 0.0)  # of a single example nothing is known, and none equals it
    reach = within * known * (1 + _ROUNDING)
    equals = [index for index in range(len(means)) if index == best or behind[index] <= reach[index]]
    chosen = min(equals, key=lambda index: (costs[index], -means[index], index))
    return Verdict(chosen, best, behind, errors, equals, _differ(behind, errors, scores.shape[1], groups))


def paired_difference(
    one: npt.ArrayLike, other: npt.ArrayLike, groups: Groups | None = None
) -> tuple[float, float, float]:
    """How far the mean of one network is above that of another, and the 95 % interval of that.

    Args:
        one, other: ``[examples]``, what each example says of either.
        groups: ``[examples]``, equal for copies of one example.

    >>> [round(each, 3) for each in paired_difference([1.0, 1.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0])]
    [0.5, -0.066, 1.066]
    """
    differences = np.asarray(one, dtype=float) - np.asarray(other, dtype=float)
    mean, reach = float(differences.mean()), _HALF * float(standard_errors(differences, groups))
    return mean, mean - reach, mean + reach


def _differ(behind: Floats, errors: Floats, examples: int, groups: Groups | None) -> bool:
    """Whether the farthest is farther off than the range of so many equal networks (Tukey, 1949) would be."""
    count = examples if groups is None else len(np.unique(groups))
    if count < 2:
        return False
    worse = behind > 0
    far = np.divide(behind, errors, out=np.full_like(behind, np.inf), where=errors > 0)[worse]
    return bool(len(far) and studentized_range.sf(far.max() * 2**0.5, len(behind), count - 1) < _LEVEL)
