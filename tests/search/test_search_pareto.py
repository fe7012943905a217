import itertools

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays

from nas.errors import UsageError
from nas.search.pareto import constrained_order, crowding_distance, hypervolume, nondominated_ranks, pareto_front

GRID = 4
clouds = st.tuples(st.integers(0, 12), st.integers(1, 4)).flatmap(
    lambda shape: arrays(np.int64, shape, elements=st.integers(0, GRID - 1))
)


def dominates(a: np.ndarray, b: np.ndarray) -> bool:
    return bool((a <= b).all() and (a < b).any())


@given(clouds)
@settings(max_examples=80, deadline=None)
def test_front_is_what_nothing_dominates_and_the_first_of_equals(points: np.ndarray) -> None:
    expected = [
        not any(dominates(other, point) for other in points)
        and not any((earlier == point).all() for earlier in points[:index])
        for index, point in enumerate(points)
    ]
    assert pareto_front(points).tolist() == expected


@given(clouds)
@settings(max_examples=60, deadline=None)
def test_rank_is_the_longest_chain_of_dominating_points(points: np.ndarray) -> None:
    ranks = nondominated_ranks(points)
    for index, point in enumerate(points):
        above = [ranks[other] for other in range(len(points)) if dominates(points[other], point)]
        assert ranks[index] == max(above, default=-1) + 1


@given(clouds)
@settings(max_examples=80, deadline=None)
def test_hypervolume_counts_the_dominated_cells(points: np.ndarray) -> None:
    objectives = points.shape[1]
    cells = np.array(list(itertools.product(range(GRID), repeat=objectives)))
    dominated = [any((point <= cell).all() for point in points) for cell in cells]
    assert hypervolume(points, [GRID] * objectives) == pytest.approx(sum(dominated))


def test_points_beyond_the_reference_add_nothing() -> None:
    assert hypervolume([[1, 1], [0, 9], [3, 0]], [3, 3]) == 4


def test_one_objective_has_a_length() -> None:
    assert hypervolume([[1.5], [2.0]], [3.0]) == 1.5
    assert hypervolume([[4.0]], [3.0]) == 0.0


def test_crowding_is_infinite_at_the_ends_and_scaled_between() -> None:
    assert crowding_distance([[0, 4], [1, 2], [4, 0]]).tolist() == [np.inf, 2.0, np.inf]
    assert crowding_distance([[1, 5], [1, 5], [1, 5]]).tolist() == [0, 0, 0]


def test_best_first_prefers_feasible_then_rank_then_space_then_small_violation() -> None:
    points = [[0, 4], [9, 9], [1, 2], [4, 0], [np.nan, np.nan], [np.nan, np.nan], [0.9, 2.1]]
    violations = [0, 0, 0, 0, 2, 0.5, 0]
    order = constrained_order(points, violations).tolist()
    assert order[:2] == [0, 3]
    assert set(order[2:4]) == {2, 6}
    assert order[4:] == [1, 5, 4]


def test_best_first_without_any_feasible_point() -> None:
    assert constrained_order([[0.0]] * 3, [3, 1, 2]).tolist() == [1, 2, 0]


@pytest.mark.parametrize("points", [[1.0, 2.0], [[np.nan, 1.0]], [[np.inf, 1.0]]])
def test_points_must_be_a_finite_matrix(points: list) -> None:
    with pytest.raises(UsageError, match="finite numbers of shape"):
        pareto_front(points)


def test_reference_must_fit() -> None:
    with pytest.raises(UsageError, match="reference has shape"):
        hypervolume([[1.0, 2.0]], [3.0])
