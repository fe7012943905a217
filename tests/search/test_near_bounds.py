"""Architectures near a bound, and the one with all choices scaled alike."""

from collections.abc import Sequence

import pandas as pd
import pytest

from nas.search import Constraint, near_bounds, scaled_alike
from nas.space import Architecture, Space

SPACE = Space({f"width{number}": [1, 2, 3, 4, 6, 8] for number in range(8)})


def costs(architectures: Sequence[Architecture]) -> pd.DataFrame:
    """Squares add up, so that tight bounds are met by few random draws; the other cost is the number of ones."""
    return pd.DataFrame(
        {
            "flops": [sum(width**2 for width in each.values()) for each in architectures],
            "ones": [sum(width == 1 for width in each.values()) for each in architectures],
        }
    )


@pytest.mark.parametrize("share", [60, 30, 8])
def test_all_are_within_the_bound_and_use_most_of_it(share: int) -> None:
    bound = Constraint("flops", "<=", share / 100 * 8 * 64)
    found = near_bounds(SPACE, [bound], costs, seed=0, count=100)
    assert found is not None
    used = costs(found.architectures)["flops"] / bound.bound
    assert len(found) >= 100
    assert used.between(0.8, 1.0).all()
    assert used.is_monotonic_increasing
    assert len(set(found.architectures)) == len(found)


def test_every_constraint_holds() -> None:
    bounds = [Constraint("flops", "<=", 150), Constraint("ones", ">=", 2)]
    found = near_bounds(SPACE, bounds, costs, seed=1, count=50)
    assert found is not None
    table = costs(found.architectures)
    assert (table["flops"] <= 150).all()
    assert (table["ones"] >= 2).all()


def test_the_seed_alone_decides() -> None:
    bound = [Constraint("flops", "<=", 100)]
    one, same, other = (near_bounds(SPACE, bound, costs, seed, 40) for seed in (3, 3, 4))
    assert one is not None and same is not None and other is not None
    assert one.architectures == same.architectures != other.architectures


@pytest.mark.parametrize("most", [1, 30, 200])
def test_no_more_architectures_are_costed_than_allowed(most: int) -> None:
    asked = 0

    def counted(architectures: Sequence[Architecture]) -> pd.DataFrame:
        nonlocal asked
        asked += len(architectures)
        return costs(architectures)

    bound = Constraint("flops", "<=", 0.08 * 8 * 64)
    found = near_bounds(SPACE, [bound], counted, seed=0, count=100, most=most)
    assert asked <= max(4, most)
    assert found is None or (costs(found.architectures)["flops"] <= bound.bound).all()


def test_without_an_upper_bound_there_is_nothing_to_be_near() -> None:
    assert near_bounds(SPACE, [Constraint("ones", ">=", 2)], costs, seed=0) is None


def test_what_nothing_satisfies_has_none() -> None:
    assert near_bounds(SPACE, [Constraint("flops", "<=", 7)], costs, seed=0, count=10) is None


@pytest.mark.parametrize("share", [90, 40, 15])
def test_choices_are_scaled_alike_up_to_one_candidate(share: int) -> None:
    bound = Constraint("flops", "<=", share / 100 * 8 * 64)
    found = scaled_alike(SPACE, [bound], costs)
    assert found is not None
    positions = [SPACE.choices[name].index(width) for name, width in found.items()]
    assert max(positions) - min(positions) <= 1
    (row,) = costs([found])["flops"]
    assert row <= bound.bound


def test_nothing_is_scaled_to_what_cannot_be_met() -> None:
    assert scaled_alike(SPACE, [Constraint("flops", "<=", 7)], costs) is None
