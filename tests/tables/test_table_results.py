"""Results of others, looked up: several trainings, several fidelities, a test column, columns for choices."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from nas.errors import UsageError
from nas.space import Condition, Fidelity, Space
from nas.tables.results import TableResults

SPACE = Space({"depth": [1, 2], "wide": [True, False], "k": [3, 5]}, {"k": [(Condition(("depth",), {(1,)}),)]})  # type: ignore[arg-type]


def table(folder: Path, kind: str = "csv", **more: Any) -> str:
    """Two trainings and two fidelities of each architecture, in columns for the choices."""
    rows = [
        {**architecture, "val": place + 0.1 * seed + epochs, "second": 0.0, "test": 100 + place, "epochs": epochs}
        for place, architecture in enumerate(SPACE)
        for seed in (0, 1)
        for epochs in (12, 200)
    ]
    frame = pd.DataFrame(rows).assign(**more)
    path = folder / f"table.{kind}"
    frame.to_csv(path, index=False) if kind == "csv" else frame.to_parquet(path)
    return str(path)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_columns_named_like_choices_tell_the_architecture(kind: str, tmp_path: Path) -> None:
    results = TableResults(SPACE, table(tmp_path, kind), ["val"], "test", {"epochs": 200})
    assert len(results) == SPACE.size
    for place, architecture in enumerate(SPACE):
        assert results.row(architecture) == {"val": pytest.approx(place + 200.05)}
        assert results.tested(architecture) == 100 + place


def test_a_lower_fidelity_is_chosen_and_never_mixed(tmp_path: Path) -> None:
    path, first = table(tmp_path), SPACE.smallest()
    cheap, whole = (TableResults(SPACE, path, ["val"], where={"epochs": each}).row(first)["val"] for each in (12, 200))
    assert whole - cheap == pytest.approx(188)
    with pytest.raises(UsageError, match="mixes trainings of several 'epochs'"):
        TableResults(SPACE, path, ["val"])
    with pytest.raises(UsageError, match="has no row where epochs is 7"):
        TableResults(SPACE, path, ["val"], where={"epochs": 7})


def test_where_epochs_are_a_choice_each_fidelity_is_told(tmp_path: Path) -> None:
    longer = SPACE.product(Space({"epochs": [12, 200]}))
    results, fidelity = TableResults(longer, table(tmp_path), ["val"], "test"), Fidelity.of(longer, "epochs")
    assert len(results) == 2 * SPACE.size
    for place, architecture in enumerate(SPACE):
        for epochs in (12, 200):
            assert results.row(fidelity.at(architecture, epochs)) == {"val": pytest.approx(place + 0.05 + epochs)}
    assert len(results.rows(fidelity.is_whole)) == SPACE.size and min(row["val"] for row in results.rows()) < 13
    named = pd.read_csv(table(tmp_path)).assign(architecture=[each.key for each in SPACE for _ in range(4)])
    named.drop(columns=["depth", "wide", "k"]).to_csv(tmp_path / "named.csv", index=False)
    again = TableResults(longer, str(tmp_path / "named.csv"), ["val"], "test")
    assert again.rows() == results.rows(), "an architecture in one column, its epochs in another"
    some = TableResults(SPACE.product(Space({"epochs": [200]})), table(tmp_path), ["val"])
    assert len(some) == SPACE.size
    with pytest.raises(UsageError, match=r"has no row of 50 epochs, which extra.epochs names; known are 12, 200\."):
        TableResults(SPACE.product(Space({"epochs": [12, 50]})), table(tmp_path), ["val"])


def test_of_several_trainings_one_is_drawn_by_the_seed(tmp_path: Path) -> None:
    path = table(tmp_path)

    def drawn(seed: int) -> list[float]:
        results = TableResults(SPACE, path, ["val"], where={"epochs": 12}, repeats="drawn", seed=seed)
        return [round(results.row(each)["val"] - 12 - place, 3) for place, each in enumerate(SPACE)]

    several = [drawn(seed) for seed in range(8)]
    assert several[0] == drawn(0)
    assert {value for values in several for value in values} == {0.0, 0.1}
    assert all(len({values[place] for values in several}) == 2 for place in range(SPACE.size))


def test_a_text_where_a_number_belongs_is_named_by_its_cell(tmp_path: Path) -> None:
    path = table(tmp_path, val=["", "good", *[0.5] * (4 * SPACE.size - 2)])
    with pytest.raises(UsageError, match=r"row 3 .*, column 'val' holds 'good', which is no number; correct it"):
        TableResults(SPACE, path, ["val"], where={"epochs": 200})
    assert len(TableResults(SPACE, path, ["val"], where={"epochs": 12})) == SPACE.size


def test_trainings_may_be_columns(tmp_path: Path) -> None:
    results = TableResults(SPACE, table(tmp_path), {"both": ["val", "second"]}, where={"epochs": 12})
    assert results.row(SPACE.smallest())["both"] == pytest.approx(results_mean(results))


def results_mean(results: TableResults) -> float:
    """Of two rows and two columns of the smallest architecture."""
    place = list(SPACE).index(SPACE.smallest())
    return (place + 12 + place + 12.1 + 0 + 0) / 4


def test_rows_that_differ_are_refused_where_that_is_asked_for(tmp_path: Path) -> None:
    path = table(tmp_path)
    with pytest.raises(UsageError, match=r"tells .* of architecture \{.*; keep one row"):
        TableResults(SPACE, path, ["val"], where={"epochs": 12}, repeats="refused")
    assert TableResults(SPACE, path, ["second"], where={"epochs": 12}, repeats="refused").row(SPACE.largest())


def test_that_rows_which_differ_are_averaged_is_told(tmp_path: Path) -> None:
    path = table(tmp_path)

    def notes(metric: str, repeats: Any = "averaged") -> list[str]:
        return TableResults(SPACE, path, [metric], where={"epochs": 12}, repeats=repeats).notes

    (note,) = notes("val")
    assert f"rows that tell different things of {SPACE.size} of {SPACE.size} architectures; their mean is taken" in note
    assert notes("second") == notes("val", "drawn") == []
    once = pd.read_csv(path).drop_duplicates(list(SPACE.choices))
    pd.concat([once, once.head(1).assign(val=-1.0)]).to_csv(tmp_path / "once.csv", index=False)
    assert f"of 1 of {SPACE.size} architectures" in TableResults(SPACE, str(tmp_path / "once.csv"), ["val"]).notes[0]


def test_the_only_column_of_numbers_is_found_and_several_are_named(tmp_path: Path) -> None:
    frame = pd.DataFrame([{**each, "name": "x", "loss": 1.0} for each in SPACE])
    frame.to_csv(tmp_path / "one.csv", index=False)
    assert TableResults(SPACE, str(tmp_path / "one.csv")).metrics == ["loss"]
    with pytest.raises(UsageError, match=r"there are val, second, test, epochs\); name it, such as evaluator_args"):
        TableResults(SPACE, table(tmp_path))


def test_an_architecture_that_is_none_is_named_by_its_row(tmp_path: Path) -> None:
    path = tmp_path / "wrong.csv"
    path.write_text("depth,wide,k,loss\n1,true,,0.5\n9,true,3,0.5\n")
    with pytest.raises(UsageError, match=r"row 3 \(the header is row 1\), columns 'depth', 'wide', 'k'"):
        TableResults(SPACE, str(path))
    path.write_text("depth,loss\n1,0.5\n")
    with pytest.raises(UsageError, match="does not say which architectures it measures: it needs 'architecture' or"):
        TableResults(SPACE, str(path))
