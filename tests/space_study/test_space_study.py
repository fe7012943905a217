"""Spaces compared by random architectures: which are drawn, what is recorded, and what is told of them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp

from nas.errors import UsageError
from nas.space import Architecture
from nas.space_study import Population, compare_populations, read_population
from nas.space_study.statistics import choice_effects, describe, differences, losses

SPACE = "choices: {a: [0, 1, 2, 3, 4, 5], b: [0, 1, 2, 3, 4, 5], c: [x, y, z], d: [0, 1]}\nconditions: {d: {c: x}}\n"
MODULE = """
import math

calls = 0
broken_at = None

def simulate(architecture):
    global calls
    calls += 1
    if calls == broken_at:
        raise KeyboardInterrupt
    gain = 10 * architecture["a"] + architecture["b"]
    return {"gain": math.nan if architecture["b"] == 5 else gain, "area": architecture["a"] + architecture["b"]}
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "own_area", raising=False)
    Path("space.yaml").write_text(SPACE)
    Path("own_area.py").write_text(MODULE)
    rows = [
        {"a": a, "b": b, "c": c, "d": d, "val": a + 0.1 * b, "ms": a + b}
        for a in range(6)
        for b in range(6)
        for c in "xyz"
        for d in ((0, 1) if c == "x" else ("",))
    ]
    pd.DataFrame(rows).to_csv("t.csv", index=False)
    yield tmp_path


def of_table(label: str, **changes: Any) -> Population:
    return read_population(label, **{"table": Path("t.csv"), "metric": "val", **changes})


def of_function(label: str) -> Population:
    return read_population(label, evaluator="own_area:simulate", metric="gain")


def drawn(folder: str, label: str) -> list[Architecture]:
    table = pd.read_csv(f"{folder}/samples.csv")
    return [Architecture.from_json(each) for each in table[table["population"] == label]["architecture"]]


def test_a_population_meets_its_conditions_and_is_not_moved_by_others(here: Path) -> None:
    label = "space.yaml where a >= 3 and b in [0, 1] and d = 1 and ms <= 5"
    found = compare_populations([of_table("space.yaml"), of_table(label)], here / "s", samples=40)
    some = drawn("s", label)
    assert len(some) == 40 and {tuple(each.items()) for each in some} == {
        (("a", a), ("b", b), ("c", "x"), ("d", 1)) for a in (3, 4, 5) for b in (0, 1) if a + b <= 5
    }
    assert len(set(drawn("s", "space.yaml"))) > 30
    compare_populations([of_table(label)], here / "alone", samples=40)
    assert drawn("alone", label) == some
    assert found["samples"] == {"space.yaml": 40, label: 40}


def test_what_is_known_beforehand_is_asked_first(here: Path) -> None:
    settings = {"evaluator_args": {"costs": ["ms"]}}
    population = of_table("space.yaml where ms <= 1", settings=settings)
    assert population.judge.known(population.judge.space.smallest()) == {"ms": 0.0}
    compare_populations([population], here / "s", samples=20)
    assert max(each["a"] + each["b"] for each in drawn("s", population.label)) <= 1


def test_files_hold_the_distributions(here: Path) -> None:
    narrow = "space.yaml where a >= 4"
    found = compare_populations([of_table("space.yaml"), of_table(narrow)], here / "s", samples=100, thresholds=[4.0])
    table = pd.read_csv("s/edf.csv")
    samples = pd.read_csv("s/samples.csv")
    for label, group in table.groupby("population"):
        values = samples[samples["population"] == label]["value"]
        assert group["share"].is_monotonic_increasing and group["value"].is_monotonic_decreasing
        assert group["share"].between(0, 1).all() and group["share"].iloc[-1] == 1
        for row in group.to_dict("records"):
            assert row["share"] == pytest.approx((values >= row["value"]).mean())
    assert found["populations"][narrow]["shares"]["4.0"] == {"share": 1.0, "low": 1.0, "high": 1.0}
    (pair,) = found["differences"]
    assert pair["better"] == narrow and pair["distance"] > 0.5 and pair["p"] < 1e-6
    assert json.loads(Path("s/space-study.json").read_text()) == found
    page = Path("s/space-study.html").read_text()
    assert "plotly" in page.lower() and "Kolmogorov" in page and "a &gt;= 4" in page
    choices = pd.read_csv("s/choices.csv")
    assert choices[choices["population"] == "space.yaml"].iloc[0]["choice"] == "a"


