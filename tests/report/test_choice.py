"""The sentences on a run's network say which figure is of which weights."""

from typing import Any

from nas.report.choice import choice_sentences


def row(name: str, accuracy: float, test: float | None = None, **others: Any) -> dict[str, Any]:
    tested = {} if test is None else {"test_accuracy": test}
    return {"id": name, "accuracy": accuracy, "latency_ms": 1.0, **tested, **others}


def result(best: dict[str, Any], **draw: Any) -> dict[str, Any]:
    """Of a run that scored its network 91 % to select it, where the same weights have 88 % on the other part."""
    shared = row("a", 0.88, selection_accuracy=0.91, optimism=0.03)
    return {
        "metric": "accuracy",
        "cost": "flops",
        "best": {**shared, **best},
        "largest": row("z", 0.9, 0.9, latency_ms=2.0),
        "front": [row("b", 0.8, selection_accuracy=0.85, optimism=0.05), shared],
        "selection": {"best": "a", "equals": ["a"], "within": 0.5, "of": 2, "differ": True},
        "random": row("r", 0.86, 0.87, draws=40, **draw),
    }


def test_optimism_is_said_of_the_weights_that_were_selected() -> None:
    """The confirmed figure of the delivered network, 96 % after retraining, is no part of it."""
    told = choice_sentences(result(row("a", 0.96, 0.95)))
    assert "confirmed accuracy 96.00%" in told[0]
    (sentence,) = (each for each in told if "optimism" in each)
    assert "gave 91.00% and the part that confirms 88.00%; the difference of +3 points is optimism" in sentence
    assert sentence.startswith("With the weights that the search judged, in float32,")


def test_random_draws_are_compared_with_the_network_as_it_was_searched() -> None:
    best = row("a", 0.96, 0.95)
    told = choice_sentences(result(best, chosen={"test_accuracy": 0.89}, latency_source="predicted"))[-1]
    assert told.startswith("With the weights that the search judged, in float32, the best of 40 random draws")
    assert "on costs (predicted latency)" in told
    assert told.endswith("test accuracy 87.00%; the chosen network has 89.00% with these.")
    plain = choice_sentences(result(best))[-1]
    assert plain == (
        "The best of 40 random draws under the same constraints on costs, taken by the same rule: test accuracy 87.00%."
    )
