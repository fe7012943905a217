"""A part of a space: what is drawn from it, and what is refused."""

import pytest

from nas import UsageError
from nas.space import Condition, Space, Subspace

SPACE = Space(
    {"depth": [3, 1, 2], "kernel": [3, 5, 7], "last": ["a", "b"]},
    {"last": [(Condition(("depth",), frozenset({(0,)})),)]},
)


def test_draws_take_what_they_may_and_all_of_it() -> None:
    part = Subspace(SPACE, {"depth": [2, 3], "kernel": [7, 3]})
    drawn = {part.sample(seed) for seed in range(200)}
    assert all(each in SPACE for each in drawn)
    assert drawn == {each for each in SPACE if each["depth"] >= 2 and each["kernel"] != 5}


def test_smallest_and_largest_are_by_order_of_the_space() -> None:
    part = Subspace(SPACE, {"depth": [3, 2], "kernel": [3, 5]})
    assert dict(part.smallest()) == {"depth": 2, "kernel": 3}
    assert dict(part.largest()) == {"depth": 3, "kernel": 5, "last": "b"}
    everything = Subspace(SPACE, {})
    assert (everything.smallest(), everything.largest()) == (SPACE.smallest(), SPACE.largest())


@pytest.mark.parametrize(
    ("candidates", "sentence"),
    [
        ({"deph": [1]}, "names 'deph', which is no choice of this space; did you mean 'depth'?"),
        ({"depth": [1, 4]}, r"lets choice 'depth' take \[1, 4\], but its candidates are \[3, 1, 2\]"),
        ({"depth": []}, r"lets choice 'depth' take \[\], but its candidates are"),
    ],
)
def test_what_the_space_does_not_have_is_refused(candidates: dict[str, list[int]], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        Subspace(SPACE, candidates)
