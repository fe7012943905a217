"""``nas space-study`` on the command line."""

from pathlib import Path

import pandas as pd
import pytest
from command_line import nas

ASKED = ("space-study", "--table", "t.csv", "--metric", "val", "--samples", 60, "--name", "s")
DEEP = "space.yaml where depth >= 3"


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("space.yaml").write_text("choices: {depth: [1, 2, 3, 4], kernel: [3, 5, 7]}\n")
    rows = [{"depth": d, "kernel": k, "val": d - k / 10, "ms": k} for d in (1, 2, 3, 4) for k in (3, 5, 7)]
    pd.DataFrame(rows).to_csv("t.csv", index=False)


def test_it_prints_quantiles_distances_and_what_moves_them_and_writes_a_folder() -> None:
    outcome = nas(*ASKED, "--population", "space.yaml", "--population", DEEP, "--at", 2.5)
    text = " ".join(outcome.out.split())
    assert (
        outcome.code == 0
        and "reach 2.5" in text
        and "space.yaml where depth >= 3 is ahead of space.yaml where they differ most: " in text
    )
    assert "What moves space.yaml most: depth = " in text and "results/s/space-study.html" in text
    files = {each.name for each in Path("results/s").iterdir()}
    assert files >= {"space-study.html", "space-study.json", "edf.csv", "choices.csv", "samples.csv"}
    refused = nas("show", "s")
    assert refused.code == 2 and "'s' is a study of spaces, not a run" in refused.complaint
    assert nas("rm", "s", "--yes").code == 0 and not Path("results/s").exists()


def test_other_samples_are_added_to_those_that_there_are() -> None:
    first = nas(*ASKED, "--population", DEEP, "--json").json
    more = nas(*ASKED, "--population", DEEP, "--samples", 80, "--json").json
    assert first["samples"][DEEP] == 60 and more["samples"][DEEP] == 80 and first["differences"] == []


def test_without_a_table_a_population_is_a_finished_search() -> None:
    outcome = nas("space-study", "--population", "mine where depth >= 3")
    assert outcome.code == 2 and "run 'mine' does not exist in" in outcome.complaint


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--population", "space.yaml", "--metric", "ms", "--set", "seed=1"], "--set seed is no setting of a study"),
        (["--population", "space.yaml where depth = 9"], "no candidate of 'depth' is = 9"),
        (["--population", "space.yaml", "--evaluator", "mine:simulate"], "either by a table or by a function"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(arguments: list[str], sentence: str) -> None:
    outcome = nas(*ASKED, *arguments)
    assert outcome.code == 2 and sentence in outcome.complaint
    assert not Path("results").exists()
