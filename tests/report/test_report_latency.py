import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from outline import Outline

from nas.errors import UsageError
from nas.report import LatencyContent, ReportContent, write_latency_report
from nas.report.feasibility import constraint_sentence, cost_histogram
from nas.report.latency_figures import cost_figure, error_figure, prediction_figure
from nas.report.latency_html import latency_section
from nas.report.search_page import render_latency_report, render_report


def altered(content: LatencyContent, **fields: Any) -> LatencyContent:
    return dataclasses.replace(content, **fields)


def traces(figure: dict[str, Any] | None) -> dict[str, dict[str, Any]]:
    assert figure is not None
    go.Figure(figure)  # raises on a key that Plotly does not know
    return {trace["name"]: trace for trace in figure["data"]}


def test_predictions_stand_against_measurements_in_bands(latency: LatencyContent) -> None:
    drawn = traces(prediction_figure(latency))
    assert drawn["held-out networks"]["x"] == [1.0, 2.0, 4.0]
    assert drawn["held-out networks"]["y"] == [1.04, 1.8, 4.0]
    assert (drawn["Pareto front"]["x"], drawn["Pareto front"]["y"]) == ([3.0], [3.3])  # the other has no prediction
    for name, error in (("within 5%", 0.05), ("within 10%", 0.1)):
        ratios = np.array(drawn[name]["y"]) / np.array(drawn[name]["x"])
        assert ratios == pytest.approx([1 + error, 1 + error, 1 - error, 1 - error])
        assert (min(drawn[name]["x"]), max(drawn[name]["x"])) == (1.0, 4.0)


@pytest.mark.parametrize(("largest", "kind"), [(9.0, "linear"), (11.0, "log")])
def test_a_range_of_more_than_ten_is_logarithmic(latency: LatencyContent, largest: float, kind: str) -> None:
    wide = altered(latency, measured=[1.0, 2.0, largest], predicted=[1.0, 2.0, largest], front=())
    prediction, errors = prediction_figure(wide), error_figure(wide)
    assert prediction is not None and errors is not None
    assert [prediction["layout"][axis]["type"] for axis in ("xaxis", "yaxis")] == [kind, kind]
    assert errors["layout"]["xaxis"]["type"] == kind and "type" not in errors["layout"]["yaxis"]


def test_a_prediction_of_nothing_keeps_the_axes_linear(latency: LatencyContent) -> None:
    figure = prediction_figure(altered(latency, measured=[0.1, 4.0], predicted=[0.0, 4.0]))
    assert figure is not None and figure["layout"]["yaxis"]["type"] == "linear"


def test_errors_are_relative_and_stand_in_the_band_of_noise(latency: LatencyContent) -> None:
    drawn = traces(error_figure(latency))
    assert drawn["held-out networks"]["y"] == pytest.approx([0.04, -0.1, 0.0])
    assert drawn["Pareto front"]["y"] == pytest.approx([0.1])
    assert set(drawn["noise floor"]["y"]) == {0.05, -0.05}
    assert "noise floor" not in traces(error_figure(altered(latency, noise_floor=None)))
    text = Outline(latency_section(latency)).text
    assert "differ by 5.00% (band); 2 of 3 networks are predicted within that." in text


def test_the_front_stands_by_the_first_cost_that_it_tells(latency: LatencyContent) -> None:
    figure = cost_figure(latency)
    drawn = traces(figure)["Pareto front"]
    assert (drawn["x"], drawn["y"]) == ([1e6, 3e6], [0.9, 3.0])  # from cheap to dear
    assert drawn["error_y"]["array"] == [0.0, 0.02]
    assert figure is not None and figure["layout"]["xaxis"]["title"]["text"] == "FLOPs"
    assert cost_figure(altered(latency, front=latency.front[:1])) is None


def test_predictors_are_compared_with_the_errors_that_are_known(latency: LatencyContent) -> None:
    text = Outline(latency_section(latency)).text
    for said in ("Predictors compared", "linear", "lookup", "93.00%", "Rank correlation", "yes", "no"):
        assert said in text
    assert "Within 5%" not in text
    assert "Predictors compared" not in latency_section(altered(latency, predictors=()))


def test_nothing_held_out_is_said(latency: LatencyContent) -> None:
    bare = altered(latency, measured=[], predicted=[], front=(), predictors=(), errors={}, noise_floor=None)
    outline = Outline(render_latency_report("bare", dataclasses.replace(bare, feasibility=None), {}))
    assert "No network was held out." in outline.text and not outline.figures
    assert "What the space costs" not in outline.text


def test_histograms_show_shares_and_the_constraints_within_their_range(feasible: dict[str, Any]) -> None:
    figure = cost_histogram(feasible, "latency_ms")
    go.Figure(figure)
    (bars,) = figure["data"]
    assert bars["y"] == pytest.approx([0.25, 0.75]) and bars["x"] == [1.0, 2.0] and bars["width"] == [1.0, 1.0]
    lines = [(shape["x0"], shape["label"]["text"]) for shape in figure["layout"]["shapes"]]
    assert lines == [(1.25, "&lt;= 50% of largest")]  # the other one is far outside
    assert cost_histogram(feasible, "params")["layout"]["shapes"] == []


