"""What BOSHNAS says of its networks, its way down their gradient and how architectures are found at its end."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from nas.errors import UsageError
from nas.search import Result, make_strategy
from nas.search.guided.input_gradients import descend, explored, nearest_new
from nas.search.guided.uncertain_networks import (
    UncertainNetworks,
    dropping,
    fit_mean_and_noise,
    fit_student,
    fit_teacher,
    mean_and_variance,
    spread_of_passes,
)
from nas.space import Space
from nas.testing.spaces import WIDE

LINE = torch.linspace(-1, 1, 200)[:, None]


def quadratic(x: Tensor) -> Tensor:
    return (x[:, 0] - 0.3).square()


def test_the_likelihood_is_best_at_the_true_variance() -> None:
    """Noise of deviation 0.1 on the left and 0.5 on the right, each drawn a thousand times."""
    generator = torch.Generator().manual_seed(0)
    x = torch.tensor([[0.0], [1.0]]).repeat(1000, 1)
    y = 2 * x[:, 0] + (0.1 + 0.4 * x[:, 0]) * torch.randn(2000, generator=generator)
    network = fit_mean_and_noise(x, y, 16, 300, 0)
    with torch.no_grad():
        mean, variance = mean_and_variance(network, torch.tensor([[0.0], [1.0]]))
    assert mean.tolist() == pytest.approx([0.0, 2.0], abs=0.05)
    assert variance.sqrt().tolist() == pytest.approx([0.1, 0.5], rel=0.1)


def test_without_dropout_the_teacher_knows_no_doubt() -> None:
    spreads = []
    for share in (0.0, 0.01, 0.1, 0.5):
        drop = dropping(share, np.random.default_rng(0))
        teacher = fit_teacher(LINE, quadratic(LINE), 32, 100, drop, 0)
        spreads.append(float(spread_of_passes(teacher, LINE, drop).mean()))
    assert spreads[0] == 0.0 and spreads == sorted(spreads)


def test_what_is_dropped_is_made_up_for() -> None:
    dropped = dropping(0.25, np.random.default_rng(0))(torch.ones(1, 200, 500))
    assert float((dropped == 0).float().mean()) == pytest.approx(0.25, abs=0.01)
    assert float(dropped.mean()) == pytest.approx(1.0, abs=0.01)


def test_the_student_learns_a_field_of_spreads() -> None:
    rng = np.random.default_rng(0)
    x = torch.tensor(WIDE.one_hot(WIDE.indices([WIDE.sample(rng) for _ in range(600)])))
    field = 0.1 + 0.3 * x[:, ::4].mean(dim=1)
    student = fit_student(x[:500], field[:500], 64, 200, 0)
    with torch.no_grad():
        errors = student(x[500:]) - field[500:]
    assert float(errors.abs().max()) < 0.05 < float(field.max() - field.min())


def test_the_teacher_doubts_what_nobody_has_seen() -> None:
    """Known is the middle of a line; the student learns its doubts, which add to the noise."""
    middle, drop = LINE[80:120], dropping(0.1, np.random.default_rng(0))
    doubts = spread_of_passes(fit_teacher(middle, quadratic(middle), 64, 200, drop, 0), LINE, drop)
    assert float(doubts[[0, -1]].min()) > 2 * float(doubts[80:120].mean())
    networks = UncertainNetworks(middle, quadratic(middle), LINE, width=64, steps=200, dropout=0.1, seed=0)
    with torch.no_grad():
        mean, deviation = networks(LINE)
    assert float((mean - quadratic(LINE))[80:120].abs().max()) < 0.1
    assert float(deviation[[0, -1]].min()) > float(deviation[80:120].median())


@pytest.mark.parametrize("reach", [0.1, 0.5, 2.0])
def test_the_way_goes_to_the_minimum_but_not_beyond_trust_and_bounds(reach: float) -> None:
    starts = torch.tensor([[-1.0], [-0.2], [0.25], [1.0]])
    lowest, highest = torch.tensor([-1.0]), torch.tensor([1.0])
    (ends,) = descend(starts, quadratic, torch.tensor([reach]), lowest, highest).T
    nearest = torch.minimum(torch.maximum(torch.tensor(0.3), starts[:, 0] - reach), starts[:, 0] + reach)
    assert ends.tolist() == pytest.approx(nearest.tolist(), abs=0.02)
    (bounded,) = descend(starts, lambda x: x[:, 0], torch.tensor([reach]), lowest, highest).T
    assert bounded.tolist() == pytest.approx(torch.clamp(starts[:, 0] - reach, min=-1.0).tolist(), abs=1e-6)


def test_an_end_is_decoded_to_the_nearest_new_candidate() -> None:
    rng = np.random.default_rng(0)
    columns, values = WIDE.one_hot(WIDE.indices([WIDE.sample(rng) for _ in range(200)])).astype(float), rng.random(200)
    ends, known = rng.random((30, 32)), columns[:40]
    rows = nearest_new(ends, columns, values, known, 5)
    new = np.arange(200) >= 40
    nearest = np.where(new, np.abs(ends[:, None] - columns).sum(axis=2).round(3), np.inf)
    found = [int(np.where(new, row, np.inf).argmin()) for row in rows]
    assert len(set(found)) == 5 and set(found) <= set(nearest.argmin(axis=1).tolist())
    assert [values[each] for each in found] == sorted(values[each] for each in found)
    assert min(values[nearest.argmin(axis=1)]) == values[found[0]]


def test_of_candidates_that_are_equally_near_the_better_is_proposed() -> None:
    columns = np.array([[0.0], [2.0], [1.5]])
    (row,) = nearest_new(np.array([[1.0]]), columns, np.array([0.3, 0.1, 0.9]), columns[2:], 1)
    assert row.argsort().tolist() == [2, 1, 0]


def test_few_ends_are_decoded_more_than_once() -> None:
    columns = np.eye(3)
    rows = nearest_new(columns[:1], columns, np.zeros(3), columns[:1], 4)
    assert rows.shape == (4, 3) and (rows == rows[0]).all()


def test_some_proposals_explore() -> None:
    values, deviations = np.tile([1.0, 0.0, 2.0], (2000, 1)), np.array([0.1, 0.2, 0.3])
    found = explored(values, deviations, 0.1, 0.1, np.random.default_rng(0)).argmin(axis=1)
    shares = np.bincount(found, minlength=3) / 2000
    assert shares == pytest.approx([0.1 / 3, 0.8 + 0.1 / 3, 0.1 + 0.1 / 3], abs=0.02)
    kept = explored(values, deviations, 0.0, 0.0, np.random.default_rng(0))
    assert (kept == values).all()


def test_it_finds_what_random_search_does_not() -> None:
    """The best of 60 of 65,536, where each choice has its worth and one interaction counts."""
    worth = np.random.default_rng(0).normal(size=(8, 4))

    def best(name: str, seed: int) -> float:
        strategy, found = make_strategy(name, WIDE, seed), -np.inf
        for _ in range(6):
            asked = strategy.ask(10)
            rows = WIDE.indices(asked)
            values = worth[np.arange(8), rows].sum(axis=1) + 2.0 * (rows[:, 0] == rows[:, 1])
            found = max(found, values.max())
            strategy.tell([Result(each, {}, (-float(value),), 0.0) for each, value in zip(asked, values, strict=True)])
        return float(found)

    assert best("boshnas", 0) > best("random", 0) + 1


REFUSED: dict[str, Callable[[Space], object]] = {
    "boshnas has starts 0, width 64": lambda space: make_strategy("boshnas", space, starts=0),
    "boshnas has kappa 0.5, trust 0.0": lambda space: make_strategy("boshnas", space, trust=0.0),
    "dropout 1.0; use a kappa": lambda space: make_strategy("boshnas", space, dropout=1.0),
    "uncertain 0.7 and random 0.5": lambda space: make_strategy("boshnas", space, uncertain=0.7, random=0.5),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_mistakes_are_sentences(sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        REFUSED[sentence](WIDE)
