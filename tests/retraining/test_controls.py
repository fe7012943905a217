"""`nas controls`: the chosen network beside plain ones of equal cost that were trained alike."""

import json
import shutil
from typing import Any

import numpy as np
import pytest

from nas.errors import UsageError
from nas.evaluation.paired import paired_difference
from nas.report.controls import control_sentences
from nas.report.quantities import points
from nas.retraining import control_run, controls as controls_module
from nas.setup import RunFolder
from nas.space import Architecture


def test_every_network_has_both_kinds_of_weights_and_none_costs_more(folder: RunFolder) -> None:
    found = control_run(folder, folder.load_config(), epochs=1)
    chosen, *others = found["networks"]
    assert chosen["network"] == "chosen" and chosen["id"] == json.loads(folder.best.read_text())["best"]["id"]
    assert {row["network"] for row in others} <= {"scaled alike", "random"} and others
    assert all(row[found["cost"]] <= chosen[found["cost"]] for row in others)
    assert all(0 <= row[start] <= 1 for row in found["networks"] for start in ("inherited", "fresh"))
    for each in found["differences"]:
        rows = [
            next(row for row in found["networks"] if row["network"] == name) for name, _ in (each["one"], each["other"])
        ]
        scores = [row[start] for row, (_, start) in zip(rows, (each["one"], each["other"]), strict=True)]
        assert each["difference"] == pytest.approx(scores[0] - scores[1])
        assert each["low"] <= each["difference"] <= each["high"]
    result, page = json.loads(folder.best.read_text()), folder.report.read_text()
    assert result["controls"] == json.loads(json.dumps(found))
    assert "Did the search pay?" in page and "scaled alike" in page
    assert control_run(folder, folder.load_config(), epochs=1) == result["controls"]
    with pytest.raises(UsageError, match=r"holds controls with epochs=1, but 2 is asked for"):
        control_run(folder, folder.load_config(), epochs=2)


class _KilledError(Exception):
    """Stands for a process that ends."""


def test_a_killed_comparison_goes_on_to_the_same_figures(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    left = [2]
    trained = controls_module._Controls.trained

    def dying(self: Any, architecture: Architecture, start: str) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise _KilledError
        return trained(self, architecture, start)

    with monkeypatch.context() as patch:
        patch.setattr(controls_module._Controls, "trained", dying)
        with pytest.raises(_KilledError):
            control_run(folder, folder.load_config(), epochs=1)
    kept = {file.name: file.stat().st_mtime_ns for file in (folder.path / "controls").glob("*.safetensors")}
    assert len(kept) == 2 and "controls" not in json.loads(folder.best.read_text())
    found = control_run(folder, folder.load_config(), epochs=1)
    assert {name: (folder.path / "controls" / name).stat().st_mtime_ns for name in kept} == kept
    shutil.rmtree(folder.path / "controls")
    assert control_run(folder, folder.load_config(), epochs=1) == found


def test_an_interval_holds_zero_as_often_as_it_says_where_both_arms_are_alike() -> None:
    """Answers of two networks of one recipe: examples are as hard for the one as for the other."""
    draws, held = np.random.default_rng(0), []
    for _ in range(2000):
        hardness = draws.beta(4, 1, 300)
        one, other = (draws.random(300) < hardness for _ in range(2))
        _, low, high = paired_difference(one, other)
        held.append(low <= 0 <= high)
    assert 0.935 <= np.mean(held) <= 0.965


def test_copies_of_one_example_do_not_narrow_an_interval() -> None:
    one, other = np.array([1.0, 1, 0, 1, 1, 0]), np.array([0.0, 1, 0, 1, 0, 1])
    thrice = np.repeat(np.arange(6), 3)
    assert paired_difference(np.repeat(one, 3), np.repeat(other, 3), thrice) == pytest.approx(
        paired_difference(one, other)
    )


def test_a_difference_that_may_be_none_is_said_to_be_none() -> None:
    pair = {"one": ("chosen", "inherited"), "other": ("chosen", "fresh"), "difference": 0.01}
    said = control_sentences(
        {
            "metric": "accuracy",
            "differences": [
                {**pair, "low": -0.01, "high": 0.03},
                {**pair, "other": ("random", "inherited"), "low": 0.005, "high": 0.015},
            ],
        }
    )
    low = points("accuracy", -0.01)
    assert said == [
        f"The chosen network: inherited less fresh weights: +1 points ({low} to +3 points); no difference is shown.",
        "The chosen network less a random network, inherited weights: +1 points (+0.5 points to +1.5 points).",
    ]
    assert control_sentences(None) == []
