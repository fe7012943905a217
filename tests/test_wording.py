"""A noun after a number agrees with it, whichever layer says the sentence."""

from collections.abc import Callable

import pandas as pd
import pytest
from torch import nn

from nas.cli.tables import print_predictor
from nas.data.parts import numbered_classes
from nas.errors import UsageError
from nas.nn import Repeat
from nas.report.feasibility import coverage
from nas.search.constraints import Constraint, check_feasible
from nas.space import Choice, Subset
from nas.tasks.classification import check_labels
from nas.wording import counted

REFUSED: dict[str, Callable[[], object]] = {
    "holds 1 label for 3 images": lambda: check_labels([0], 3, 2, "it"),
    "holds label 5 for 1 image;": lambda: numbered_classes([5], "it"),
    "a Subset of 2 of 1 element;": lambda: Subset(["a"], size=2),
    "but it has 1 block.": lambda: Repeat([nn.Identity()], Choice([1, 2])),
    "by none of the 1 architecture tried": lambda: check_feasible(
        [Constraint.parse("params <= 1")], pd.DataFrame({"params": [2]})
    ),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_one_thing_is_singular_in_a_refusal(sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        REFUSED[sentence]()


def test_one_thing_is_singular_in_what_a_command_says(capsys: pytest.CaptureFixture[str]) -> None:
    shares = {"within_5pct": 1.0, "within_10pct": 1.0, "mape": 0.0, "spearman": 1.0}
    print_predictor({"kind": "linear", "samples": 1, "noise_floor": None, **shares})
    assert "learnt from 1 network; nothing was measured twice" in capsys.readouterr().out
    assert coverage({"architectures": 1, "sampled": 1, "exact": True}) == "1 architecture, all of them counted"


def test_none_and_many_are_plural() -> None:
    assert [counted(number, "row") for number in (0, 1, 2, 1000)] == ["0 rows", "1 row", "2 rows", "1,000 rows"]
