"""Every mistake with a space gets one sentence that names the thing."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nas.errors import UsageError
from nas.space import Architecture, Choice, Condition, Space

SPACE = Space(
    {"depth": [1, 2], "kernel": [3, 5], "operation": ["skip", "conv"]},
    {"kernel": [(Condition(("depth",), frozenset({(1,)})),)]},
)

MISTAKES: dict[str, tuple[Callable[[], Any], str]] = {
    "unknown choice, close": (
        lambda: SPACE.architecture({"dept": 1, "operation": "skip"}),
        r"names 'dept', which is no choice of this space; did you mean 'depth'\?",
    ),
    "unknown choice, far": (lambda: SPACE.architecture({"zzz": 1}), r"'zzz'.*known are depth, kernel, operation\."),
    "wrong value": (
        lambda: SPACE.architecture({"depth": 3, "operation": "skip"}),
        r"choice 'depth' is 3, but its candidates are \[1, 2\]\.",
    ),
    "float for an integer": (
        lambda: SPACE.architecture({"depth": 1.0, "operation": "skip"}),
        r"choice 'depth' is 1\.0, but",
    ),
    "wrong value of an inactive choice": (
        lambda: SPACE.architecture({"depth": 1, "kernel": 4, "operation": "skip"}),
        r"choice 'kernel' is 4, but",
    ),
    "value that is not JSON": (
        lambda: SPACE.architecture({"depth": np.int64(1), "operation": "skip"}),
        r"candidate np.int64\(1\) is not a JSON value",
    ),
    "missing active value": (
        lambda: SPACE.architecture({"depth": 2, "operation": "skip"}),
        r"no value to the active choice 'kernel'; add one of \[3, 5\]\.",
    ),
    "no candidates": (lambda: Choice([]), r"a Choice has no candidates; give at least one"),
    "duplicate candidates": (lambda: Choice([3, 5, 3]), r"Choice\(\[3, 5, 3\]\) lists 3 twice"),
    "duplicate lists": (lambda: Choice([[1, 2], (1, 2)]), r"lists \[1, 2\] twice"),
    "candidate that is not JSON": (lambda: Choice([object()]), r"candidate <object .* is not a JSON value"),
    "candidate that is not a number": (lambda: Choice([float("nan")]), r"candidate nan is not a JSON value"),
    "space with a bad choice": (lambda: Space({"a": [1, 1]}), r"lists 1 twice"),
    "architecture that is not JSON": (
        lambda: Architecture.from_json("{depth: 1}"),
        r"architecture '\{depth: 1\}' is not JSON \(.*\); expected an object",
    ),
    "architecture that is a list": (
        lambda: Architecture.from_json("[1]"),
        r"architecture '\[1\]' is not a JSON object that maps choice names",
    ),
    "order that lists a candidate twice": (
        lambda: Space({"a": [1, 2]}, order={"a": [0, 0]}),
        r"order of choice 'a' is \[0, 0\]; expected each position of its 2 candidates once",
    ),
    "order of an unknown choice": (lambda: Space({"a": [1]}, order={"b": [0]}), r"order of choice 'b' is \[0\]"),
    "order that is no list": (
        lambda: Space.from_json('{"choices": {"a": [1]}, "uses": {}, "order": {"a": 0}}'),
        r"is not the JSON of a space \(TypeError",
    ),
    "space that is not JSON": (lambda: Space.from_json("depth"), r"text 'depth' is not the JSON of a space"),
    "space without uses": (lambda: Space.from_json('{"choices": {}}'), r"is not the JSON of a space \(KeyError"),
    "space that is a list": (lambda: Space.from_json("[]"), r"is not the JSON of a space \(TypeError"),
    "matrix of the wrong width": (
        lambda: SPACE.from_indices([[0, 0]]),
        r"index matrix has shape \(1, 2\), expected \[n, 3\]",
    ),
    "index too large": (lambda: SPACE.from_indices([[0, 0, 2]]), r"choice 'operation' has index 2, but 2 candidates\."),
    "negative index of an active choice": (
        lambda: SPACE.from_indices([[1, -1, 0]]),
        r"choice 'kernel' has index -1, but",
    ),
    "nothing to mutate": (
        lambda: Space({"a": [1]}).mutate(Architecture({"a": 1}), 0),
        r"cannot be mutated: none of its active choices has a second candidate",
    ),
}


@pytest.mark.parametrize(("mistake", "sentence"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_have_sentences(mistake: Callable[[], Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence) as caught:
        mistake()
    assert "\n" not in str(caught.value) and str(caught.value).endswith((".", "?"))


@pytest.mark.parametrize(
    ("values", "member"),
    [
        ({"depth": 1, "operation": "skip"}, True),
        ({"depth": 2, "operation": "skip", "kernel": 3}, True),
        ({"depth": 1, "operation": "skip", "kernel": 3}, False),
        ({"depth": 2, "operation": "skip"}, False),
        ({"depth": 3, "operation": "skip"}, False),
        ("depth", False),
        (7, False),
    ],
)
def test_membership(values: object, member: bool) -> None:
    assert (values in SPACE) is member


def test_columns_name_the_one_hot_encoding() -> None:
    assert SPACE.columns == ["depth=1", "depth=2", "kernel=3", "kernel=5", "operation=skip", "operation=conv"]
    encoded = SPACE.one_hot([SPACE.architecture({"depth": 1, "operation": "conv"})])
    assert encoded.tolist() == [[1, 0, 0, 0, 0, 1]] and encoded.dtype == np.float32
