"""Banks that are balanced: the table of scores, the probabilities, and the bank that an architecture gets."""

from copy import deepcopy
from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

import nas
from nas.errors import UsageError
from nas.nn import Conv2d, OneOf, Repeat
from nas.sharing import BalancedMixture
from nas.sharing.balancing import TOLERANCE, balance, equal_shares, imbalance, soft_assignment
from nas.space import Choice

Matrix = npt.NDArray[np.float64]


def model() -> nn.Module:
    """Depth decides whether the second kernel is there; 2 + 2 * 2 = 6 architectures."""
    torch.manual_seed(0)
    kernels = Choice([1, 3], name="kernel1"), Choice([1, 3], name="kernel2")
    blocks = [nn.Sequential(Conv2d(4, 4, kernel, padding=kernel // 2), nn.BatchNorm2d(4)) for kernel in kernels]
    stem = nn.Conv2d(1, 4, 3)
    return nn.Sequential(stem, Repeat(blocks, Choice([1, 2], name="depth")), nn.Flatten(), nn.Linear(64, 3))


def supernet(models: int = 2, **options: object) -> tuple[nas.Supernet, BalancedMixture]:
    mixture = BalancedMixture(models, **options)  # type: ignore[arg-type]
    return nas.Supernet(model(), mixture), mixture


def scores(rows: int = 64, banks: int = 4, seed: int = 0) -> Matrix:
    return np.random.default_rng(seed).random((rows, banks))


def as_published(table: Matrix, temperature: float) -> tuple[Matrix, list[Matrix]]:
    """The balanced table and the column divisors of every round, one after another."""
    p = np.exp(temperature * table)
    p /= p.sum(1, keepdims=True)
    divisors = []
    while (p.mean(0) * np.log(p.mean(0) * p.shape[1])).sum() > 1e-4:
        divisors.append(p.mean(0))
        p = p / divisors[-1]
        p /= p.sum(1, keepdims=True)
    return p, divisors


@pytest.mark.parametrize("temperature", [1, 10, 25, 50, 100])
@pytest.mark.parametrize("seed", range(3))
def test_balanced_probabilities_have_equal_shares_and_rows_of_one(temperature: float, seed: int) -> None:
    table = scores(seed=seed)
    offsets, _ = balance(table, temperature)
    p = soft_assignment(table, temperature, offsets)
    assert imbalance(p) <= TOLERANCE
    assert np.all(p.mean(0) > 0.245) and np.all(p.mean(0) < 0.256)
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-12)


@pytest.mark.parametrize("temperature", [1, 25, 100])
def test_balancing_and_its_replay_are_as_published(temperature: float) -> None:
    table = scores()
    expected, divisors = as_published(table, temperature)
    offsets, rounds = balance(table, temperature)
    assert rounds == len(divisors)
    np.testing.assert_allclose(soft_assignment(table, temperature, offsets), expected, rtol=1e-8)
    row = np.random.default_rng(1).random(4)
    replayed = np.exp(temperature * row) / np.exp(temperature * row).sum()
    for divisor in divisors:
        replayed = replayed / divisor
        replayed /= replayed.sum()
    np.testing.assert_allclose(soft_assignment(row, temperature, offsets), replayed, rtol=1e-8)


def test_balancing_takes_more_rounds_at_higher_temperatures() -> None:
    rounds = [np.mean([balance(scores(seed=seed), t)[1] for seed in range(8)]) for t in (1, 25, 50, 100)]
    assert rounds[0] <= 2 and rounds[0] < rounds[1] < rounds[2] < rounds[3] < 500


def test_one_bank_that_is_a_little_better_takes_all_unless_they_are_balanced() -> None:
    table = np.full((64, 4), 0.5)
    table[:, 2] += 1e-3
    temperature = 1e7
    unbalanced = soft_assignment(table, temperature, np.zeros(4))
    np.testing.assert_allclose(unbalanced.mean(0), [0, 0, 1, 0], atol=1e-12)
    offsets, _ = balance(table, temperature)
    np.testing.assert_allclose(soft_assignment(table, temperature, offsets).mean(0), 0.25, atol=0.006)
    assert np.bincount(equal_shares(table)).tolist() == [16, 16, 16, 16]


@pytest.mark.parametrize("kind", ["random", "ties", "one is better", "all alike"])
@pytest.mark.parametrize(("rows", "banks"), [(1, 1), (5, 1), (2, 3), (3, 3), (6, 3), (7, 3), (8, 3), (6, 4)])
def test_equal_shares_are_the_best_of_all_assignments_with_equal_shares(rows: int, banks: int, kind: str) -> None:
    for seed in range(4):
        table = scores(rows, banks, seed)
        if kind == "ties":
            table = table.round(1)
        elif kind == "one is better":
            table[:, 0] += 0.7
        elif kind == "all alike":
            table[:] = 1
        taken = equal_shares(table)
        counts = np.bincount(taken, minlength=banks)
        assert counts.sum() == rows and counts.max() - counts.min() <= 1
        everything = (np.array(each) for each in product(range(banks), repeat=rows))
        fair = (each for each in everything if np.ptp(np.bincount(each, minlength=banks)) <= 1)
        best = max(table[np.arange(rows), each].sum() for each in fair)
        assert table[np.arange(rows), taken].sum() == pytest.approx(best, abs=1e-7)


def test_equal_shares_of_many_rows_are_as_good_as_the_hungarian_method() -> None:
    from scipy.optimize import linear_sum_assignment

    table = np.where(scores(600, 4, seed=1) < 0.6, scores(600, 4).round(2), 1.0)
    taken = equal_shares(table)
    assert np.bincount(taken).tolist() == [150] * 4
    repeated = np.repeat(table, 150, axis=1)
    best = repeated[linear_sum_assignment(repeated, maximize=True)].sum()
    assert table[np.arange(600), taken].sum() == pytest.approx(best, abs=1e-6)


def test_every_architecture_is_a_row_by_default() -> None:
    net, mixture = supernet()
    assert mixture.scores.shape == (net.space.size, 2) == (6, 2)
    assert sorted(mixture.row_of(each) for each in net.space) == list(range(6))


def test_named_choices_make_the_rows_with_one_for_where_they_are_inactive() -> None:
    net, mixture = supernet(choices=["kernel2"])
    assert len(mixture.scores) == 3
    rows = {(each.get("kernel2"), mixture.row_of(each)) for each in net.space}
    assert len(rows) == 3 and len({row for _, row in rows}) == 3
    _, both = supernet(choices=["depth", "kernel1", "depth"])
    assert len(both.scores) == 4 and both.describe()["choices"] == ["depth", "kernel1"]


def test_banks_have_equal_shares_of_the_architectures_up_to_one() -> None:
    net, mixture = supernet(models=4)
    generator = np.random.default_rng(0)
    for each in net.space:
        for bank in range(4):
            mixture.update(each, bank, generator.random())
    banks = [mixture.bank_of(each) for each in net.space]
    assert sorted(np.bincount(banks, minlength=4)) == [1, 1, 2, 2]


def test_an_average_of_accuracies_has_forgotten_where_it_began() -> None:
    net, mixture = supernet(scores="published")
    chosen = net.space.smallest()
    place = mixture.row_of(chosen), 1
    assert np.all(mixture.scores == 1) and mixture.untried == 1
    mixture.update(chosen, 1, 0.5)
    assert mixture.scores[place] == pytest.approx(0.5), "all of it is what was told"
    mixture.update(chosen, 1, 0.2)
    assert mixture.scores[place] == pytest.approx((0.9 * 0.5 + 0.2) / 1.9)
    assert (mixture.scores != 1).sum() == mixture.told.sum() - 1 == 1
    assert mixture.untried == pytest.approx(11 / 12)
    assert mixture.bank_of(chosen) == 0, "the other bank is still promising"
    for _ in range(3):
        mixture.update(chosen, 0, 0.1)
    assert mixture.scores[mixture.row_of(chosen), 0] == pytest.approx(0.1)
    assert mixture.bank_of(chosen) == 1, "although it was told less often"


def test_many_tellings_of_a_moving_accuracy_are_averaged_as_published() -> None:
    net, mixture = supernet(scores="published", rate=0.2)
    chosen, expected = net.space.smallest(), 1.0
    for accuracy in np.linspace(0, 0.8, 60):
        mixture.update(chosen, 0, accuracy)
        expected = 0.8 * expected + 0.2 * accuracy
    assert mixture.scores[mixture.row_of(chosen), 0] == pytest.approx(expected, abs=1e-4)


def test_banks_are_compared_by_how_far_they_are_from_their_mean() -> None:
    net, mixture = supernet(models=3)
    row = mixture.row_of(net.space.smallest())
    assert not mixture.scores.any()
    mixture.compare([row], np.array([[-2.0, -1.0, 0.0]]))
    mixture.compare([row], np.array([[-7.0, -6.0, -5.0]]))
    np.testing.assert_allclose(mixture.scores[row], [-0.19, 0, 0.19], atol=1e-12)
    assert np.delete(mixture.scores, row, 0).any() == 0
    assert mixture.told[row].tolist() == [2, 2, 2] and mixture.untried == pytest.approx(5 / 6)


def test_entries_are_told_as_often_as_said() -> None:
    counts = {scores: supernet(scores=scores)[1].tellings(600, 10) for scores in ("paired", "table", "published")}
    assert counts == {"paired": 100, "table": 10, "published": 50}


def test_the_architecture_of_a_row_is_one_that_belongs_to_it() -> None:
    net, mixture = supernet(choices=["kernel2"])
    rng, seen = np.random.default_rng(0), set()
    for row in range(3):
        found = {mixture.architecture_of(row, rng) for _ in range(20)}
        assert {mixture.row_of(each) for each in found} == {row}
        seen |= found
    assert seen == set(net.space), "what a row leaves open is drawn"


def test_between_balances_a_row_follows_its_scores_and_the_others_stay() -> None:
    net, mixture = supernet()
    chosen, *others = net.space
    mixture.balance(50.0)
    before = [mixture.probability(each) for each in net.space]
    mixture.compare([mixture.row_of(chosen)], np.array([[-1.0, 0.0]]))
    after = [mixture.probability(each) for each in net.space]
    assert after[0][0] < before[0][0] == 0.5
    assert all(np.array_equal(a, b) for a, b in zip(before[1:], after[1:], strict=True))
    mixture.balance(50.0)
    for each in others:
        assert mixture.probability(each)[0] > 0.5, "what one architecture leaves the others take"
    np.testing.assert_array_equal(
        mixture.probabilities(50.0)[mixture.row_of(chosen)], mixture.probability(chosen), strict=True
    )


def test_banks_begin_with_fresh_weights_of_their_own() -> None:
    mixture, plain = BalancedMixture(3, seed=1), model()
    state = torch.get_rng_state()
    nas.Supernet(plain, mixture)
    assert torch.equal(torch.get_rng_state(), state), "the global generator is left alone"
    assert mixture.tensors(0)["0.weight"] is plain.get_parameter("0.weight")
    weights = [mixture.tensors(bank)["0.weight"].detach() for bank in range(3)]
    assert not any(torch.equal(weights[a], weights[b]) for a, b in ((0, 1), (0, 2), (1, 2)))
    assert all(0.5 < float(each.std() / weights[0].std()) < 2 for each in weights)
    assert torch.equal(mixture.tensors(1)["1.0.1.running_var"], torch.ones(4))
    again = BalancedMixture(3, seed=1)
    nas.Supernet(model(), again)
    assert torch.equal(again.tensors(2)["0.weight"], weights[2])


def test_an_architecture_runs_and_is_extracted_with_the_weights_of_its_bank() -> None:
    net, mixture = supernet(models=3)
    net.eval()
    x = torch.randn(4, 1, 6, 6)
    outputs = []
    for each in net.space:
        net.activate(each)
        assert net.bank == mixture.bank_of(each)
        torch.testing.assert_close(net.extract(each)(x), net(x))
        net.activate(each, bank=2)
        torch.testing.assert_close(net.extract(each, bank=2)(x), net(x))
        outputs.append(net(x))
    net.activate(net.space.smallest(), bank=0)
    assert not torch.allclose(net(x), outputs[0])


def test_one_model_is_plain_sharing() -> None:
    net, mixture = supernet(models=1)
    plain = nas.Supernet(model())
    x = torch.randn(4, 1, 6, 6)
    for each in net.space:
        net.activate(each)
        plain.activate(each)
        assert torch.equal(net(x), plain(x))
        assert mixture.probability(each).tolist() == [1.0] and mixture.bank_of(each) == 0
    assert sum(p.numel() for p in net.parameters()) == sum(p.numel() for p in plain.parameters())


def test_scores_and_banks_come_back_from_a_state() -> None:
    net, mixture = supernet()
    for number, each in enumerate(net.space):
        mixture.update(each, number % 2, 0.1 * number)
    state = net.state_dict()
    assert state["sharing._extra_state"].dtype == torch.float64
    other, restored = supernet(seed=9)
    other.load_state_dict(state)
    np.testing.assert_array_equal(restored.scores, mixture.scores)
    np.testing.assert_array_equal(restored.told, mixture.told)
    assert [restored.bank_of(each) for each in net.space] == [mixture.bank_of(each) for each in net.space]
    for name, tensor in mixture.tensors(1).items():
        assert torch.equal(restored.tensors(1)[name], tensor)
    before = mixture.scores.copy()
    restored.update(net.space.smallest(), 0, 0.0)
    np.testing.assert_array_equal(mixture.scores, before)
    mixture.update(net.space.largest(), 0, 0.0)
    np.testing.assert_array_equal(state["sharing._extra_state"][0].numpy(), before, err_msg="a state is a copy")


def test_the_state_of_an_earlier_version_is_refused() -> None:
    _, mixture = supernet()
    with pytest.raises(UsageError, match="of an earlier version, which kept other scores; train it again"):
        mixture.set_extra_state(torch.ones(6, 2))


def test_a_copy_without_weights_keeps_the_scores() -> None:
    net, mixture = supernet()
    mixture.update(net.space.smallest(), 1, 0.3)
    bare = deepcopy(net).to("meta").sharing
    assert isinstance(bare, BalancedMixture)
    np.testing.assert_array_equal(bare.scores, mixture.scores)
    assert all(bare.bank_of(each) == mixture.bank_of(each) for each in net.space)


@pytest.mark.parametrize(
    ("models", "choices", "words"),
    [
        (0, None, "models=0; give 1 or more"),
        (2, ["kernel3"], "sharing goes by 'kernel3', which is no choice; did you mean 'kernel"),
        (2, [], r"choices=\[\].*name a choice"),
        (4, ["depth"], r"models=4 for 2 assignments of \['depth'\]; use at most one model for each"),
    ],
)
def test_mixtures_that_cannot_be_are_refused(models: int, choices: list[str] | None, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        nas.Supernet(model(), BalancedMixture(models, choices))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"temperature": 0.5}, "temperature=0.5; give 1 or more"),
        ({"temperature": float("nan")}, "temperature=nan"),
        ({"rate": 0.0}, "rate=0; give a share above 0"),
        ({"rate": 1.5}, "rate=1.5"),
    ],
)
def test_temperatures_and_rates_that_cannot_be_are_refused(options: dict[str, float], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        BalancedMixture(2, **options)  # type: ignore[arg-type]


def test_a_table_that_is_too_large_is_refused_unless_fewer_choices_are_named() -> None:
    layers = nn.Sequential(*(OneOf([nn.Identity(), nn.ReLU(), nn.Tanh()]) for _ in range(12)))
    with pytest.raises(UsageError, match=r"531,441 assignments of 12 choices, more than 20,000; name fewer"):
        nas.Supernet(layers, BalancedMixture())
    mixture = BalancedMixture(choices=["0", "3"])
    nas.Supernet(layers, mixture)
    assert len(mixture.scores) == 9
