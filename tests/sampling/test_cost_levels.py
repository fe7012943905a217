"""Levels of a cost: what is drawn at each of them."""

import numpy as np
import pytest
from known_costs import NESTED, SIZES, table

from nas.sampling import CostLevels
from nas.space import Architecture, Space, Subspace


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def flops(architecture: Architecture) -> int:
    return int(table([architecture])["flops"][0])


def test_levels_are_equal_parts_of_the_range() -> None:
    levels = CostLevels(SIZES, table, levels=4)
    assert levels.edges.tolist() == [12, 21, 30, 39, 48] and len(levels) == 4
    assert [levels.of(each) for each in (SIZES.smallest(), SIZES.largest())] == [0, 3]
    assert levels.of_all([SIZES.smallest(), SIZES.largest()]) == [0, 3] and levels.of_all([]) == []
    at_edge = SIZES.architecture({name: 4 if number < 3 else 1 for number, name in enumerate(SIZES.choices)})
    assert flops(at_edge) == 21 and levels.of(at_edge) == 1, "an edge belongs to the level above it"


@pytest.mark.parametrize("space", [SIZES, NESTED])
@pytest.mark.parametrize("level", range(5))
def test_every_level_is_drawn_from_in_many_ways(space: Space, level: int) -> None:
    levels, draws = CostLevels(space, table, levels=5), rng()
    drawn = [levels.draw(level, draws) for _ in range(100)]
    assert all(each in space for each in drawn)
    assert [levels.of(each) for each in drawn].count(level) >= (100 if space is SIZES else 85)
    assert len(set(drawn)) > (50 if space is SIZES else 1)
    uniform = [levels.of(space.sample(draws)) for _ in range(1000)]
    if space is SIZES and level in (0, 4):
        assert uniform.count(level) < 10, "which uniform draws hardly ever reach"


def test_a_part_of_a_space_is_not_left() -> None:
    part = Subspace(SIZES, {name: [1, 2] for name in SIZES.choices})
    levels, draws = CostLevels(part, table, levels=4), rng()
    for level in range(4):
        for _ in range(20):
            drawn = levels.draw(level, draws)
            assert set(drawn.values()) <= {1, 2}
            assert abs(levels.of(drawn) - level) <= 1


def test_levels_that_no_architecture_has_give_the_nearest() -> None:
    gap = Space({"a": [1, 100], "b": [1, 2]})
    levels = CostLevels(gap, table, levels=10)
    assert {levels.of(levels.draw(level, rng())) for level in range(10)} == {0, 9}
    assert {levels.of(levels.draw(2, rng(seed))) for seed in range(10)} == {0}


def test_a_space_of_one_cost_has_one_level() -> None:
    levels = CostLevels(Space({"a": ["x", "y"]}), lambda each: table([Architecture({})] * len(each)))
    assert levels.of(Architecture({"a": "x"})) == levels.of(Architecture({"a": "y"}))
