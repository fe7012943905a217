"""The parts of model-guided search: encodings, what is learnt of constraints, surrogates."""

import numpy as np
import pytest

from nas.errors import UsageError
from nas.search import Result, make_strategy
from nas.search.guided.acquisition import independent_draws, lower_bound
from nas.search.guided.candidates import Candidates, all_rows
from nas.search.guided.feasibility import learn_violations
from nas.search.guided.path_encoding import paths
from nas.space import Space
from nas.testing.spaces import NESTED, WIDE

OPERATIONS = ("none", "skip", "pool", "conv1", "conv3")
CELL = Space({f"edge_{start}_{end}": OPERATIONS for end in range(1, 4) for start in range(end)})


def cell(**operations: str) -> dict[str, str]:
    return {name: operations.get(name, "none") for name in CELL.choices}


def test_paths_through_a_cell_are_counted_by_hand() -> None:
    """Four operations that let data through: 4 paths of one, 16 of two, 64 of three."""
    encode = paths(CELL)
    empty, one, two, other_two, blocked = encode(
        CELL.indices(
            [
                cell(),
                cell(edge_0_3="conv3"),
                cell(edge_0_1="conv3", edge_1_3="pool"),
                cell(edge_0_2="conv3", edge_2_3="pool"),
                cell(edge_0_1="conv3", edge_1_2="pool"),
            ]
        )
    )
    assert len(empty) == 4 + 16 + 64
    assert not empty.any() and not blocked.any()
    assert one.sum() == two.sum() == 1 and (one != two).any()
    assert (two == other_two).all(), "the same operations by way of another node are another path"


def test_a_space_without_cells_has_no_paths() -> None:
    with pytest.raises(UsageError, match="encoding 'path' needs cells"):
        paths(WIDE)


@pytest.mark.parametrize("space", [NESTED, CELL], ids=["nested", "cell"])
def test_all_of_a_small_space_are_candidates(space: Space) -> None:
    rows = Candidates(space, pool=10)([], np.random.default_rng(0))
    assert (rows == space.indices(space)).all() and (rows == all_rows(space)).all()


def test_a_bound_on_a_sum_is_learnt_from_violations_alone() -> None:
    """How far feasible ones are from the bound is never told."""
    rng = np.random.default_rng(0)
    price = rng.uniform(0, 1, (8, 4))
    rows = all_rows(WIDE)
    excess = price[np.arange(8), rows].sum(axis=1) - 4.0
    seen = rng.choice(len(rows), 150, replace=False)
    results = [
        Result(each, {}, None, max(0.0, float(over)))
        for each, over in zip(WIDE.from_indices(rows[seen]), excess[seen], strict=True)
    ]
    predicted = learn_violations(WIDE, results)(rows)
    assert ((predicted > 0) == (excess > 0)).mean() > 0.95
    assert np.corrcoef(predicted[excess > 0], excess[excess > 0])[0, 1] > 0.99


def test_draws_have_the_means_and_deviations_that_were_predicted() -> None:
    means, deviations = np.array([0.0, 3.0, -1.0]), np.array([1.0, 0.0, 2.0])
    draws = independent_draws(means, deviations, 20_000, np.random.default_rng(0))
    assert draws.mean(axis=0) == pytest.approx(means, abs=0.05)
    assert draws.std(axis=0) == pytest.approx(deviations, abs=0.05)
    first = lower_bound(2.0)(means, deviations, 3, np.random.default_rng(0))[0]
    assert first.tolist() == [-2.0, 3.0, -5.0]


@pytest.mark.parametrize(
    ("surrogate", "options"), [("gaussian-process", {}), ("sklearn.svm:SVR", {"C": 10.0}), ("forest", {"trees": 10})]
)
def test_any_regressor_finds_what_random_search_does_not(surrogate: str, options: dict[str, float]) -> None:
    """Ten choices that each add something: in 40 evaluations within the best 0.1 % of 59,049."""
    space = Space({f"c{number}": [0, 1, 2] for number in range(10)})
    worth = np.random.default_rng(5).normal(size=(10, 3))
    strategy = make_strategy("guided", space, 1, surrogate=surrogate, surrogate_args=options, batch=4, pool=300)
    best = -np.inf
    for _ in range(10):
        batch = strategy.ask(4)
        values = worth[np.arange(10), space.indices(batch)].sum(axis=1)
        best = max(best, values.max())
        strategy.tell([Result(each, {}, (-float(value),), 0.0) for each, value in zip(batch, values, strict=True)])
    everything = worth[np.arange(10), all_rows(space)].sum(axis=1)
    assert (everything > best).mean() < 0.001


def test_mistakes_are_sentences() -> None:
    with pytest.raises(UsageError, match="surrogate 'forrest' is not known; did you mean 'forest'"):
        make_strategy("guided", WIDE, surrogate="forrest")
    with pytest.raises(UsageError, match="surrogate 'forest' has no option 'tree'; did you mean 'trees'"):
        make_strategy("guided", WIDE, surrogate="forest", surrogate_args={"tree": 3})
    with pytest.raises(UsageError, match="encoding 'onehot' is not known; did you mean 'one-hot'"):
        make_strategy("ridge", WIDE, encoding="onehot")
    with pytest.raises(UsageError, match="startup 0"):
        make_strategy("brp", WIDE, startup=0)
