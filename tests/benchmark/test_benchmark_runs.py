"""Strategies compared: what is recorded, resumed, summarised and refused."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nas.benchmark import benchmark_question, compare
from nas.benchmark.question import Question
from nas.benchmark.significance import rank_tests
from nas.errors import UsageError
from nas.report.benchmark import BenchmarkContent, figure_of

SPACE = "choices: {a: [0, 1, 2, 3, 4, 5], b: [0, 1, 2, 3, 4, 5], c: [0, 1, 2]}\n"
MODULE = """
import math, time

calls = 0
broken_at = None

def simulate(architecture):
    global calls
    calls += 1
    if calls == broken_at:
        raise KeyboardInterrupt
    return {"gain": gain(architecture), "area": architecture["a"] + architecture["b"] + 1}

licences = 30

def fails(architecture):
    global licences
    licences -= 1
    if licences < 0:
        raise RuntimeError("no licence")
    return gain(architecture)

def poor(architecture):
    if architecture["a"] == architecture["b"] == 0:
        if architecture["c"] == 0:
            time.sleep(3600)
        if architecture["c"] == 1:
            return math.nan
    return gain(architecture)

def gain(architecture):
    return 10 * architecture["a"] - (architecture["b"] - 2) ** 2 + architecture["c"]
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "own_gain", raising=False)
    Path("space.yaml").write_text(SPACE)
    Path("own_gain.py").write_text(MODULE)
    rows = [
        {"a": a, "b": b, "c": c, "val": 10 * a - (b - 2) ** 2 + c, "test": 100 + 10 * a + c, "ms": a + b + 1}
        for a in range(6)
        for b in range(6)
        for c in range(3)
    ]
    pd.DataFrame(rows).to_csv("t.csv", index=False)
    yield tmp_path


def of_table(**changes: Any) -> Question:
    return benchmark_question(
        "space.yaml", **{"table": Path("t.csv"), "metric": "val", "test": "test", "candidates": 60, **changes}
    )


def test_every_evaluation_of_every_trial_is_told(here: Path) -> None:
    found = compare(of_table(), ["random", "evolution population=10", "exhaustive"], here / "b", seeds=4)
    table = pd.read_csv("b/curves.csv")
    assert list(table) == ["strategy", "seed", "evaluation", "best", "test"] and len(table) == 3 * 4 * 60
    for _, trial in table.groupby(["strategy", "seed"]):
        assert trial["best"].is_monotonic_increasing and trial["evaluation"].tolist() == list(range(1, 61))
        known = pd.read_csv("t.csv")
        assert set(zip(trial["best"], trial["test"], strict=True)) <= set(zip(known["val"], known["test"], strict=True))
    exhaustive = table[table["strategy"] == "exhaustive"]
    assert exhaustive[exhaustive["evaluation"] == 60]["best"].tolist() == [31.0] * 4  # a = 3, b = 1, c = 2
    row = next(row for row in found["strategies"] if row["strategy"] == "exhaustive")
    assert found["optimum"] == {"best": 52.0, "test": 152.0}
    assert row["best"]["60"] == {"mean": 31.0, "sd": 0.0, "regret": 21.0} and row["test"]["60"]["regret"] == 20.0
    evolution = next(row for row in found["strategies"] if row["strategy"].startswith("evolution"))
    assert evolution["best"]["60"]["mean"] > row["best"]["60"]["mean"]
    told = pd.read_csv("b/benchmark.csv").set_index(["strategy", "figure", "evaluations"])
    assert told.loc[("exhaustive", "test", 60), ["seeds", "mean", "sd", "regret"]].tolist() == [4, 132.0, 0.0, 20.0]
    assert "plotly" in Path("b/benchmark.html").read_text().lower()


