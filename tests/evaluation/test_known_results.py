"""The evaluator that looks up what others found."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import nas
from nas.errors import UsageError
from nas.evaluation.known_results import KnownResults
from nas.problem import Problem
from nas.space import Architecture, Notation
from search_spaces.chain import chain


@pytest.fixture(scope="module")
def problem() -> Problem:
    return Problem(
        nas.Supernet(chain((1, 8, 8), 10, layers=(1, 1), width=4, head=16)), nas.data.load("digits", limit=50)
    )


def rows(problem: Problem) -> list[dict[str, Any]]:
    """All architectures but the largest, one of them twice."""
    known = [each for each in problem.space if each != problem.space.largest()]
    found = [{"architecture": each.key, "val": 0.1 * place, "accuracy": 0.5} for place, each in enumerate(known)]
    return [*found, {**found[2], "val": 0.4}]


def written(path: Path, table: list[dict[str, Any]]) -> str:
    frame = pd.DataFrame(table)
    match path.suffix:
        case ".csv":
            frame.to_csv(path, index=False)
        case ".parquet":
            frame.to_parquet(path)
        case ".json":
            path.write_text(json.dumps([{**row, "architecture": json.loads(row["architecture"])} for row in table]))
    return str(path)


@pytest.mark.parametrize("kind", ["csv", "parquet", "json"])
def test_rows_of_an_architecture_are_averaged(kind: str, problem: Problem, tmp_path: Path) -> None:
    table = rows(problem)
    evaluate = KnownResults(problem, written(tmp_path / f"table.{kind}", table), ["val"])
    asked = [Architecture.from_json(table[place]["architecture"]) for place in (2, 0, 1)]
    found = evaluate(asked)
    assert list(found) == ["val"] and found["val"].tolist() == pytest.approx([0.3, 0.0, 0.1])


def test_the_metric_of_the_data_is_read_by_default(problem: Problem, tmp_path: Path) -> None:
    evaluate = KnownResults(problem, written(tmp_path / "table.csv", rows(problem)))
    assert evaluate([problem.space.smallest()]).to_dict("list") == {"accuracy": [0.5]}


def test_an_architecture_without_a_row_is_refused_or_cannot_be_used(problem: Problem, tmp_path: Path) -> None:
    path, largest = written(tmp_path / "table.csv", rows(problem)), problem.space.largest()
    with pytest.raises(
        UsageError, match=rf"has no val for architecture {largest.id}, .*among its 8 architectures; add"
    ):
        KnownResults(problem, path, ["val"])([largest])
    assert math.isnan(KnownResults(problem, path, ["val"], "infeasible")([largest])["val"][0])


def test_architectures_may_be_written_as_the_benchmark_does(problem: Problem, tmp_path: Path) -> None:
    space = problem.space
    notation = Notation(("net",), lambda text: dict(zip(space.choices, str(text).split("+"), strict=True)))
    table = [{"net": "+".join(map(str, each.values())), "accuracy": 0.25} for each in space]
    pd.DataFrame(table).to_csv(tmp_path / "table.csv", index=False)
    evaluate = KnownResults(replace(problem, notation=notation), str(tmp_path / "table.csv"))
    assert evaluate([space.largest()])["accuracy"].tolist() == [0.25]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("no.csv", None, "table '.*no.csv' is no file"),
        ("a.xlsx", "", "is no .csv, .parquet or .json file; convert it"),
        ("a.json", "{", "is no readable JSON file"),
        ("b.json", '{"architecture": {}}', "is no list of JSON objects"),
        ("c.json", '[{"architecture": {"layer0": "nothing"}, "accuracy": 1}]', "row 1"),
        ("a.csv", "architecture,acc\n{},1\n", "has no column 'accuracy'; known are|has no column 'accuracy'; did you"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused(
    name: str, content: str | None, sentence: str, problem: Problem, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(UsageError, match=sentence):
        KnownResults(problem, str(tmp_path / name))