def test_a_histogram_of_equal_values_is_one_bar(feasible: dict[str, Any]) -> None:
    edges = np.histogram_bin_edges([5.0, 5.0], 20)
    counts = np.histogram([5.0, 5.0], edges)[0].tolist()
    feasible["costs"]["params"]["histogram"] = {"edges": edges.tolist(), "counts": counts}
    assert sum(share > 0 for share in cost_histogram(feasible, "params")["data"][0]["y"]) == 1


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "latency_ms <= 2: 37 % of the space (33 to 41 %)"),
        ({"low": 0.37, "high": 0.37}, "latency_ms <= 2: 37 % of the space"),
        ({"share": 0.002, "low": 0.0001, "high": 0.0124}, "latency_ms <= 2: 0.2 % of the space (0.01 to 1.2 %)"),
        ({"share": 1.0, "low": 0.98, "high": 1.0}, "latency_ms <= 2: 100 % of the space (98 to 100 %)"),
        ({"share": 0, "met": False, "nearest": 2.34567}, "latency_ms <= 2: none of the space; nearest is 2.346 ms"),
        (
            {"share": 0, "high": 0.018, "nearest": 1.0},
            "latency_ms <= 2: less than 1.8 % of the space; one with 1 ms was found",
        ),
        (
            {"share": 0, "met": False, "metric": "params", "nearest": 11234.0},
            "latency_ms <= 2: none of the space; nearest is 11,234",
        ),
    ],
)
def test_constraints_in_words(changes: dict[str, Any], sentence: str) -> None:
    row = {"metric": "latency_ms", "share": 0.37, "low": 0.33, "high": 0.41, "met": True, "nearest": None}
    assert constraint_sentence("latency_ms <= 2", row | changes) == sentence


def test_the_page_of_a_profile_is_whole_and_needs_no_network(latency: LatencyContent) -> None:
    page = render_latency_report("profile", latency, {"space": "chain", "command": "nas profile", "seconds": {"a": 2}})
    outline = Outline(page)
    assert len(outline.figures) == 3 + 2
    assert "https:" not in page.split("<script>/**")[0] and "default-src 'none'" in page
    for said in (
        "Latency: predicted against measured",
        "What the space costs",
        "12 architectures, all of them counted",
    ):
        assert said in outline.text
    for said in ("0123456789", "50 % of the space (41 to 59 %)", "a CPU", "nas profile", "Networks fitted on"):
        assert said in outline.text
    assert render_latency_report("profile", latency, {"seconds": {}}) != page


def test_the_page_of_a_search_shows_the_same_sections(
    content: ReportContent, latency: LatencyContent, changed: Callable[..., ReportContent]
) -> None:
    with_latency = render_report(changed(latency=latency))
    assert latency_section(latency) in with_latency and "What the space costs" in with_latency
    assert "predicted against measured" not in render_report(content)


def test_texts_of_users_never_become_markup(latency: LatencyContent) -> None:
    poison = "</script><script>alert(1)</script><b a='\"&lt;$title"
    feasible: dict[str, Any] = json.loads(json.dumps(latency.feasibility))
    feasible["constraints"] = {text + poison: row for text, row in feasible["constraints"].items()}
    for cost in feasible["costs"].values():
        for named in cost["architectures"].values():
            named |= {"id": poison, "architecture": {poison: poison}}
    poisoned = altered(
        latency,
        target=poison,
        front=[{**row, "id": poison} for row in latency.front],
        predictors=[{**row, "kind": poison} for row in latency.predictors],
        feasibility=feasible,
    )
    clean = render_latency_report("title", latency, {"space": "chain"})
    outline = Outline(render_latency_report(poison, poisoned, {"space": poison}))
    assert outline.tags == Outline(clean).tags and outline.text.count("alert(1)") > 10
    texts = json.dumps([figure["data"] + figure["layout"].get("shapes", []) for figure in outline.figures])
    assert "alert(1)" in texts and "<b a" not in texts and "<script" not in texts


def test_the_file_appears_whole(latency: LatencyContent, tmp_path: Path) -> None:
    path = tmp_path / "profile" / "report.html"
    assert write_latency_report(path, "profile", latency, {}) == path
    assert path.read_text("utf-8") == render_latency_report("profile", latency, {})
    assert os.listdir(path.parent) == ["report.html"]  # noqa: PTH208
    with pytest.raises(UsageError, match="is a folder"):
        write_latency_report(tmp_path, "profile", latency, {})


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"predicted": [1.0]}, "3 measured and 1 predicted latencies; give one prediction for each"),
        ({"measured": [1.0, 0.0, 2.0]}, r"measured\[1\] 0.0, expected ms above 0"),
        ({"measured": [1.0, float("nan"), 2.0]}, r"measured\[1\] nan"),
        ({"predicted": [1.0, 2.0, float("inf")]}, r"predicted\[2\] inf, expected a number of ms"),
    ],
)
def test_bad_latencies_are_refused_with_a_sentence(
    latency: LatencyContent, fields: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint):
        altered(latency, **fields)
