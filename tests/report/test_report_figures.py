import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from nas.report import ReportContent
from nas.report.figures import MOST_POINTS, front_figure, history_figure, training_figure, validation_figure
from nas.report.search_page import render_report

Changed = Callable[..., ReportContent]


def traces(figure: dict[str, Any] | None) -> dict[str, dict[str, Any]]:
    assert figure is not None
    go.Figure(figure)  # raises on a key that Plotly does not know
    return {trace["name"]: trace for trace in figure["data"]}


def test_front_shows_every_kind_of_network(content: ReportContent) -> None:
    drawn = traces(front_figure(content))
    feasible = int(content.candidates["feasible"].sum())
    assert len(drawn["candidates"]["x"]) == feasible
    assert len(drawn["infeasible"]["x"]) == len(content.candidates) - feasible
    assert len(drawn["random draws"]["x"]) == len(content.random)
    assert drawn["Pareto front, measured"]["x"] == [0.6, 1.9]  # joined from cheap to dear
    assert drawn["Pareto front, measured"]["error_y"]["array"] == pytest.approx([0.01, 0.01])
    assert drawn["Pareto front, measured"]["error_x"]["array"] == [0.02, 0.02]
    assert (drawn["chosen network"]["x"], drawn["largest network"]["y"]) == ([1.9], [0.85])


def test_constraints_on_an_axis_become_lines(changed: Changed) -> None:
    texts = ["latency_ms <= 2", "accuracy >= 0.7", "params <= 5", "gibberish", "latency_ms <= 25% of largest"]
    figure = front_figure(changed(summary={"constraints": texts}))
    assert figure is not None
    go.Figure(figure)
    lines = [(shape.get("xref"), shape["x0"], shape["y0"]) for shape in figure["layout"]["shapes"]]
    assert lines == [("x", 2.0, 0), ("x domain", 0, 0.7), ("x", 1.0, 0)]


def test_a_share_of_an_unknown_largest_draws_no_line(changed: Changed, content: ReportContent) -> None:
    unmeasured = {**content.largest, "latency_ms": None}
    figure = front_figure(changed(largest=unmeasured, summary={"constraints": ["latency_ms <= 50% of largest"]}))
    assert figure is not None and figure["layout"]["shapes"] == []


def test_cost_axis_follows_the_content(changed: Changed) -> None:
    drawn = traces(front_figure(changed(cost="params")))
    assert drawn["chosen network"]["x"] == [1_900_000]
    assert "error_x" not in drawn["Pareto front, measured"]


def test_a_wide_range_of_costs_is_logarithmic(changed: Changed, content: ReportContent) -> None:
    near, far = front_figure(content), front_figure(changed(largest={**content.largest, "latency_ms": 400.0}))
    assert near is not None and near["layout"]["xaxis"]["type"] == "linear"
    assert far is not None and far["layout"]["xaxis"]["type"] == "log"


def test_large_clouds_are_thinned(changed: Changed, table: Callable[[int, int], pd.DataFrame]) -> None:
    many = table(3 * MOST_POINTS, 0).assign(feasible=True)
    assert MOST_POINTS / 2 < len(traces(front_figure(changed(candidates=many)))["candidates"]["x"]) <= MOST_POINTS


def test_front_without_any_cost_is_no_figure(changed: Changed, content: ReportContent) -> None:
    unmeasured = {"accuracy": 0.8, "latency_ms": None}
    empty = content.candidates.assign(latency_ms=np.nan)
    random = content.random.drop(columns="latency_ms")
    bare = changed(candidates=empty, random=random, front=[unmeasured], best=unmeasured, largest=unmeasured)
    assert front_figure(bare) is None


def test_history_keeps_the_steps_and_the_last_candidate(content: ReportContent) -> None:
    line = traces(history_figure(content))["best found by the search"]
    feasible = content.candidates[content.candidates["feasible"]]["accuracy"]
    assert line["y"][-1] == feasible.max() and line["x"][-1] == len(content.candidates)
    assert line["y"] == sorted(line["y"]) and len(line["x"]) < len(content.candidates)


def test_history_of_one_candidate_is_a_dot(changed: Changed, content: ReportContent) -> None:
    one = content.candidates[content.candidates["feasible"]].head(1)
    drawn = traces(history_figure(changed(candidates=one, random=pd.DataFrame())))
    assert list(drawn) == ["best found by the search"]
    assert drawn["best found by the search"]["x"] == [1]
    assert drawn["best found by the search"]["mode"] == "lines+markers"


def test_training_draws_the_loss_of_each_role(changed: Changed) -> None:
    drawn = traces(
        training_figure(changed(epochs=[{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1, "loss_small": 3}]))
    )
    assert drawn["total"]["y"] == [2.0, 1.0]
    assert (drawn["small"]["x"], drawn["small"]["y"]) == ([2.0], [3.0])


def test_scores_of_the_epochs_that_were_evaluated_are_drawn(changed: Changed) -> None:
    epochs = [{"epoch": 0, "loss": 2.0}, {"epoch": 1, "loss": 1.0, "validation_f1_largest": 0.4}]
    figure = validation_figure([*epochs, {"epoch": 2, "validation_f1_largest": 0.5, "validation_f1_smallest": 0.3}])
    drawn = traces(figure)
    assert (drawn["largest"]["x"], drawn["largest"]["y"]) == ([1.0, 2.0], [0.4, 0.5])
    assert drawn["smallest"]["x"] == [2.0]
    assert figure is not None and figure["layout"]["yaxis"]["title"]["text"] == "F1"
    assert validation_figure(epochs[:1]) is None
    assert "validation-plot" in render_report(changed(epochs=epochs))
    assert "validation-plot" not in render_report(changed(epochs=epochs[:1]))


@pytest.mark.parametrize(("last", "kind"), [(1.0, "linear"), (0.1, "log"), (-0.1, "linear")])
def test_training_axis_is_logarithmic_where_useful(changed: Changed, last: float, kind: str) -> None:
    figure = training_figure(changed(epochs=[{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": last}]))
    assert figure is not None and figure["layout"]["yaxis"]["type"] == kind


def test_no_epochs_is_no_figure(changed: Changed) -> None:
    assert training_figure(changed(epochs=[])) is None
    assert training_figure(changed(epochs=[{"epoch": 1, "loss": float("nan")}])) is None


def test_history_falls_where_less_is_better(minimised: ReportContent, content: ReportContent) -> None:
    down, up = traces(history_figure(minimised)), traces(history_figure(content))
    for name, line in down.items():
        assert line["x"] == up[name]["x"] and line["y"] == sorted(line["y"], reverse=True)
        assert line["y"] == pytest.approx([3 - value for value in up[name]["y"]])


def test_the_front_of_a_minimised_metric_has_its_name_and_intervals(minimised: ReportContent) -> None:
    summary = {"constraints": ["bits_per_character <= 2.25", "accuracy >= 0.5"]}
    figure = front_figure(dataclasses.replace(minimised, summary=summary))
    drawn = traces(figure)["Pareto front, measured"]
    assert drawn["y"] == pytest.approx([2.3, 2.2]) and drawn["error_y"]["array"] == pytest.approx([0.01, 0.01])
    assert figure is not None and figure["layout"]["yaxis"]["title"]["text"] == "Bits per character"
    assert "%" not in figure["layout"]["yaxis"]["tickformat"]
    assert [shape["y0"] for shape in figure["layout"]["shapes"]] == [2.25]  # accuracy is no axis here
