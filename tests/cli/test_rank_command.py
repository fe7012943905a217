"""`nas rank`: what it prints, what it leaves and what it refuses."""

import csv
import json
import re
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from command_line import Outcome, leftovers, nas

from nas.evaluation.ranking import rank

OPERATIONS = ("identity", "mb3_k3", "mb6_k5")


@pytest.fixture(autouse=True)
def fewer_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intervals that are coarse and quick."""
    monkeypatch.setattr("nas.ranking.scores.rank", partial(rank, samples=20))


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    """Two trainings of the 27 networks of the tiny space, the heavier the better, in percent."""
    file = tmp_path / "truth.csv"
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["architecture", "first", "second", "note"])
        for number, chosen in enumerate(product(range(3), repeat=3)):
            key = json.dumps({f"layer{layer}": OPERATIONS[each] for layer, each in enumerate(chosen)})
            accuracy = 80 + sum(chosen) + number % 5 / 4
            writer.writerow([key, accuracy, accuracy + number % 3 / 4, "" if number else "the smallest"])
    return file


def test_the_verdict_is_printed_with_every_measure(copied: Path, truth: Path) -> None:
    outcome = nas("rank", "tiny", "--truth", truth, "--column", "first", "--column", "second", "--results", copied)
    assert outcome.code == 0, outcome.err
    record = json.loads((copied / "tiny/ranking.json").read_text())
    assert f"tiny: {record['verdict']}" in " ".join(outcome.out.split())
    for name in (
        "sparse tau",
        "weighted tau",
        "similar FLOPs",
        "tau of parameters alone",
        "ceiling",
        "regret",
        "at 10",
    ):
        assert name in outcome.out
    assert f"{record['tau']['value']:.3f} ({record['tau']['low']:.2f} to" in outcome.out
    assert "Sparse tau rounds first, second to multiples of 0.1." in outcome.out
    assert "27 architectures against first, second (%)" in outcome.out and "regret of the best of 1 (%)" in outcome.out
    files = [copied / "tiny" / f"ranking.{kind}" for kind in ("html", "json", "csv")]
    assert outcome.out.splitlines()[-3:] == [f"  {file}" for file in files] and all(map(Path.exists, files))
    assert not leftovers(copied)


def test_several_runs_stand_beside_each_other(copied: Path, truth: Path) -> None:
    (copied / "tiny").rename(copied / "one")
    (copied / "two").symlink_to(copied / "one")
    outcome = nas("rank", "one", "two", "--truth", truth, "--column", "first", "--results", copied)
    assert outcome.code == 0, outcome.err
    (row,) = re.findall(r"^ tau +(\S+) \(.*?\) +(\S+) \(", outcome.out, re.MULTILINE)
    assert row[0] == row[1]
    agreement = "tau between runs: 1.000; a score differs between them by 0 (standard deviation)"
    assert agreement in " ".join(outcome.out.split())
    assert re.search(r"ceiling: tau between trainings +not known +not known", outcome.out)


def test_kept_epochs_are_told(copied: Path, truth: Path) -> None:
    checkpoints = copied / "tiny/checkpoints"
    for epoch in (3, 4):
        (checkpoints / f"epoch-{epoch}.safetensors").write_bytes((checkpoints / "supernet.safetensors").read_bytes())
    outcome = nas("rank", "tiny", "--truth", truth, "--column", "first", "--results", copied)
    told = r"tau with the truth after epochs 3, 4: (\S+), \1; tau between these epochs: 1.000;"
    assert re.search(told, " ".join(outcome.out.split()))


def test_json_is_what_the_file_holds(copied: Path, truth: Path) -> None:
    arguments = ["rank", "tiny", "--truth", truth, "--column", "first", "--samples", 9, "--seed", 3, "--threshold", 0.5]
    outcome = nas(*arguments, "--minimise", "--results", copied, "--json")
    record = outcome.json["runs"]["tiny"]
    assert record == json.loads((copied / "tiny/ranking.json").read_text())
    assert (record["count"], record["threshold"], record["maximise"]) == (9, 0.5, False)
    assert outcome.json["agreement"] is None and outcome.out.count("\n") == 1


REFUSED: dict[str, tuple[list[Any], str]] = {
    "no such run": (["tinny"], r"run 'tinny' does not exist in .*; did you mean 'tiny'\?"),
    "a run twice": (["tiny", "tiny"], "run 'tiny' is named twice; name it once"),
    "no such table": (["tiny", "--truth", "no.csv"], r"table 'no\.csv' is no file"),
    "a table of another kind": (["tiny", "--truth", "no.xls"], r"is no \.csv, \.parquet or \.json file"),
    "no such column": (["tiny", "--column", "fist"], r"has no column 'fist'; did you mean 'first'\?"),
    "a column of text": (
        ["tiny", "--column", "architecture"],
        r"row 2 .* column 'architecture' holds .* finite number",
    ),
    "a column of hardly anything": (["tiny", "--column", "note"], r"row 2 .* column 'note' holds 'the smallest'"),
    "too few samples": (["tiny", "--samples", 2], "samples is 2, but a ranking needs 3 architectures"),
    "a negative threshold": (["tiny", "--threshold", -1], r"threshold is -1\.0; give a number of at least 0"),
}


@pytest.mark.parametrize(("arguments", "sentence"), REFUSED.values(), ids=REFUSED)
def test_mistakes_get_one_sentence_and_leave_nothing(
    arguments: list[Any], sentence: str, finished: tuple[Path, Outcome], truth: Path
) -> None:
    defaults = {"--truth": truth, "--column": "first"}
    given = [value for name, each in defaults.items() if name not in arguments for value in (name, each)]
    outcome = nas("rank", *arguments, *given, "--results", finished[0])
    assert outcome.code == 2 and outcome.out == ""
    assert re.search(sentence, outcome.complaint), outcome.complaint
    assert not list(finished[0].rglob("ranking.*")) and not leftovers(finished[0])


def test_an_architecture_of_another_space_is_refused(copied: Path, truth: Path) -> None:
    truth.write_text(truth.read_text().replace("mb6_k5", "mb6_k7"))
    outcome = nas("rank", "tiny", "--truth", truth, "--column", "first", "--results", copied)
    assert outcome.code == 2
    assert re.search(r"truth\.csv', row 4 .*, column 'architecture': choice 'layer2' is 'mb6_k7'", outcome.complaint)


def test_table_and_column_must_be_named() -> None:
    for missing, given in (("--truth", ["--column", "first"]), ("--column", ["--truth", "truth.csv"])):
        outcome = nas("rank", "tiny", *given)
        assert outcome.code == 2 and f"Missing option '{missing}'" in outcome.complaint
