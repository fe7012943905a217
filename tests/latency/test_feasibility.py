import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from nas.cli.tables import print_feasibility
from nas.latency import feasibility_report
from nas.latency.feasibility import check_constraints
from nas.search import Constraint
from nas.setup.progress import ProgressTask, Silent
from nas.space import Architecture, Space

SMALL = Space({"depth": [1, 2, 3], "width": [8, 16, 24]})
LARGE = Space({f"block{place}": [0, 1, 2, 3] for place in range(12)})


def setup(space: Space, samples: int, *constraints: str) -> Any:
    """What is read of a setup, whose samples are drawn as those of a real one."""
    drawn = [space.sample([3, number]) for number in range(samples)]
    return SimpleNamespace(
        space=space,
        draws=drawn,
        samples=list(dict.fromkeys([space.smallest(), space.largest(), *drawn])),
        config=SimpleNamespace(seed=3, profile=SimpleNamespace(samples=samples)),
        constraints=[Constraint.parse(text) for text in constraints],
    )


def costs(architectures: Sequence[Architecture]) -> pd.DataFrame:
    total = [float(sum(architecture.values())) for architecture in architectures]
    return pd.DataFrame({"params": total, "latency_ms": np.array(total) / 10})


def misses(architectures: Sequence[Architecture]) -> pd.DataFrame:
    """How many choices differ from 1: neither the smallest nor the largest architecture has the least."""
    return pd.DataFrame({"misses": [float(sum(v != 1 for v in a.values())) for a in architectures]})


@pytest.fixture
def sampled() -> dict[str, Any]:
    return feasibility_report(
        setup(LARGE, 150, "latency_ms <= 1.8", "params <= 50% of largest", "accuracy >= 0.9"), costs
    )


def test_a_small_space_is_counted_whole() -> None:
    report = feasibility_report(setup(SMALL, 9, "params <= 17", "params <= 50% of largest"), costs)
    assert report["exact"] and report["architectures"] == report["sampled"] == 9
    values = [sum(architecture.values()) for architecture in SMALL]
    share = sum(value <= 17 for value in values) / 9
    assert report["satisfied"] == {"params <= 17": share, "params <= 50% of largest": 3 / 9}
    assert report["constraints"]["params <= 17"] == {
        "metric": "params",
        "bound": 17.0,
        "share": share,
        "low": share,
        "high": share,
        "met": True,
        "nearest": None,
    }
    assert report["constraints"]["params <= 50% of largest"]["bound"] == 13.5
    assert report["costs"]["params"]["median"] == sorted(values)[4]
    assert sum(report["costs"]["params"]["histogram"]["counts"]) == 9


def test_a_large_space_is_sampled_and_says_how_sure_it_is(sampled: dict[str, Any]) -> None:
    assert not sampled["exact"] and (sampled["architectures"], sampled["sampled"]) == (4**12, 150)
    row = sampled["constraints"]["latency_ms <= 1.8"]
    drawn = costs([LARGE.sample([3, number]) for number in range(150)])
    within = int((drawn["latency_ms"] <= 1.8).sum())
    assert row["share"] == within / 150 == sampled["satisfied"]["latency_ms <= 1.8"]
    assert row["low"] < row["share"] < row["high"]
    z2, share = 1.959964**2, within / 150  # both ends solve (p - share)² = z² p (1 - p) / n
    for end in (row["low"], row["high"]):
        assert (end - share) ** 2 == pytest.approx(z2 * end * (1 - end) / 150)
    assert list(sampled["constraints"]) == ["latency_ms <= 1.8", "params <= 50% of largest"]  # accuracy is no cost


def test_the_smallest_and_the_largest_are_shown_but_not_counted(sampled: dict[str, Any]) -> None:
    params = sampled["costs"]["params"]
    assert (params["smallest"], params["largest"]) == (0.0, 36.0)
    histogram = params["histogram"]
    assert (len(histogram["edges"]), histogram["edges"][0], histogram["edges"][-1]) == (21, 0.0, 36.0)
    assert histogram["counts"][0] == histogram["counts"][-1] == 0 and sum(histogram["counts"]) == 150
    one = feasibility_report(setup(LARGE, 1, "params <= 0", "params >= 36"), costs)
    assert set(one["satisfied"].values()) == {0}
    assert [row["nearest"] for row in one["constraints"].values()] == [0.0, 36.0]
    assert all(row["met"] for row in one["constraints"].values())


def test_every_value_comes_with_its_architecture(sampled: dict[str, Any]) -> None:
    for name, cost in sampled["costs"].items():
        for extreme, named in cost["architectures"].items():
            architecture = LARGE.architecture(named["architecture"])
            assert named["id"] == architecture.id
            assert costs([architecture])[name][0] == cost[extreme]
    assert json.loads(json.dumps(sampled)) == sampled


