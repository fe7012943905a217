"""Levels of a cost are trained by how fast their losses fall."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from known_costs import SIZES, costs_in, table

from nas.sampling import CostLevels, Shifting
from nas.space import Space
from nas.testing import PathSamplerSuite
from nas.training import Context, Path

LEVELS = CostLevels(SIZES, table, levels=5)


def shifting(**options: Any) -> Shifting:
    return Shifting(SIZES, 3, LEVELS, **options)


def test_at_first_all_levels_are_trained_alike() -> None:
    sampler = shifting()
    assert sampler.probabilities == pytest.approx([0.2] * 5)
    paths = [path for step in range(500) for path in sampler.draw(Context(step)) if path.role == "random"]
    counts = Counter(LEVELS.of(path.architecture) for path in paths)
    assert all(count == pytest.approx(200, abs=50) for count in counts.values()) and len(counts) == 5


def feed(sampler: Shifting, losses: dict[int, list[float]]) -> None:
    for level, values in losses.items():
        for loss in values:
            sampler.update(level, loss)


def test_levels_whose_losses_fall_are_trained_more() -> None:
    sampler = shifting()
    feed(sampler, {level: [2.0] * 10 for level in range(5)})
    assert sampler.probabilities == pytest.approx([0.2] * 5)
    feed(sampler, {3: np.linspace(2, 1, 20).tolist(), 0: np.linspace(2, 2.5, 20).tolist()})
    likely = sampler.probabilities
    assert likely.argmax() == 3 and likely.argmin() == 0
    assert likely.sum() == pytest.approx(1) and likely.min() >= 0.3 / 5
    assert shifting(uniform=1.0).probabilities == pytest.approx([0.2] * 5)


def test_falls_are_shares_of_the_level_s_own_loss() -> None:
    """Small networks have larger losses, which fall by more."""
    sampler = shifting()
    feed(sampler, {0: np.linspace(10, 5, 30).tolist(), 4: np.linspace(1, 0.5, 30).tolist()})
    assert sampler.probabilities[0] == pytest.approx(sampler.probabilities[4])


def test_it_learns_from_random_paths_alone() -> None:
    sampler = shifting()
    roles = ("largest", "random", "smallest")
    for loss in (3.0, 2.0, 1.0):
        losses = [torch.tensor(loss)] * 3
        sampler.after_step(Context(0, paths=[Path(SIZES.largest(), role) for role in roles], losses=losses))
    assert sampler.probabilities.argmax() == 4
    assert sampler.record()["level_probabilities"][4] == pytest.approx(sampler.probabilities[4], abs=1e-4)
    again = shifting()
    again.restore(sampler.state())
    assert np.array_equal(again.probabilities, sampler.probabilities)
    feed(sampler, {0: [5.0, 1.0]})
    assert not np.array_equal(again.probabilities, sampler.probabilities), "states are copies"


class TestShifting(PathSamplerSuite):
    def make(self, space: Space, seed: int) -> Shifting:
        return Shifting(space, seed, CostLevels(space, costs_in(space), levels=5))
