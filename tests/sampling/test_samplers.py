"""Path samplers: their distribution, and what every sampler must do."""

from collections import Counter
from functools import partial

import numpy as np
import pytest

from nas.sampling import Fair, Nested, Sandwich, Uniform
from nas.space import Architecture, Condition, Space
from nas.testing import PathSamplerSuite
from nas.training import Context, Path

SPACE = Space({"a": [1, 2, 3, 4], "b": ["w", "x", "y", "z"], "c": [0, 1, 2, 3]})
MIXED = Space({"a": [1, 2], "b": ["x", "y", "z"], "c": [0, 1, 2, 3]})
CONDITIONAL = Space({"a": [1, 2, 3], "b": [0, 1, 2]}, {"b": [(Condition(("a",), frozenset({(2,)})),)]})


def test_uniform_marginals() -> None:
    sampler = Uniform(SPACE, seed=0, paths=4)
    paths = [path for step in range(10_000) for path in sampler.draw(Context(step))]
    matrix = SPACE.indices([path.architecture for path in paths])
    assert matrix.shape == (40_000, 3) and {path.role for path in paths} == {"random"}
    for column in matrix.T:
        assert np.bincount(column, minlength=4) / 40_000 == pytest.approx(np.full(4, 0.25), abs=0.01)
    pairs = np.bincount(4 * matrix[:, 0] + matrix[:, 1], minlength=16) / 40_000
    assert pairs == pytest.approx(np.full(16, 1 / 16), abs=0.01), "choices are independent"


def test_fair_trains_every_candidate_once_a_step() -> None:
    sampler = Fair(SPACE, seed=0)
    orders = set()
    for step in range(50):
        matrix = SPACE.indices([path.architecture for path in sampler.draw(Context(step))])
        assert matrix.shape == (4, 3)
        assert np.array_equal(np.sort(matrix, axis=0), np.tile(np.arange(4)[:, None], 3))
        orders.add(matrix.tobytes())
    assert len(orders) > 45


@pytest.mark.parametrize("paths", [1, 4, 5, 12])
def test_fair_is_exact_within_a_round_of_mixed_numbers_of_candidates(paths: int) -> None:
    sampler = Fair(MIXED, seed=3, paths=paths)
    assert sampler.round_length == 12
    drawn = [path.architecture for step in range(60 // paths) for path in sampler.draw(Context(step))]
    for start in range(0, 60, 12):
        for name, candidates in MIXED.choices.items():
            counts = Counter(architecture[name] for architecture in drawn[start : start + 12])
            assert counts == dict.fromkeys(candidates, 12 // len(candidates))
    assert drawn[:12] != drawn[12:24]


def test_fair_takes_as_many_paths_as_the_largest_choice_has_candidates() -> None:
    assert [len(Fair(space, 0).draw(Context(0))) for space in (SPACE, MIXED, CONDITIONAL)] == [4, 4, 3]


def test_sandwich_goes_from_the_largest_to_the_smallest() -> None:
    sampler = Sandwich(SPACE, seed=0, random=3)
    middles: set[Architecture] = set()
    for step in range(20):
        largest, *middle, smallest = sampler.draw(Context(step))
        assert largest == Path(SPACE.largest(), "largest") and smallest == Path(SPACE.smallest(), "smallest")
        assert [path.role for path in middle] == ["random"] * 3
        middles.update(path.architecture for path in middle)
    assert len(middles) > 20
    assert [path.role for path in Sandwich(SPACE, seed=0, random=0).draw(Context(0))] == ["largest", "smallest"]


def test_the_main_model_is_among_the_nested_ones_every_few_steps() -> None:
    sampler, largest = Nested(SPACE, seed=0, paths=3, main_every=4), Path(SPACE.largest(), "largest")
    drawn = [sampler.draw(Context(step)) for step in range(40)]
    assert [step for step, paths in enumerate(drawn) if largest in paths] == list(range(0, 40, 4))
    assert all(len(paths) == 3 and [path.role for path in paths[1:]] == ["random"] * 2 for paths in drawn)


def test_one_nested_path_is_a_uniform_one() -> None:
    nested, uniform = Nested(SPACE, seed=7, paths=1, main_every=3), Uniform(SPACE, seed=7)
    for step in range(20):
        assert step % 3 == 0 or nested.draw(Context(step)) == uniform.draw(Context(step))


class TestEverySampler(PathSamplerSuite):
    @pytest.fixture(
        autouse=True,
        params=[partial(Uniform, paths=2), Fair, partial(Fair, paths=5), Sandwich, Nested],
        ids=["uniform", "fair", "fair, odd", "sandwich", "nested"],
    )
    def sampler(self, request: pytest.FixtureRequest) -> None:
        self.make = request.param