def test_costs_of_ones_own_are_shown_while_they_are_worked_out() -> None:
    class Shown(Silent):
        titles: ClassVar[list[str]] = []

        def task(self, title: str, total: int) -> AbstractContextManager[ProgressTask]:
            self.titles.append(f"{title}, {total}")
            return super().task(title, total)

    asked = setup(SMALL, 4, "mine <= 3")
    asked.own_costs, asked.costs_of = SimpleNamespace(names=("mine",)), lambda each: {"mine": float(each["depth"])}
    (bound,) = check_constraints(asked, progress=Shown())
    count = len(asked.samples)
    assert bound.bound == 3 and Shown.titles == [f"Working out mine of {count} networks, {count}"]


def test_an_architecture_drawn_twice_counts_twice() -> None:
    space = Space({"deep": [0, 1, 2], **{f"k{n}": [0, 1] for n in range(2)}})
    twin = setup(space, 11, "params <= 1")
    assert len(twin.samples) < 11
    drawn = costs([space.sample([3, number]) for number in range(11)])["params"]
    report = feasibility_report(twin, costs)
    assert report["satisfied"]["params <= 1"] == sum(drawn <= 1) / 11 and report["sampled"] == 11


@pytest.mark.parametrize("text", ["latency_ms <= 1.8", "latency_ms >= 1.8"])
def test_the_error_of_predicted_latency_widens_only_shares_of_latency(text: str) -> None:
    given = setup(LARGE, 150, text, "params <= 18")
    sure, unsure = feasibility_report(given, costs), feasibility_report(given, costs, latency_error=0.1)
    before, after = sure["constraints"][text], unsure["constraints"][text]
    assert after["share"] == before["share"]
    assert after["low"] < before["low"] and after["high"] > before["high"]
    assert unsure["constraints"]["params <= 18"] == sure["constraints"]["params <= 18"]


def test_a_space_counted_whole_has_the_error_of_the_prediction_alone() -> None:
    row = feasibility_report(setup(SMALL, 9, "latency_ms <= 1.75"), costs, latency_error=0.1)["constraints"]
    values = np.array([sum(architecture.values()) / 10 for architecture in SMALL])
    limits = [sum(values <= bound) / 9 for bound in (0.9 * 1.75, 1.75, 1.1 * 1.75)]
    assert [row["latency_ms <= 1.75"][name] for name in ("low", "share", "high")] == limits
    assert limits[0] < limits[1] < limits[2]


def test_the_nearest_value_is_found_by_evolution_and_not_among_samples_alone() -> None:
    given = setup(LARGE, 100, "misses <= -1", "misses <= 2")
    best_sample = misses(given.samples)["misses"].min()
    report = feasibility_report(given, misses)
    assert report["satisfied"] == {"misses <= -1": 0, "misses <= 2": 0}
    impossible, rare = report["constraints"]["misses <= -1"], report["constraints"]["misses <= 2"]
    assert impossible["nearest"] < best_sample and not impossible["met"]
    assert rare["nearest"] <= 2 < best_sample and rare["met"]
    assert rare["high"] > 0


@pytest.mark.parametrize(
    ("given", "asked", "said"),
    [
        (setup(SMALL, 9, "params <= 17"), costs, "params <= 17: 44 % of the space\n"),
        (setup(SMALL, 9, "params <= 5"), costs, "params <= 5: none of the space; nearest is 9\n"),
        (setup(LARGE, 100, "misses <= 2"), misses, "misses <= 2: less than 3.7 % of the space; one with 2 was found\n"),
    ],
)
def test_constraints_are_printed_as_sentences(
    given: Any, asked: Callable[..., pd.DataFrame], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    print_feasibility("toy", [1, 8, 8], "onnxruntime", feasibility_report(given, asked))
    out = capsys.readouterr().out
    assert said in out
    assert f"{given.space.size:,} architectures" in out


def test_histograms_are_printed_with_a_character_a_bin(
    sampled: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    print_feasibility("toy", [1, 8, 8], "onnxruntime", sampled)
    lines = capsys.readouterr().out.splitlines()
    (heading,) = [line for line in lines if "smallest to largest" in line]
    (row,) = [line for line in lines if line.startswith(" params ")]
    drawn = row[heading.index("smallest to largest") :]
    counts = sampled["costs"]["params"]["histogram"]["counts"]
    assert len(drawn) >= 20
    assert [character != " " for character in drawn[:20]] == [count > 0 for count in counts]
    assert drawn[int(np.argmax(counts))] == "█"
