import itertools

import numpy as np
import pytest

from nas.report.progress import best_so_far, expected_best


@pytest.mark.parametrize("n", [1, 2, 5, 9])
def test_expected_best_is_the_mean_over_all_subsets(n: int) -> None:
    values = np.random.default_rng(n).normal(size=n)
    brute = [np.mean([max(drawn) for drawn in itertools.combinations(values, k)]) for k in range(1, n + 1)]
    np.testing.assert_allclose(expected_best(values), brute, rtol=1e-12)


def test_expected_best_of_few_is_the_least_where_less_is_better() -> None:
    values = np.array([2.5, np.nan, 1.5, 4.0])
    pairs = [min(drawn) for drawn in itertools.combinations([2.5, 1.5, 4.0], 2)]
    assert expected_best(values, maximise=False).tolist() == pytest.approx([8 / 3, np.mean(pairs), 1.5])


def test_expected_best_of_many_draws_ends_at_the_maximum_and_never_falls() -> None:
    values = np.random.default_rng(0).uniform(size=3000)
    expected = expected_best(values)
    assert expected[0] == pytest.approx(values.mean())
    assert expected[-1] == pytest.approx(values.max(), rel=1e-9)
    assert (np.diff(expected) > -1e-12).all()


def test_expected_best_leaves_out_what_was_not_evaluated() -> None:
    assert expected_best(np.array([np.nan, 2.0, np.nan])).tolist() == [2.0]
    assert expected_best(np.array([np.nan])).size == 0


def test_best_so_far_counts_infeasible_but_not_unevaluated_candidates() -> None:
    values = np.array([0.9, np.nan, 0.5, 0.4, 0.7])
    feasible = np.array([False, False, True, True, True])
    np.testing.assert_array_equal(best_so_far(values, feasible), [np.nan, 0.5, 0.5, 0.7])
    np.testing.assert_array_equal(best_so_far(values, feasible, maximise=False), [np.nan, 0.5, 0.4, 0.4])