def test_a_killed_study_goes_on_and_samples_may_be_added(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import own_area  # type: ignore[import-not-found]

    labels = ["space.yaml", "space.yaml where a = 5"]
    compare_populations([of_function(each) for each in labels], here / "whole", samples=30)
    monkeypatch.setattr(own_area, "broken_at", own_area.calls + 25)
    with pytest.raises(KeyboardInterrupt):
        compare_populations([of_function(each) for each in labels], here / "killed", samples=30)
    before = own_area.calls
    compare_populations([of_function(each) for each in labels], here / "killed", samples=30)
    assert own_area.calls - before == 40, "of 60, twenty were recorded"
    assert Path("killed/samples.csv").read_text() == Path("whole/samples.csv").read_text()
    before, first = own_area.calls, drawn("killed", "space.yaml")
    more = compare_populations(
        [of_function(each) for each in [*labels, "space.yaml where b = 1"]], here / "killed", samples=35
    )
    assert own_area.calls - before == 2 * 10 + 40 and drawn("killed", "space.yaml")[:30] == first
    assert set(more["samples"].values()) == {35}
    with pytest.raises(UsageError, match="holds a study with seed 0, but 1 is asked for; choose another --name"):
        compare_populations([of_function("space.yaml")], here / "killed", samples=10, seed=1)


@pytest.mark.whole
def test_processes_give_the_same_as_one(here: Path) -> None:
    alone, together = (
        compare_populations([of_table("space.yaml")], here / str(count), samples=40, workers=count) for count in (1, 2)
    )
    assert alone == together


def test_what_has_no_value_is_worst(here: Path) -> None:
    found = compare_populations([of_function("space.yaml")], here / "s", samples=200)
    table = pd.read_csv("s/samples.csv")
    without = int(table["value"].isna().sum())
    assert 0 < without == found["without_value"]["space.yaml"]
    assert pd.read_csv("s/edf.csv")["share"].max() == pytest.approx(1 - without / 200)
    quantiles = describe(losses([1.0, 2.0, None, None], False), False, [2.0], 0)
    assert quantiles["quantiles"]["0.95"]["value"] is None and quantiles["shares"]["2.0"]["share"] == 0.5


def test_intervals_hold_what_they_are_of_as_often_as_they_say() -> None:
    rng, hits = np.random.default_rng(0), []
    for number in range(60):
        told = describe(-rng.normal(size=80), True, [0.0], number)
        median, share = told["quantiles"]["0.5"], told["shares"]["0.0"]
        hits += [median["low"] <= 0 <= median["high"], share["low"] <= 0.5 <= share["high"]]
    assert 0.88 <= np.mean(hits) <= 1.0
    assert told["best"] >= told["quantiles"]["0.05"]["value"] >= told["quantiles"]["0.95"]["value"]


def test_distances_are_those_of_scipy_corrected_for_pairs() -> None:
    rng = np.random.default_rng(0)
    samples = {"a": rng.normal(size=200), "b": rng.normal(size=200), "c": rng.normal(size=200) - 2}
    pairs = {frozenset((pair["better"], pair["worse"])): pair for pair in differences(samples)}
    assert pairs[frozenset("ac")]["better"] == pairs[frozenset("bc")]["better"] == "c"
    assert pairs[frozenset("ab")]["p"] > 0.05 > pairs[frozenset("ac")]["p"]
    assert pairs[frozenset("ac")]["distance"] == pytest.approx(ks_2samp(samples["a"], samples["c"]).statistic)


def test_a_planted_effect_is_found_and_no_other() -> None:
    rng = np.random.default_rng(0)
    architectures = [Architecture({"k": int(rng.integers(5)), "noise": int(rng.integers(3))}) for _ in range(400)]
    values = np.array([abs(each["k"] - 2) + 0.3 * rng.normal() for each in architectures])
    effects = choice_effects(architectures, values, maximise=False, seed=0)
    found = {(row["choice"], row["candidate"]): row for row in effects}
    best = found["k", 2]
    assert effects[0]["choice"] == "k" and best["p"] < 1e-9 and best["median"] < best["others"]
    assert best["best_share"] > 0.95, "the interval of what is best is narrow"
    assert all(row["p"] > 0.05 for row in effects if row["choice"] == "noise")
    assert sum(found["noise", each]["best_share"] for each in range(3)) == pytest.approx(1)


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("space.yaml where a in 3", r"write the candidates of 'a' as in 'a in \[a, b\]'"),
        ("space.yaml where c = w", "no candidate of 'c' is = w"),
        ("space.yaml where a in [1, 9]", "no candidate of 'a' is in 9"),
        ("space.yaml where c >= 3", r"'c >= 3' cannot be compared with the candidates \['x', 'y', 'z'\]"),
        ("space.yaml where size", "'size' is no condition"),
        ("space.yaml where size in [1]", r"'size in \[1\]' is no condition"),
        ("space.yaml where", "'' is no condition"),
        ("space.yaml where size <= 2", "no column 'size'"),
    ],
)
def test_mistakes_in_populations_are_sentences(label: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        of_table(label)


def test_a_metric_that_is_never_a_number_and_thresholds_that_are_none_are_refused(here: Path) -> None:
    nobody = read_population("space.yaml where b = 5", evaluator="own_area:simulate", metric="gain")
    with pytest.raises(UsageError, match="none of the 10 architectures has a number as its gain"):
        compare_populations([nobody], here / "s", samples=10)
    with pytest.raises(UsageError, match=r"thresholds \[nan\]; give .* finite thresholds"):
        compare_populations([of_table("space.yaml")], here / "t", samples=10, thresholds=[float("nan")])


def test_a_population_of_nobody_and_of_other_metrics_is_refused(here: Path) -> None:
    with pytest.raises(UsageError, match="none of 10,000 random architectures meets its conditions; loosen them"):
        compare_populations([of_table("space.yaml where ms <= -1")], here / "s", samples=10)
    with pytest.raises(UsageError, match="one metric, but its populations have maximise ms, maximise val"):
        compare_populations(
            [of_table("space.yaml"), of_table("space.yaml where a = 1", metric="ms")], here / "s", samples=10
        )
