"""The interval of an accuracy, and the sums it comes from."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import binomtest
from torch import nn

from nas.data import ImageSplit
from nas.evaluation import evaluate, groups_of
from nas.tasks import Classification
from nas.tasks.intervals import accuracy_interval, effective_size

TASK = Classification(["cat", "dog", "owl"])


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
    metrics = evaluate(network, ImageSplit(x, y, torch.zeros(1), torch.ones(1)).batches(10), TASK)
    logits = network.eval()(x)
    correct = int((logits.argmax(1) == y).sum())
    assert metrics["accuracy"] == correct / 25
    assert metrics["loss"] == pytest.approx(F.cross_entropy(logits, y).item(), rel=1e-5)
    assert (metrics["accuracy_low"], metrics["accuracy_high"]) == accuracy_interval(correct, 25)


def test_copies_of_one_image_widen_the_interval_as_far_as_they_agree() -> None:
    """Five copies that all agree tell as much as one image; copies that err at random tell as much as five."""
    rng, groups = np.random.default_rng(0), np.repeat(np.arange(200), 5)
    agreeing = np.repeat(rng.random(200) < 0.8, 5)
    unrelated = rng.random(1000) < 0.8
    assert effective_size(agreeing, groups) == pytest.approx(200, rel=0.02)
    assert effective_size(unrelated, groups) > 800
    assert effective_size(unrelated) == 1000
    assert effective_size(np.ones(1000), groups) == 200


def test_intervals_of_copies_cover_the_truth_as_often_as_they_say() -> None:
    rng, groups, covered, by_copy = np.random.default_rng(1), np.repeat(np.arange(150), 4), 0, 0
    for _ in range(400):
        easy = np.repeat(rng.beta(4, 1, size=150), 4)
        correct = rng.random(600) < easy
        share = float(correct.mean())
        for size, counts in ((effective_size(correct, groups), True), (600.0, False)):
            low, high = accuracy_interval(share * size, size)
            covered += counts and low < 0.8 < high
            by_copy += not counts and low < 0.8 < high
    assert 0.92 < covered / 400 < 0.98 and by_copy < covered - 10


def test_a_tally_goes_by_the_groups_of_its_examples() -> None:
    logits, labels = torch.eye(2).repeat_interleave(50, 0), torch.zeros(100, dtype=torch.long)
    plain, grouped = TASK.tally(), TASK.tally(groups=np.repeat([0, 1], 50))
    for tally in (plain, grouped):
        tally.add(logits[:30], labels[:30])
        tally.add(logits[30:], labels[30:])
    assert plain.results.tolist() == grouped.results.tolist() == [1.0] * 50 + [0.0] * 50
    assert grouped.metrics()["accuracy_low"] < 0.1 and plain.metrics()["accuracy_low"] > 0.4


def test_a_network_is_judged_by_the_groups_of_its_split() -> None:
    images, labels = torch.eye(2).repeat_interleave(50, 0)[:, :, None, None], torch.zeros(100, dtype=torch.long)
    alone = ImageSplit(images, labels, torch.zeros(1), torch.ones(1))
    copies = ImageSplit(images, labels, torch.zeros(1), torch.ones(1), torch.tensor([0, 1]).repeat_interleave(50))
    of_copies, of_alone = (
        evaluate(nn.Flatten(), split.batches(30), TASK, groups=groups_of(split)) for split in (copies, alone)
    )
    assert of_copies["accuracy_low"] < 0.1 < of_alone["accuracy_low"]
