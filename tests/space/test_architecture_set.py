"""Architectures that are listed, from which paths are drawn."""

import numpy as np
import pytest

from nas.errors import UsageError
from nas.space import ArchitectureSet, Space

SPACE = Space({"depth": [1, 2, 3], "width": [8, 16, 24, 32]})


def test_each_is_drawn_as_often() -> None:
    some = list(SPACE)[:5]
    draws = np.random.default_rng(0)
    found = [ArchitectureSet(some).sample(draws) for _ in range(5000)]
    counts = np.array([found.count(each) for each in some])
    assert counts.sum() == 5000
    assert ((counts - 1000) ** 2 / 1000).sum() < 18.5  # chi-square with 4 degrees of freedom, p = .001


def test_the_order_given_says_which_is_largest() -> None:
    first, *_, last = some = list(SPACE)
    assert (ArchitectureSet(some).smallest(), ArchitectureSet(some).largest()) == (first, last)


def test_an_empty_one_is_refused() -> None:
    with pytest.raises(UsageError, match="is empty"):
        ArchitectureSet([])
