"""What a page says of classes, of choices, and of results that chance explains."""

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from outline import Outline

from nas.report import ReportContent
from nas.report.chance import chance_notes
from nas.report.content import Confusion
from nas.report.importance import choice_importance, importance_figure, importances
from nas.report.last_round import last_round_figure
from nas.report.parallel import parallel_figure
from nas.report.search_page import render_report
from nas.tasks.calibration import Calibration

Changed = Callable[..., ReportContent]


def confusion(classes: int = 3) -> Confusion:
    counts = np.eye(classes, dtype=np.int64) * 8
    counts[0, 1] = 2
    counts[1, 1] = 0
    return Confusion([f"<b>class {index}</b>" for index in range(classes)], counts, "validation images")


def test_how_sure_a_classifier_is_stands_below_its_classes(changed: Changed) -> None:
    sure = dataclasses.replace(confusion(), calibration=Calibration.of([0.9, 0.9, 0.5], [True, True, False]))
    outline = Outline(render_report(changed(confusion=sure)))
    bars = outline.figures[5]["data"][0]
    assert bars["x"] == [0.5, 0.9] and bars["y"] == [0.0, 1.0] and bars["customdata"] == [1, 2]
    assert "Expected calibration error 23.3%, in 15 bins; on the whole the network is more confident" in outline.text
    assert "How sure it is" not in Outline(render_report(changed(confusion=confusion()))).text


def test_classes_are_shown_the_worst_first(changed: Changed) -> None:
    outline = Outline(render_report(changed(confusion=confusion())))
    bars, matrix = (figure["data"][0] for figure in outline.figures[3:5])
    assert bars["x"] == [0.8, 1.0] and matrix["z"] == [[0.8, 0.2, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    assert "Most often mistaken: <b>class 0</b> for <b>class 1</b> (2)." in outline.text
    assert "of 18 validation images; the most frequent class alone would give 55.6%" in outline.text


def test_of_many_classes_the_worst_are_bars_and_there_is_no_matrix(changed: Changed) -> None:
    outline = Outline(render_report(changed(confusion=confusion(200))))
    assert [figure["data"][0]["type"] for figure in outline.figures[3:]] == ["bar"]
    assert len(outline.figures[3]["data"][0]["x"]) == 30 and "The 30 worst of 200 classes" in outline.text


def test_the_choice_that_decides_is_found() -> None:
    rng = np.random.default_rng(0)
    drawn = [{"a": int(a), "b": int(b), **({"c": 1} if a else {})} for a, b in rng.integers(0, 4, (300, 2))]
    score = np.array([each["a"] + 0.1 * rng.normal() for each in drawn])
    found = choice_importance(drawn, score, maximise=True)
    assert found["a"] > 0.7 and found["b"] < 0.15 and sum(found.values()) == pytest.approx(1)
    assert choice_importance(drawn, score, maximise=True) == found


def with_rows(content: ReportContent) -> Callable[[int], ReportContent]:
    """The report of so many candidates, whose kernel decides the score and whose width the cost."""

    def rows(count: int) -> ReportContent:
        table = pd.concat([content.candidates] * 3, ignore_index=True).head(count)
        kernels = [{"kernel": number % 3, "width": number % 5} for number in range(count)]
        changed = table.assign(
            architecture=list(map(json.dumps, kernels)),
            accuracy=[each["kernel"] for each in kernels],
            latency_ms=[each["width"] + 1 for each in kernels],
        )
        return dataclasses.replace(content, candidates=changed)

    return rows


def test_score_and_cost_are_side_by_side(content: ReportContent) -> None:
    rows = with_rows(content)
    figure = importance_figure(rows(90), importances(rows(90)))
    assert figure is not None
    score, cost = (dict(zip(each["y"], each["x"], strict=True)) for each in figure["data"])
    assert score["kernel"] > 0.9 and cost["width"] > 0.9
    assert importances(rows(30)) == {} and importance_figure(rows(30), {}) is None


def test_a_candidate_is_a_line_through_its_choices_cost_and_score(content: ReportContent) -> None:
    shown = with_rows(content)(90)
    figure = parallel_figure(shown, ["kernel", "width"])
    assert figure is not None
    others, best, marks = figure["data"]
    assert (others["name"], best["name"]) == ("other candidates", "best tenth")
    assert others["x"].count(None) + best["x"].count(None) == 90 and best["x"][:5] == [0, 1, 2, 3, None]
    assert best["y"][3] == 1.0, "the best score is at the top"
    assert [text for x, text in zip(marks["x"], marks["text"], strict=True) if x == 1] == list("01234")
    assert parallel_figure(shown, []) is None


def test_the_last_round_is_a_line_for_each_network() -> None:
    rows = [
        {"id": "a", "origin": "score", "shared_accuracy": 0.2, "rung_1_accuracy": 0.4, "finished_accuracy": 0.8},
        {"id": "b", "origin": "random", "shared_accuracy": 0.3, "rung_1_accuracy": 0.1},
    ]
    figure = last_round_figure(rows, "accuracy", "a")
    assert figure is not None
    assert [(line["x"], line["y"]) for line in figure["data"]] == [
        (["supernet", "rung 1", "end"], [0.2, 0.4, 0.8]), (["supernet", "rung 1"], [0.3, 0.1]),
    ]  # fmt: skip
    assert last_round_figure([{"id": "a", "origin": "score", "shared_accuracy": 0.2}], "accuracy", "a") is None


def result(low: float, draw: tuple[float, float] | None) -> dict[str, Any]:
    best = {"accuracy": 0.6, "accuracy_low": low, "test_accuracy_low": 0.55, "test_accuracy_high": 0.65}
    random = None if draw is None else {"draws": 9, "test_accuracy_low": draw[0], "test_accuracy_high": draw[1]}
    return {"metric": "accuracy", "best": best, "random": random}


def test_what_chance_explains_is_a_note() -> None:
    (guess,) = chance_notes(result(0.5, None), confusion())
    assert "no better than guessing" in guess and "55.56%" in guess
    (luck,) = chance_notes(result(0.57, (0.5, 0.56)), confusion())
    assert "not shown to be better than the best of 9 random draws" in luck
    assert chance_notes(result(0.57, (0.4, 0.5)), confusion()) == []
    assert chance_notes(result(0.57, None), None) == []


def test_plain_networks_that_do_as_well_are_a_note() -> None:
    found = result(0.57, None)
    found["best"]["id"] = "a"
    found["selection"] = {"finish": [{"id": "a", "origin": "scaled alike"}]}
    (scaled,) = chance_notes(found, None)
    assert "is the largest one scaled alike" in scaled
    found["selection"] = {"finish": [{"id": "a", "origin": "score"}]}
    pair = {"one": ["chosen", "fresh"], "other": ["scaled alike", "fresh"], "low": -0.01, "high": 0.02}
    (alike,) = chance_notes(found | {"controls": {"differences": [pair]}}, None)
    assert "not shown to be better than the largest scaled alike" in alike
    assert chance_notes(found | {"controls": {"differences": [pair | {"low": 0.01}]}}, None) == []
