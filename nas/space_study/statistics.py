"""What samples of metrics tell: quantiles and shares with their intervals, distances, effects of choices."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.benchmark.significance import holm
from nas.space import Architecture
from nas.streams import Stream, rng

__all__ = ["QUANTILES", "best_shares", "choice_effects", "describe", "differences", "losses"]

Floats = NDArray[np.float64]

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""From the best architectures to the worst."""
_RESAMPLES = 1000
_BEST_OF = 4
"""One of so many architectures, drawn with replacement, is what the best is taken of (RegNet)."""
_BEST_DRAWS = 2500
_FEWEST = 5


def losses(values: Sequence[float | None], maximise: bool) -> Floats:
    """What is to be low, ``[n]``; infinite where an architecture has no value.

    >>> losses([0.9, None], maximise=True).tolist()
    [-0.9, inf]
    """
    sign = -1.0 if maximise else 1.0
    return np.array([np.inf if value is None else sign * value for value in values], dtype=float)


def describe(sample: Floats, maximise: bool, thresholds: Sequence[float], seed: int) -> dict[str, Any]:
    """Quantiles and shares at least as good as thresholds, each with a bootstrap interval of 95 %.

    Returns:
        ``best``, ``quantiles`` (of the architectures, the best first: share → value, low, high) and ``shares``
        (threshold → share, low, high); values in the unit of the metric, None where that many have none.
    """
    sign = -1.0 if maximise else 1.0
    draws = rng(seed, Stream.POPULATION_BOOTSTRAP, 0)
    resampled = [sample[draws.integers(len(sample), size=len(sample))] for _ in range(_RESAMPLES)]
    at = {threshold: np.array([(each <= sign * threshold).mean() for each in resampled]) for threshold in thresholds}
    of = np.array([np.quantile(each, QUANTILES, method="inverted_cdf") for each in resampled])
    here = np.quantile(sample, QUANTILES, method="inverted_cdf")
    bounds = np.quantile(of, (0.025, 0.975), axis=0, method="inverted_cdf")
    rows = zip(QUANTILES, here, *np.sort(sign * bounds, axis=0), strict=True)
    return {
        "best": _plain(sign * sample.min()),
        "quantiles": {
            str(share): {"value": _plain(sign * value), "low": _plain(low), "high": _plain(high)}
            for share, value, low, high in rows
        },
        "shares": {
            str(threshold): {
                "share": float((sample <= sign * threshold).mean()),
                **dict(zip(("low", "high"), map(float, np.quantile(found, (0.025, 0.975))), strict=True)),
            }
            for threshold, found in at.items()
        },
    }


def differences(samples: Mapping[str, Floats]) -> list[dict[str, Any]]:
    """For each pair of populations the distance of Kolmogorov and Smirnov, with Holm's correction for several pairs.

    Returns:
        ``better`` and ``worse`` (by the median), ``distance`` from 0 to 1 and the corrected ``p`` of each pair.
    """
    from scipy.stats import ks_2samp

    pairs: list[dict[str, Any]] = []
    for first, second in itertools.combinations(samples, 2):
        found = ks_2samp(samples[first], samples[second])
        medians = [np.quantile(samples[name], 0.5, method="inverted_cdf") for name in (first, second)]
        better, worse = (first, second) if medians[0] <= medians[1] else (second, first)
        pairs.append({"better": better, "worse": worse, "distance": float(found.statistic), "p": float(found.pvalue)})
    return [{**pair, "p": p} for pair, p in zip(pairs, holm([pair["p"] for pair in pairs]), strict=True)]


def choice_effects(
    architectures: Sequence[Architecture], sample: Floats, maximise: bool, seed: int
) -> list[dict[str, Any]]:
    """What each candidate of each choice does to the distribution, the greatest effect first.

    Returns:
        A row for each candidate that at least five architectures have, and five others have not: ``choice``,
        ``candidate``, ``architectures``, ``median`` of these and ``others`` of the rest, ``distance`` between the two
        (Kolmogorov and Smirnov) with its ``p`` (Holm), and ``best_share``: how often it is in the best of a quarter of
        all that is drawn with replacement (Radosavovic et al., 2020).
    """
    from scipy.stats import ks_2samp

    sign, wins = -1.0 if maximise else 1.0, best_shares(architectures, sample, seed)
    rows = []
    for (choice, key), having in _holders(architectures):
        mask = np.zeros(len(sample), dtype=bool)
        mask[having] = True
        if min(mask.sum(), (~mask).sum()) < _FEWEST:
            continue
        found = ks_2samp(sample[mask], sample[~mask])
        medians = [np.quantile(sample[each], 0.5, method="inverted_cdf") for each in (mask, ~mask)]
        rows.append(
            {
                "choice": choice,
                "candidate": architectures[having[0]][choice],
                "architectures": len(having),
                "median": _plain(sign * medians[0]),
                "others": _plain(sign * medians[1]),
                "distance": float(found.statistic),
                "p": float(found.pvalue),
                "best_share": wins.get((choice, key), 0.0),
            }
        )
    corrected = holm([row["p"] for row in rows])
    told = [{**row, "p": p} for row, p in zip(rows, corrected, strict=True)]
    return sorted(told, key=lambda row: -row["distance"])


def best_shares(architectures: Sequence[Architecture], sample: Floats, seed: int) -> dict[tuple[str, str], float]:
    """(choice, candidate as text) → how often it is in the best of a quarter of all, drawn with replacement."""
    draws = rng(seed, Stream.POPULATION_BOOTSTRAP, 1)
    size = max(1, len(sample) // _BEST_OF)
    winners = np.zeros(len(sample))
    for _ in range(_BEST_DRAWS):
        drawn = draws.integers(len(sample), size=size)
        winners[drawn[np.argmin(sample[drawn])]] += 1 / _BEST_DRAWS
    return {name: float(winners[having].sum()) for name, having in _holders(architectures)}


def _holders(architectures: Sequence[Architecture]) -> Iterator[tuple[tuple[str, str], list[int]]]:
    """(choice, candidate as text) and the positions of the architectures that have it."""
    found: dict[tuple[str, str], list[int]] = {}
    for position, architecture in enumerate(architectures):
        for choice, candidate in architecture.items():
            found.setdefault((choice, str(candidate)), []).append(position)
    yield from found.items()


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
