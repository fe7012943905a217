import math

import pandas as pd
import pytest

from nas.errors import UsageError
from nas.search import Constraint, Objective, check_feasible, objective_values


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("latency_ms <= 2", "latency_ms <= 2"),
        ("latency_ms<=2.5", "latency_ms <= 2.5"),
        ("params <= 5e5", "params <= 500000"),
        ("params < 5_000_000", "params < 5000000"),
        ("accuracy >= 0.9", "accuracy >= 0.9"),
        ("accuracy > .9", "accuracy > 0.9"),
        ("margin >= -1e-7", "margin >= -1e-07"),
        ("latency_ms <= 50% of largest", "latency_ms <= 50% of largest"),
        (" latency_ms  <=  7 %  of  largest ", "latency_ms <= 7% of largest"),
        ("top-1 >= 0.1", "top-1 >= 0.1"),
    ],
)
def test_constraints_are_read_and_written(text: str, canonical: str) -> None:
    constraint = Constraint.parse(text)
    assert str(constraint) == canonical
    assert Constraint.parse(canonical) == constraint


@pytest.mark.parametrize(
    "text",
    ["", "latency_ms", "<= 2", "latency_ms = 2", "latency_ms == 2", "latency_ms <= fast", "latency_ms <= 2 ms",
     "latency_ms <= 50%", "latency_ms => 2", "a b <= 2", "1 <= x <= 2", "x <= 1.2.3", "x <= nan", "x <= ."],
)  # fmt: skip
def test_unreadable_constraints_show_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="'latency_ms <= 2'"):
        Constraint.parse(text)


@pytest.mark.parametrize(
    ("text", "value", "violation"),
    [
        ("x <= 2", 2, 0),
        ("x <= 2", 3, 0.5),
        ("x >= 2", 1, 0.5),
        ("x >= 2", 2, 0),
        ("x <= 0", 3, 3),
        ("x >= -2", -3, 0.5),
        ("x <= 2", math.nan, math.inf),
        ("x <= 2", math.inf, math.inf),
        ("x < 2", 1.999, 0),
        ("x < 2", 3, 0.5),
        ("x > 2", 3, 0),
        ("x > 2", 1, 0.5),
    ],
)
def test_violation_is_the_relative_excess(text: str, value: float, violation: float) -> None:
    assert Constraint.parse(text).violation({"x": value}) == pytest.approx(violation)


def test_a_strict_bound_is_violated_at_equality() -> None:
    assert 0 < Constraint.parse("x < 2").violation({"x": 2}) < 1e-9
    assert 0 < Constraint.parse("x > 2").violation({"x": 2}) < 1e-9


def test_shares_become_absolute() -> None:
    share = Constraint.parse("params <= 7% of largest")
    assert share.resolve({"params": 200.0}).bound == pytest.approx(14)
    with pytest.raises(UsageError, match="is a share"):
        share.violation({"params": 1.0})
    with pytest.raises(UsageError, match="did you mean 'params_m'"):
        share.resolve({"params_m": 1.0})


def test_an_unknown_metric_points_at_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"'latency <= 2'.*did you mean 'latency_ms'"):
        Constraint.parse("latency <= 2").violation({"latency_ms": 1.0, "accuracy": 0.5})


def test_feasible_samples_pass() -> None:
    samples = pd.DataFrame({"x": [1.0, 5.0], "y": [9.0, 1.0]})
    check_feasible([Constraint.parse("x <= 2"), Constraint.parse("y >= 5")], samples)
    check_feasible([], samples)


def test_the_impossible_constraint_and_its_nearest_value_are_named() -> None:
    samples = pd.DataFrame({"x": [4.0, 3.25], "y": [1.0, 9.0]})
    with pytest.raises(UsageError, match=r"'x <= 2' is met by none of the 2 .* x 3\.25"):
        check_feasible([Constraint.parse("y <= 5"), Constraint.parse("x <= 2")], samples)


def test_constraints_that_exclude_each_other_are_named_together() -> None:
    samples = pd.DataFrame({"x": [1.0, 5.0], "y": [9.0, 1.0]})
    with pytest.raises(UsageError, match="'x <= 2' and 'y <= 2' are met together by none"):
        check_feasible([Constraint.parse("x <= 2"), Constraint.parse("y <= 2")], samples)


def test_no_samples_cannot_be_checked() -> None:
    with pytest.raises(UsageError, match="no sampled architecture"):
        check_feasible([Constraint.parse("x <= 2")], pd.DataFrame({"x": []}))


def test_objectives_are_minimised() -> None:
    objectives = [Objective("accuracy", maximise=True), Objective("latency_ms", maximise=False)]
    assert objective_values(objectives, {"accuracy": 0.9, "latency_ms": 2}) == (-0.9, 2.0)
    assert objective_values(objectives, {"accuracy": math.nan, "latency_ms": 2}) is None
    with pytest.raises(UsageError, match=r"objective 'accuracy'.*did you mean 'acuracy'"):
        objective_values(objectives, {"acuracy": 0.9, "latency_ms": 2})
