"""Spaces that stand in a YAML file."""

from pathlib import Path

import pytest

from nas.errors import UsageError
from nas.space import Condition, Space, read_space


def written(folder: Path, text: str) -> Path:
    (folder / "space.yaml").write_text(text)
    return folder / "space.yaml"


def test_choices_and_conditions_are_read(tmp_path: Path) -> None:
    space = read_space(
        written(
            tmp_path,
            """
            choices: {depth: [1, 2, 3], attention: [true, false], heads: [2, 4], last: [3, 5]}
            conditions:
              heads: {attention: true, depth: [2, 3]}
              last: [{depth: 3}, {heads: 4}]
            """,
        )
    )
    depth, attention, heads = (
        Condition((name,), frozenset(allowed))
        for name, allowed in (("depth", {(1,), (2,)}), ("attention", {(0,)}), ("heads", {(1,)}))
    )
    last = [(Condition(("depth",), frozenset({(2,)})),), (heads,)]
    choices = {"depth": [1, 2, 3], "attention": [True, False], "heads": [2, 4], "last": [3, 5]}
    expected = Space(choices, {"heads": [(attention, depth)], "last": last})
    assert set(space) == set(expected) and space.size == len(set(space))
    assert "heads" not in space.architecture({"depth": 1, "attention": True})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("choices: {a: [1, 2", "is no YAML"),
        ("- a", "holds a list; write choices"),
        ("choice: {a: [1]}", "unknown key 'choice'; did you mean 'choices'"),
        ("choices: {}", "has no choices"),
        ("choices: {a: 3}", "choice 'a' has candidates 3; write a list"),
        ("choices: {a: [3, 3]}", "lists 3 twice"),
        ("choices: {a: [1, 2], b: [1], a: [3, 4]}", "line 1: 'a' stands there twice"),
        ("choices: {1: [3, 4]}", "choice 1 is named by no text"),
        ("choices: {a: [1, 2], b: [3]}\nconditions: {b: {c: 1}}", "conditions name 'c', which is no choice"),
        ("choices: {a: [1, 2], b: [3]}\nconditions: {b: {a: 7}}", "'a' is 7, which is none of its candidates"),
        ("choices: {a: [1, 2], b: [3]}\nconditions: {b: often}", "write a mapping, such as"),
        ("choices: {a: [1], b: [3]}\nconditions: {a: {b: 3}, b: {a: 1}}", "go round in a circle"),
    ],
)
def test_what_is_no_space_is_refused_in_a_sentence(text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=sentence):
        read_space(written(tmp_path, text))
