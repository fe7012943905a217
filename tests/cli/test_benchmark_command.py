"""``nas benchmark`` on the command line."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from command_line import nas
from filelock import FileLock

SPACE = "choices: {depth: [1, 2, 3, 4], kernel: [3, 5, 7]}\n"
ASKED = ("benchmark", "--space", "space.yaml", "--table", "t.csv", "--metric", "val", "--candidates", 6)


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("space.yaml").write_text(SPACE)
    rows = [{"depth": d, "kernel": k, "val": d - k / 10, "test": d, "ms": k} for d in (1, 2, 3, 4) for k in (3, 5, 7)]
    pd.DataFrame(rows).to_csv("t.csv", index=False)


def test_it_prints_means_regret_and_what_is_luck_and_writes_a_folder() -> None:
    outcome = nas(*ASKED, "--test", "test", "--strategies", "random,exhaustive", "--seeds", 8)
    assert outcome.code == 0
    text = " ".join(outcome.out.split())
    assert "best val so far; the best there is: 3.7" in text and "its test figure; the best there is: 4" in text
    assert "random is better than exhaustive: p = " in text and "results/benchmark-space-val/benchmark.html" in text
    found = json.loads(Path("results/benchmark-space-val/benchmark.json").read_text())
    exhaustive = next(row for row in found["strategies"] if row["strategy"] == "exhaustive")
    assert exhaustive["best"]["6"]["regret"] == pytest.approx(2.0) and found["judged_by"] == "test"


def test_of_a_table_with_costs_the_share_of_the_hypervolume_is_printed() -> None:
    outcome = nas(*ASKED, "--cost", "ms", "--strategies", "local", "--seeds", 2, "--name", "two", "--json")
    assert outcome.json["cost"] == "ms" and 0 < outcome.json["strategies"][0]["hypervolume"]["6"]["mean"] <= 1


def test_that_rows_which_differ_are_averaged_is_printed_and_shown() -> None:
    known = pd.read_csv("t.csv")
    pd.concat([known, known.tail(1).assign(val=0.0)]).to_csv("t.csv", index=False)
    outcome = nas(*ASKED, "--strategies", "random", "--seeds", 1, "--name", "b")
    told = "t.csv has rows that tell different things of 1 of 12 architectures; their mean is taken"
    assert outcome.code == 0 and told in " ".join(outcome.out.split())
    assert told in Path("results/b/benchmark.html").read_text()


def test_a_benchmark_is_removed_finished_or_not_unless_it_is_in_progress() -> None:
    nas(*ASKED, "--strategies", "random", "--seeds", 1, "--name", "whole")
    shutil.copytree("results/whole", "results/cut")
    for file in ("benchmark.json", "benchmark.csv", "benchmark.html", "curves.csv"):
        Path("results/cut", file).unlink()
    with FileLock("results/cut/.lock"):
        busy = nas("rm", "whole", "cut", "--yes")
    assert busy.code == 2 and "'cut' is in progress" in busy.complaint and Path("results/whole").exists()
    removed = nas("rm", "whole", "results/cut", "--yes")
    assert removed.code == 0 and removed.out.count("deleted") == 2 and list(Path("results").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--set", "objective=maximise val"], "--set objective is no setting of a benchmark; known are space_args"),
        (["--strategies", "evolve"], "strategy 'evolve' is not known; known are"),
        (["--cost", "mss"], "has no column 'mss'; did you mean 'ms'"),
        (["--evaluator", "mine:score"], "either by a table or by a function"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(arguments: list[str], sentence: str) -> None:
    outcome = nas(*ASKED, *arguments)
    assert outcome.code == 2 and sentence in outcome.complaint
    assert not Path("results").exists()
