"""The confidence of classifiers beside their accuracy."""

import itertools

import numpy as np
import pytest
import torch

from nas.report.calibration import calibration_section
from nas.tasks.calibration import Calibration


def answers(factor: float, n: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Confidences and whether answers are right, where the classes are drawn from a softmax of logits.

    Args:
        factor: of the logits that the confidence is of; with 1 it is what it should be.
    """
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(n, 10, generator=generator, dtype=torch.float64) * 2
    classes = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
    confidences, answered = (factor * logits).softmax(1).max(1)
    return confidences.numpy(), (answered == classes).numpy()


def test_who_draws_from_its_own_probabilities_is_calibrated_and_who_doubles_logits_is_not() -> None:
    assert Calibration.of(*answers(1)).error < 0.015
    assert Calibration.of(*answers(2)).error > 0.1
    some = [[each[start : start + 200] for each in answers(1)] for start in range(0, 4000, 200)]
    few = np.mean([Calibration.of(*each).error for each in some])
    assert few > 0.03, "of few examples it is too great"


def test_the_error_is_the_mean_distance_over_examples() -> None:
    confidences, right = answers(2, 3000)
    edges, total = np.linspace(0, 1, 16), 0.0
    for low, high in itertools.pairwise(edges):
        inside = (confidences > low) & (confidences <= high)
        if inside.any():
            total += inside.mean() * abs(confidences[inside].mean() - right[inside].mean())
    found = Calibration.of(confidences, right)
    assert found.error == pytest.approx(total, rel=1e-9) and found.counts.sum() == 3000
    assert Calibration.of([1.0, 0.0], [True, False]).counts.tolist() == [1, *[0] * 13, 1], "the ends have a bin"


def test_it_is_that_of_torchmetrics() -> None:
    metrics = pytest.importorskip("torchmetrics.functional.classification", reason="torchmetrics is not installed")
    confidences, right = answers(1.5, 3000)
    theirs = metrics.binary_calibration_error(torch.tensor(confidences), torch.tensor(right).long(), n_bins=15)
    assert Calibration.of(confidences, right).error == pytest.approx(float(theirs), abs=1e-6)


def test_the_page_says_on_which_side_it_is_wrong() -> None:
    assert "more confident than right" in calibration_section(Calibration.of(*answers(2)))
    assert "less confident than right" in calibration_section(Calibration.of(*answers(0.3)))
    assert "NaN" not in calibration_section(Calibration.of([0.9], [True])), "empty bins are no bars"
