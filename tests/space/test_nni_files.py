"""NNI's JSON of search spaces and architectures, both ways."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from nas.errors import UsageError
from nas.space import Condition, Space, is_space_file, read_space, to_nni_architecture, to_nni_space

SPACE = Space(
    {"depth": [1, 2], "kernel": [3, 5], "inputs": [(0, 1), (0, 2)]},
    {"kernel": [(Condition(("depth",), frozenset({(1,)})),)]},
)


def written(folder: Path, content: Any) -> Path:
    file = folder / "space.json"
    file.write_text(json.dumps(content))
    return file


def test_what_is_written_for_nni_is_read_again_as_the_same_choices(tmp_path: Path) -> None:
    again = read_space(written(tmp_path, to_nni_space(SPACE)))
    assert json.dumps(again.choices) == json.dumps(SPACE.choices)
    assert not any(again.uses["kernel"][0]), "NNI has no conditions"


def test_an_architecture_comes_back_from_nni() -> None:
    for architecture in SPACE:
        exported = json.loads(json.dumps(to_nni_architecture(SPACE, architecture)))
        assert list(exported) == list(SPACE.choices), "NNI wants a value for each label"
        assert SPACE.architecture(exported) == architecture


def test_every_finite_type_of_nni_is_read(tmp_path: Path) -> None:
    content = {
        "kernel": {"_type": "choice", "_value": [3, "five", [7, 7]]},
        "depth": {"_type": "randint", "_value": [2, 5]},
        "rate": {"_type": "quniform", "_value": [0.1, 0.5, 0.25]},
    }
    file = written(tmp_path, content)
    assert is_space_file(str(file))
    assert read_space(file).choices == {"kernel": (3, "five", [7, 7]), "depth": (2, 3, 4), "rate": (0.1, 0.25, 0.5)}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"_type": "uniform", "_value": [0, 1]}, "choice 'x' is a uniform of NNI, which has no finite number"),
        ({"_type": "chioce", "_value": [1]}, "choice 'x' has the type 'chioce'; did you mean 'choice'?"),
        ({"_type": "choice", "_value": 3}, "a list of candidates is needed"),
        ({"_type": "choice", "_value": [{"_name": "a"}]}, "write it as a choice of its own"),
        ({"_type": "randint", "_value": [1]}, "choice 'x' is a randint of NNI with the value [1]"),
        ({"_type": "quniform", "_value": [0, 1, 0]}, "choice 'x' is a quniform of NNI with the value [0, 1, 0]"),
        ({"_type": "choice", "_value": [1, 1]}, "lists 1 twice"),
    ],
)
def test_what_no_space_can_be_is_refused_with_the_file(value: Any, message: str, tmp_path: Path) -> None:
    file = written(tmp_path, {"x": value})
    with pytest.raises(UsageError, match=re.escape(message)) as refused:
        read_space(file)
    assert str(file) in str(refused.value)
