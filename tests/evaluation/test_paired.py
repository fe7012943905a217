"""Which of several networks is taken, by what each made of the same examples."""

import numpy as np
import pytest
from scipy.stats import ttest_rel

from nas.evaluation.paired import cheapest_of_equals


def answers(*wrong: set[int], examples: int = 200) -> np.ndarray:
    """``[networks, examples]``: 1 but at the places that each network gets wrong."""
    found = np.ones((len(wrong), examples))
    for row, places in zip(found, wrong, strict=True):
        row[list(places)] = 0
    return found


def test_of_networks_within_one_error_the_cheapest_is_taken() -> None:
    results = answers({0, 1, 2, 3}, {0, 1, 2, 3, 4}, {0, 1, 2, 3, *range(10, 30)})
    verdict = cheapest_of_equals(results, [3.0, 2.0, 1.0], maximise=True, within=1.0)
    assert (verdict.best, verdict.chosen, verdict.equals) == (0, 1, [0, 1])
    assert verdict.behind.tolist() == pytest.approx([0, 1 / 200, 20 / 200]) and verdict.differ


def test_the_errors_are_those_of_differences_not_of_scores() -> None:
    """Both scores have errors of 3 %, but one network is right wherever the other is: 10 answers more are no luck."""
    wrong = set(range(50))
    verdict = cheapest_of_equals(answers(wrong, wrong | set(range(50, 60))), [2.0, 1.0], maximise=True, within=1.0)
    assert verdict.chosen == 0 and verdict.differ
    assert verdict.errors[1] < 0.016 < np.sqrt(0.25 * 0.75 / 200) < 0.031


def test_networks_that_err_elsewhere_may_be_equal_at_the_same_distance() -> None:
    verdict = cheapest_of_equals(answers(set(range(50)), set(range(60, 120))), [2.0, 1.0], maximise=True, within=1.0)
    assert verdict.chosen == 1 and not verdict.differ


def test_where_less_is_better_the_least_is_best() -> None:
    rng = np.random.default_rng(0)
    bits = 2 + rng.normal(size=(3, 80)) * 0.01 + rng.normal(size=80) + np.array([[0.2], [0.0], [0.1]])
    verdict = cheapest_of_equals(bits, [1.0, 3.0, 2.0], maximise=False, within=1.0)
    assert (verdict.best, verdict.chosen, verdict.equals) == (1, 1, [1])
    expected = ttest_rel(bits[0], bits[1])
    assert verdict.behind[0] / verdict.errors[0] == pytest.approx(expected.statistic)


def test_copies_of_one_image_do_not_count_as_examples() -> None:
    """Thirty copies of one image that only the best gets right are one example, not thirty."""
    results = answers({31}, set(range(30)), examples=90)
    groups = np.arange(90) // 30
    assert cheapest_of_equals(results, [2.0, 1.0], maximise=True, within=1.0).chosen == 0
    verdict = cheapest_of_equals(results, [2.0, 1.0], maximise=True, within=1.0, groups=groups)
    assert verdict.chosen == 1 and not verdict.differ
    shuffled = np.random.default_rng(1).permutation(90)
    again = cheapest_of_equals(results[:, shuffled], [2.0, 1.0], maximise=True, within=1.0, groups=groups[shuffled])
    assert again.errors == pytest.approx(verdict.errors)


def test_equal_networks_differ_by_chance_as_seldom_as_said() -> None:
    rng, alarms = np.random.default_rng(2), 0
    for _ in range(200):
        skill = rng.normal(size=300)
        results = (skill + rng.normal(size=(6, 300)) > -1).astype(float)
        alarms += cheapest_of_equals(results, [1.0] * 6, maximise=True, within=1.0).differ
    assert 0.01 < alarms / 200 < 0.09


@pytest.mark.parametrize("examples", [1, 2])
def test_few_examples_give_a_network_all_the_same(examples: int) -> None:
    verdict = cheapest_of_equals(np.array([[0.0] * examples, [1.0] * examples]), [1.0, 2.0], maximise=True, within=1.0)
    assert verdict.chosen == 1 and verdict.equals == [1]


def test_one_network_is_its_own_best() -> None:
    verdict = cheapest_of_equals(answers({1}), [1.0], maximise=True, within=1.0)
    assert (verdict.chosen, verdict.equals, verdict.differ) == (0, [0], False)


def test_of_the_same_answers_the_cheapest_is_taken() -> None:
    verdict = cheapest_of_equals(answers({1}, {1}, {1}), [2.0, 1.0, 1.0], maximise=True, within=1.0)
    assert (verdict.best, verdict.chosen, verdict.equals, verdict.differ) == (1, 1, [0, 1, 2], False)


def test_how_close_counts_as_equal_is_a_setting() -> None:
    results = answers(set(range(50)), set(range(60, 115)))
    assert cheapest_of_equals(results, [2.0, 1.0], maximise=True, within=0.0).chosen == 0
    assert cheapest_of_equals(results, [2.0, 1.0], maximise=True, within=0.4).chosen == 0
    assert cheapest_of_equals(results, [2.0, 1.0], maximise=True, within=0.6).chosen == 1
