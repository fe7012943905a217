"""The interval of an accuracy, and the sums it comes from."""

import pytest
import torch
import torch.nn.functional as F
from scipy.stats import binomtest
from torch import nn

from nas.evaluation import accuracy_interval, evaluate


@pytest.mark.parametrize(
    ("correct", "seen"), [(0, 1), (1, 1), (0, 50), (50, 50), (9, 10), (1, 360), (180, 360), (9999, 10_000)]
)
def test_the_interval_is_wilsons(correct: int, seen: int) -> None:
    expected = binomtest(correct, seen).proportion_ci(confidence_level=0.95, method="wilson")
    assert accuracy_interval(correct, seen) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_metrics_over_unequal_batches_are_those_of_all_images() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(4, 3)).train()
    x, y = torch.randn(25, 1, 2, 2), torch.randint(0, 3, (25,))
    metrics = evaluate(network, [(x[:10], y[:10]), (x[10:], y[10:])])
    logits = network.eval()(x)
    correct = int((logits.argmax(1) == y).sum())
    assert metrics["accuracy"] == correct / 25
    assert metrics["loss"] == pytest.approx(F.cross_entropy(logits, y).item(), rel=1e-5)
    assert (metrics["accuracy_low"], metrics["accuracy_high"]) == accuracy_interval(correct, 25)