def test_a_killed_benchmark_goes_on_to_the_same_answer(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    question = benchmark_question("space.yaml", evaluator="own_gain:simulate", metric="gain", candidates=20)
    import own_gain  # type: ignore[import-not-found]

    compare(question, ["random", "local"], here / "whole", seeds=2)
    monkeypatch.setattr(own_gain, "broken_at", own_gain.calls + 50)
    with pytest.raises(KeyboardInterrupt):
        compare(question, ["random", "local"], here / "killed", seeds=2)
    assert len((here / "killed" / "trials.jsonl").read_text().splitlines()) == 2
    with (here / "killed" / "trials.jsonl").open("a") as file:
        file.write('{"strategy": "loc')  # what a kill in the middle of writing leaves
    before = own_gain.calls
    compare(question, ["random", "local"], here / "killed", seeds=2)
    assert own_gain.calls - before == 40
    assert Path("killed/curves.csv").read_text() == Path("whole/curves.csv").read_text()
    compare(question, ["random", "local", "evolution"], here / "killed", seeds=3)
    assert own_gain.calls - before == 40 + 5 * 20
    assert len(pd.read_csv("killed/curves.csv")) == 3 * 3 * 20


def test_the_best_there_is_has_no_regret_but_rounding(here: Path) -> None:
    known = pd.read_csv("t.csv").assign(val=lambda rows: rows["val"] / 57)
    known.to_csv("t.csv", index=False)
    found = compare(of_table(candidates=108), ["random"], here / "b", seeds=6)
    (told,) = (row["best"]["108"] for row in found["strategies"])
    assert told["mean"] != found["optimum"]["best"] and told["regret"] == 0.0


def test_processes_give_the_same_as_one(here: Path) -> None:
    alone, together = (
        compare(of_table(candidates=15), ["random"], here / str(workers), seeds=2, workers=workers)
        for workers in (1, 2)
    )
    assert alone["significance"] == together["significance"]
    assert Path("1/curves.csv").read_text() == Path("2/curves.csv").read_text()


def test_of_two_objectives_the_hypervolume_is_told(here: Path) -> None:
    found = compare(of_table(cost="ms", candidates=108), ["exhaustive", "random"], here / "v", seeds=1)
    table = pd.read_csv("v/curves.csv")
    last = table[table["evaluation"] == 108]["hypervolume"].tolist()
    assert found["judged_by"] == "hypervolume" and last == pytest.approx([1.0, 1.0])
    half = table[(table["strategy"] == "exhaustive") & (table["evaluation"] == 54)]["hypervolume"].item()
    known = pd.read_csv("t.csv")
    assert half == pytest.approx(volume(known.head(54), known) / volume(known, known))


def test_where_epochs_are_a_choice_curves_count_them(here: Path) -> None:
    known = pd.read_csv("t.csv")
    levels = [known.assign(epochs=epochs, val=known["val"] - 10 / epochs) for epochs in (1, 3, 9)]
    pd.concat(levels).to_csv("epochs.csv", index=False)
    question = of_table(table=Path("epochs.csv"), candidates=20, settings={"extra": {"epochs": [1, 3, 9]}})
    found = compare(question, ["random", "hyperband", "asha"], here / "e", seeds=3)
    table = pd.read_csv("e/curves.csv")
    assert found["epochs"] == 9 and found["optimum"]["best"] == pytest.approx(52 - 10 / 9)
    assert len(table) == 3 * 3 * 20 and table["evaluation"].max() == 20
    records = [json.loads(line) for line in Path("e/trials.jsonl").read_text().splitlines()]
    for record in records:
        curve = table[(table["strategy"] == record["strategy"]) & (table["seed"] == record["seed"])]["best"].tolist()
        whole = [value for value, epochs in zip(record["values"], record["epochs"], strict=True) if epochs == 9]
        assert sum(record["epochs"]) <= 20 * 9 and curve[-1] == max(whole) and None not in whole
        assert len(record["values"]) > 20 or record["strategy"] == "random"
        within = [sum(record["epochs"][: place + 1]) <= 5 * 9 for place in range(len(record["values"]))]
        early = [value for value, fits in zip(record["values"], within, strict=True) if fits and value is not None]
        assert curve[4] == max(early)
    assert "epochs, in whole trainings of 9" in Path("e/benchmark.html").read_text()
    means = {row["strategy"]: row["best"]["20"]["mean"] for row in found["strategies"]}
    assert means["hyperband"] > means["random"] < means["asha"]


def volume(points: pd.DataFrame, known: pd.DataFrame) -> float:
    """Area that is dominated, summed over slices of whole milliseconds up to the greatest cost."""
    reference, most = known["val"].median(), known["ms"].max()
    heights = [points[points["ms"] <= ms]["val"].max() - reference for ms in range(1, most)]
    return float(sum(max(0.0, height) for height in heights if np.isfinite(height)))


def test_rank_tests_find_what_differs_and_only_that() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(40, 3))
    table = pd.DataFrame(noise + np.array([0.0, 0.0, 3.0]), columns=["a", "b", "c"])
    found = rank_tests(table, maximise=True)
    p = {frozenset((pair["better"], pair["worse"])): pair["p"] for pair in found["pairs"]}
    assert found["friedman"] < 1e-6 and found["ranks"]["c"] < found["ranks"]["a"]
    assert p[frozenset("ac")] < 1e-4 and p[frozenset("bc")] < 1e-4 and p[frozenset("ab")] > 0.05
    assert all(pair["better"] == "c" for pair in found["pairs"] if "c" in pair.values())
    assert rank_tests(pd.DataFrame({"a": [1.0, 1.0], "b": [1.0, 1.0]}), True)["pairs"][0]["p"] == 1.0


