"""Path samplers: their distribution, and what every sampler must do."""

from collections import Counter
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from nas.errors import UsageError
from nas.sampling import Diagonal, Fair, Nested, Sandwich, Slimmable, Uniform
from nas.space import Architecture, Condition, Space
from nas.testing import PathSamplerSuite
from nas.training import Context, Path, PathSampler

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


def test_a_group_of_choices_has_one_size_and_the_others_are_the_same_in_a_step() -> None:
    sampler, group = Diagonal(MIXED, ["a", "c"], seed=0), {(2, 3): "b", (2, 2): "b", (1, 1): "b", (1, 0): "b"}
    others = set()
    for step in range(50):
        paths = [path.architecture for path in sampler.draw(Context(step))]
        assert [(path["a"], path["c"]) for path in paths] == list(group)
        assert len({path["b"] for path in paths}) == 1
        others.add(paths[0]["b"])
    assert others == {"x", "y", "z"}


def test_some_of_the_sizes_are_drawn_equally_often() -> None:
    sampler = Diagonal(SPACE, ["a", "c"], seed=0, sizes=2)
    drawn = [path.architecture for step in range(2000) for path in sampler.draw(Context(step))]
    assert len(drawn) == 4000 and all(SPACE.indices([each])[0, 0] == each["c"] for each in drawn)
    shares = [count / 4000 for count in Counter(each["c"] for each in drawn).values()]
    assert shares == pytest.approx([0.25] * 4, abs=0.02)


def test_a_slimmable_step_holds_both_extremes_and_each_network_once() -> None:
    widths = Space({name: SPACE.choices[name] for name in ("a", "c")})
    for space, group, count in ((widths, ["a", "c"], 4), (SPACE, ["a", "c"], 6), (CONDITIONAL, ["b"], 5)):
        sampler = Slimmable(space, group, seed=0)
        for step in range(20):
            paths = sampler.draw(Context(step))
            assert paths[0] == Path(space.largest(), "largest") and paths[-1] == Path(space.smallest(), "smallest")
            assert len({path.architecture for path in paths}) == len(paths) <= count
    assert [len(Slimmable(widths, ["a", "c"], 0).draw(Context(step))) for step in range(5)] == [4] * 5
    assert {len(Slimmable(SPACE, ["a"], 0, sizes=2).draw(Context(step))) for step in range(20)} <= {3, 4}


@pytest.mark.parametrize(("group", "sizes"), [([], None), (["a"], 5), (["a"], 0)])
def test_sizes_that_there_are_not_are_refused(group: list[str], sizes: int | None) -> None:
    with pytest.raises(UsageError, match=r"Diagonal shall train \d sizes a step, but its group"):
        Diagonal(SPACE, group, 0, sizes)


def _diagonal(sampler: Callable[..., PathSampler], space: Space, seed: int) -> PathSampler:
    """With some of the choices that are numbers as a group."""
    numbers = [name for name, each in space.choices.items() if isinstance(each[0], int) and name != "depth"]
    return sampler(space, numbers[::2], seed)


GROUPED = [partial(_diagonal, each) for each in (Diagonal, partial(Diagonal, sizes=2), Slimmable)]


class TestEverySampler(PathSamplerSuite):
    @pytest.fixture(
        autouse=True,
        params=[partial(Uniform, paths=2), Fair, partial(Fair, paths=5), Sandwich, Nested, *GROUPED],
        ids=["uniform", "fair", "fair, odd", "sandwich", "nested", "diagonal", "diagonal, some", "slimmable"],
    )
    def sampler(self, request: pytest.FixtureRequest) -> None:
        self.make = request.param
