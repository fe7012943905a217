"""Tables of stand-alone trainings: what they give, and what is said about those that judge nothing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from written_tables import write

from nas.errors import UsageError
from nas.ranking.truth import read_truth
from nas.space import Notation, Space

SPACE = Space({"depth": [1, 2, 3, 4], "kernel": [3, 5]})
SHORT = Notation(
    ("name",), lambda text: {"depth": int(str(text)[0]), "kernel": int(str(text)[-1])}, input_size="pixels"
)


def test_each_column_is_a_training(file: Path) -> None:
    write(file, name=["1k3", "2k5", "3k3"], a=[0.5, -1.0, 0.0], b=[1, 2, 3])
    truth = read_truth(file, ["a", "b"], SPACE, SHORT)
    assert [dict(each) for each in truth.architectures] == [
        {"depth": 1, "kernel": 3},
        {"depth": 2, "kernel": 5},
        {"depth": 3, "kernel": 3},
    ]
    np.testing.assert_array_equal(truth.trainings, [[0.5, 1], [-1, 2], [0, 3]])
    assert (truth.path, truth.columns, truth.notes) == (file, ("a", "b"), ())


def test_as_many_rows_of_each_architecture_are_trainings_too(file: Path) -> None:
    write(file, name=["1k3", "2k5", "3k3", "3k3", "1k3", "2k5"], a=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    truth = read_truth(file, ["a"], SPACE, SHORT)
    np.testing.assert_array_equal(truth.trainings, [[1, 5], [2, 6], [3, 4]])
    assert truth.notes == ("The 2 rows of each architecture count as independent trainings.",)


def test_other_numbers_of_rows_are_averaged(file: Path) -> None:
    write(file, name=["1k3", "2k5", "3k3", "3k3"], a=[1.0, 2.0, 3.0, 4.0])
    truth = read_truth(file, ["a"], SPACE, SHORT)
    np.testing.assert_array_equal(truth.trainings, [[1], [2], [3.5]])
    assert truth.notes == ("Architectures have from 1 to 2 rows each, which were averaged.",)


def test_rows_without_a_number_or_of_another_size_are_told(file: Path) -> None:
    names = ["1k3", "2k5", "3k3", "4k3", "4k5", "1k5"]
    write(file, name=names, a=[1.0, 2.0, None, 4.0, 5.0, 6.0], b=[1.0] * 4 + [np.nan, 1.0], pixels=[8] * 5 + [16])
    truth = read_truth(file, ["a", "b"], SPACE, SHORT, input_size=8)
    assert [each["depth"] for each in truth.architectures] == [1, 2, 4]
    assert truth.notes == ("Rows without a number were dropped: 2 of 5.", "Left out: 1 row of another input size.")


def test_samples_are_drawn_by_seed_and_keep_their_order(tmp_path: Path) -> None:
    names = [f"{depth}k{kernel}" for depth in range(1, 5) for kernel in (3, 5)]
    truth = read_truth(write(tmp_path / "t.csv", name=names, a=list(range(8))), ["a"], SPACE, SHORT)
    drawn = truth.sample(5, seed=1)
    assert len(drawn.architectures) == 5 and drawn.notes[-1].startswith("5 of 8 architectures of the table were drawn")
    assert (np.diff(drawn.trainings[:, 0]) > 0).all()
    for architecture, values in zip(drawn.architectures, drawn.trainings, strict=True):
        assert truth.architectures[int(values[0])] == architecture
    np.testing.assert_array_equal(drawn.trainings, truth.sample(5, seed=1).trainings)
    assert any(not np.array_equal(drawn.trainings, truth.sample(5, seed).trainings) for seed in (2, 3))
    assert truth.sample(8, 0) is truth.sample(100, 0) is truth
    with pytest.raises(UsageError, match="samples is 2, but a ranking needs 3 architectures or more"):
        truth.sample(2, 0)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ([1.0, 2.0, None], r"column a: numbers of 2 architectures are too few; a ranking needs 3\."),
        ([5.0, 5.0, 5.0], "column a: all architectures have 5, so there is no order to compare with"),
        ([1.0, 2.0, np.inf], r"row \d .*column 'a' holds .*inf.*; expected a finite number, or nothing"),
        (["1", "2", "good"], r"row \d .*column 'a' holds 'good'; expected a finite number, or nothing"),
    ],
)
def test_values_that_order_nothing_are_refused(values: list[Any], sentence: str, file: Path) -> None:
    write(file, name=["1k3", "2k5", "3k3"], a=values)
    with pytest.raises(UsageError, match=sentence):
        read_truth(file, ["a"], SPACE, SHORT)


def test_a_column_counts_once(file: Path) -> None:
    write(file, name=["1k3", "2k5", "3k3"], acc=[1.0, 2.0, 3.0])
    with pytest.raises(UsageError, match="column 'acc' is named twice, but trainings must be independent"):
        read_truth(file, ["acc", "acc"], SPACE, SHORT)
    with pytest.raises(UsageError, match=r"has no column 'act'; did you mean 'acc'\?"):
        read_truth(file, ["acc", "act"], SPACE, SHORT)
    with pytest.raises(UsageError, match=r"row 1 .* choice 'depth' is 9|row 2 .* choice 'depth' is 9"):
        read_truth(write(file, name=["9k3"], acc=[1.0]), ["acc"], SPACE, SHORT)
