"""Whether strategies differ by more than luck."""

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["holm", "rank_tests"]


def rank_tests(last: "pd.DataFrame", maximise: bool) -> dict[str, Any]:
    """Rank tests over seeds (Demšar, 2006): Friedman's for all strategies, Wilcoxon's with Holm's correction for pairs.

    Args:
        last: what each strategy reached in the end, ``[seeds, strategies]``.
        maximise: whether more is better.

    Returns:
        ``ranks`` (strategy → mean rank, 1 is the best), ``friedman`` (p, None with less than three strategies) and
        ``pairs``: ``better``, ``worse`` and the corrected ``p`` of each pair of strategies.
    """
    from scipy.stats import friedmanchisquare, rankdata, wilcoxon

    last = last.dropna()
    values = last.to_numpy() * (-1 if maximise else 1)
    names, enough = list(map(str, last.columns)), len(last) >= 2
    ranks = rankdata(values, axis=1).mean(axis=0) if len(last) else np.full(len(names), np.nan)
    differ = bool(np.ptp(values, axis=1).any()) if len(last) else False
    pairs: list[dict[str, Any]] = []
    for i, j in itertools.combinations(range(len(names)), 2) if enough else ():
        gap = values[:, i] - values[:, j]
        p = float(wilcoxon(gap).pvalue) if gap.any() else 1.0
        better, worse = (i, j) if ranks[i] <= ranks[j] else (j, i)
        pairs.append({"better": names[better], "worse": names[worse], "p": p})
    for pair, p in zip(pairs, holm([pair["p"] for pair in pairs]), strict=True):
        pair["p"] = p
    several = enough and len(names) > 2
    friedman = (float(friedmanchisquare(*values.T).pvalue) if differ else 1.0) if several else None
    return {
        "seeds": len(last),
        "ranks": {name: float(rank) for name, rank in zip(names, ranks, strict=True) if np.isfinite(rank)},
        "friedman": friedman,
        "pairs": pairs,
    }


def holm(p_values: "list[float]") -> list[float]:
    """The step-down correction of Holm (1979) for several tests.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order, corrected, least = np.argsort(p_values), [0.0] * len(p_values), 0.0
    for place, index in enumerate(order):
        least = max(least, min(1.0, (len(p_values) - place) * p_values[index]))
        corrected[index] = least
    return corrected
