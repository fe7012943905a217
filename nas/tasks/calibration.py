"""How far the confidence of a classifier is from its accuracy."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

__all__ = ["Calibration"]

_BINS = 15


@dataclass(frozen=True, eq=False)
class Calibration:
    """Examples in bins of equal width by confidence, the probability of the class that is answered.

    Attributes:
        counts: ``[bins]``, examples of each bin.
        confidences: ``[bins]``, their mean confidence; 0 where there is no example.
        accuracies: ``[bins]``, the share of them that is right; 0 where there is no example.
    """

    counts: npt.NDArray[np.int64]
    confidences: npt.NDArray[np.float64]
    accuracies: npt.NDArray[np.float64]

    @classmethod
    def of(cls, confidences: npt.ArrayLike, right: npt.ArrayLike, bins: int = _BINS) -> Self:
        """That of confidences ``[n]`` from 0 to 1 and whether each answer is right ``[n]``."""
        found = np.asarray(confidences, dtype=float)
        place = np.clip(np.ceil(found * bins).astype(int) - 1, 0, bins - 1)
        counts = np.bincount(place, minlength=bins)
        sums = (np.bincount(place, each, bins) for each in (found, np.asarray(right, dtype=float)))
        return cls(counts, *(each / np.maximum(counts, 1) for each in sums))

    @property
    def error(self) -> float:
        """The expected calibration error (Guo et al., 2017): the mean distance of the two, over examples, from 0 to 1.

        Of few examples it is above zero even where the confidence is right, the more so the fewer.

        >>> Calibration.of([0.75, 0.75, 0.5, 0.5], [True, True, True, False]).error
        0.125
        """
        return float(np.average(np.abs(self.confidences - self.accuracies), weights=self.counts))
