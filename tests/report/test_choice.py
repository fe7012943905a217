"""What the sentences about a choice say, and what they do not."""

from typing import Any

from nas.report.choice import choice_sentences


def result(best: str = "a", selected: float = 0.9, confirmed: float = 0.8, drawn: float = 0.5) -> dict[str, Any]:
    row = {
        "id": best, "accuracy": confirmed, "selection_accuracy": selected, "optimism": selected - confirmed,
        "test_accuracy": 0.8, "test_accuracy_low": 0.7, "test_accuracy_high": 0.9, "latency_ms": 1.0,
    }  # fmt: skip
    draw = {"draws": 1, "test_accuracy": drawn, "test_accuracy_low": drawn - 0.1, "test_accuracy_high": drawn + 0.1}
    why = {"equals": [best], "within": 0.5, "of": 3, "differ": []}
    largest = {**row, "id": "b", "latency_ms": 2.0}
    return {
        "metric": "accuracy", "best": row, "largest": largest, "front": [row], "random": draw, "selection": why,
        "cost": "latency_ms", "objective": "maximise accuracy",
    }  # fmt: skip


def test_only_a_score_that_was_too_good_is_optimism() -> None:
    assert "of +10 points is optimism" in " ".join(choice_sentences(result()))
    assert "optimism" not in " ".join(choice_sentences(result(selected=0.7)))


def test_the_largest_is_not_compared_with_itself() -> None:
    assert "at 50% of the largest" in choice_sentences(result())[0]
    (first, *_) = choice_sentences(result("b"))
    assert first.endswith("; it is the largest network.") and "latency" not in first


def test_one_draw_and_whether_it_differs() -> None:
    assert "best of 1 random draw under" in choice_sentences(result())[-1]
    assert "difference" not in choice_sentences(result())[-1] and "paid" not in choice_sentences(result())[-1]
    assert choice_sentences(result(drawn=0.75))[-1].endswith("Their intervals overlap: no difference is shown.")
    assert "The draw is better: the search has not paid" in choice_sentences(result(drawn=1.1))[-1]