def test_an_architecture_that_cannot_be_used_is_no_best(here: Path) -> None:
    known = pd.read_csv("t.csv")
    known.loc[known["a"] > 2, "val"] = np.nan
    known.to_csv("gaps.csv", index=False)
    question = of_table(table=Path("gaps.csv"), candidates=108, settings={"evaluator_args": {"missing": "infeasible"}})
    found = compare(question, ["random"], here / "g", seeds=1)
    assert found["strategies"][0]["best"]["108"]["mean"] == found["optimum"]["best"] == 22


def test_a_function_that_fails_names_the_architecture_and_what_was_done_stays(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = benchmark_question("space.yaml", evaluator="own_gain:fails", metric="gain", candidates=20)
    with pytest.raises(UsageError, match=r"'own_gain:fails' fails for architecture .*RuntimeError: no licence"):
        compare(question, ["exhaustive", "random"], here / "b", seeds=1)
    assert len((here / "b" / "trials.jsonl").read_text().splitlines()) == 1
    monkeypatch.setattr("own_gain.licences", math.inf)
    compare(question, ["exhaustive", "random"], here / "b", seeds=1)
    assert len(pd.read_csv("b/curves.csv")) == 2 * 20


def test_a_function_that_hangs_or_gives_no_number_has_no_best(here: Path) -> None:
    settings = {"evaluation": {"seconds": 1}}
    question = benchmark_question(
        "space.yaml", evaluator="own_gain:poor", metric="gain", candidates=5, settings=settings
    )
    compare(question, ["exhaustive"], here / "b", seeds=1)
    assert pd.read_csv("b/curves.csv")["best"].isna().tolist() == [True, True, False, False, False]


def test_a_page_is_written_where_nothing_can_be_used(here: Path) -> None:
    found = compare(of_table(constraints=["val >= 1000"], candidates=5), ["random"], here / "b", seeds=2)
    assert found["strategies"][0]["best"]["5"] == {"mean": None, "sd": None, "regret": None}
    assert Path("b/benchmark.html").exists()


def test_curves_far_from_the_others_do_not_flatten_them(here: Path) -> None:
    table = pd.DataFrame(
        [
            (name, 0, count, best)
            for name, best in zip("abcdefghijklm", [1, *[99] * 12], strict=True)
            for count in (1, 2)
        ],
        columns=["strategy", "seed", "evaluation", "best"],
    )
    content = BenchmarkContent("b", {}, {"metric": "val", "maximise": True, "optimum": {"best": 100}}, table)
    (low, high) = figure_of(content, "best", "best val so far")["layout"]["yaxis"]["range"]
    assert 90 < low < 99 < high


@pytest.mark.parametrize(
    ("changes", "strategies", "sentence"),
    [
        ({"table": None}, ["random"], "give --table FILE or --evaluator module:function"),
        ({"evaluator": "own_gain:gain"}, ["random"], "either by a table or by a function"),
        ({"metric": "vla"}, ["random"], "has no column 'vla'; did you mean 'val'"),
        ({}, ["randm"], "strategy 'randm' is not known; did you mean 'random'"),
        ({}, ["evolution size=3"], "strategy 'evolution' has no option 'size'"),
        ({}, ["random", "evolution population=1"], "evolution has population 1"),
        ({}, ["evolution fast"], "write it as in 'evolution population=10'"),
        ({}, ["derived"], "samples what a supernet has learnt"),
        ({}, [""], "has no strategies"),
    ],
)
def test_what_cannot_be_is_refused(changes: Any, strategies: list[str], sentence: str, here: Path) -> None:
    with pytest.raises(UsageError, match=sentence):
        compare(of_table(**changes), strategies, here / "b", seeds=1)
    assert not (here / "b").exists()


def test_another_question_gets_another_folder(here: Path) -> None:
    compare(of_table(candidates=5), ["random"], here / "b", seeds=1)
    with pytest.raises(UsageError, match="holds a benchmark with candidates 5, but 6 is asked for; choose another"):
        compare(of_table(candidates=6), ["random"], here / "b", seeds=1)
    Path("other").mkdir()
    Path("other/file").write_text("")
    with pytest.raises(UsageError, match="is no benchmark but holds other files"):
        compare(of_table(), ["random"], here / "other", seeds=1)
    (here / "b" / "trials.jsonl").write_text("{}\n")
    with pytest.raises(UsageError, match="line 1 is damaged"):
        compare(of_table(candidates=5), ["random"], here / "b", seeds=1)
    assert json.loads((here / "b" / "question.json").read_text())["candidates"] == 5
