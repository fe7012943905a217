"""Relaxations as functions of logits: closed forms, gradients and frequencies."""

from collections import Counter
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from nas.errors import UsageError
from nas.supernet.relaxations import (
    BinaryGatePairs,
    BinaryGates,
    Concrete,
    Decision,
    Dirichlet,
    GroupDropout,
    GumbelStraightThrough,
    MaxW,
    Relaxation,
    SampledSizes,
    Softmax,
    adjusted,
    cosine,
    linear,
)
from nas.supernet.relaxations.sampling import draw, gumbel_noise, perturbed

EVERY: dict[str, Callable[[], Relaxation]] = {
    "softmax": Softmax,
    "max-w": MaxW,
    "gdas": GumbelStraightThrough,
    "snas": Concrete,
    "proxyless": BinaryGates,
    "proxyless pairs": BinaryGatePairs,
    "dropnas": lambda: GroupDropout(0.3),
    "tas": SampledSizes,
    "drnas": Dirichlet,
}
ONE_HOT = [GumbelStraightThrough, BinaryGates, BinaryGatePairs]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def decision(parameter_free: str) -> Decision:
    """One option for each letter: ``w`` has weights, ``f`` is free of them."""
    free = tuple(letter == "f" for letter in parameter_free)
    return Decision("edge", tuple(range(len(free))), (False,) * len(free), free)


FOUR = decision("wwff")


def logits(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def some_logits() -> Tensor:
    return logits(0.3, -1.2, 0.8, 0.1)


def gradient(values: Tensor, signal: Tensor, of: Tensor) -> Tensor:
    """``dL/dlogits`` where ``signal`` is ``dL/dvalues``."""
    (result,) = torch.autograd.grad((values * signal).sum(), of)
    return result


# What all have in common


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("options", ["w", "wf", "wwff", "fff"])
def test_a_gate_weighs_every_option_and_is_differentiable(name: str, options: str) -> None:
    each, alpha = decision(options), torch.zeros(len(options), requires_grad=True)
    for step in range(20):
        gate = EVERY[name]().gate(each, alpha, step / 19)
        assert gate.values.shape == alpha.shape
        assert gate.values.requires_grad
        assert gate.values.dtype == alpha.dtype
        assert list(gate.active) == sorted(set(gate.active))
        assert set(gate.active) <= set(range(len(options)))
        assert len(gate.active) > 0


@pytest.mark.parametrize("name", EVERY)
def test_options_that_do_not_run_weigh_zero(name: str) -> None:
    for _ in range(50):
        gate = EVERY[name]().gate(FOUR, some_logits(), 0.5)
        idle = [position for position in range(4) if position not in gate.active]
        assert gate.values[idle].tolist() == [0.0] * len(idle)


@pytest.mark.parametrize("name", [name for name in EVERY if name != "max-w"])
def test_weights_sum_to_one(name: str) -> None:
    for _ in range(50):
        gate = EVERY[name]().gate(FOUR, some_logits(), 0.5)
        assert gate.values.sum().item() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("name", EVERY)
def test_the_seed_of_torch_fixes_a_gate(name: str) -> None:
    def gates() -> list[list[float]]:
        torch.manual_seed(3)
        return [EVERY[name]().gate(FOUR, some_logits(), 0.5).values.tolist() for _ in range(5)]

    assert gates() == gates()


@pytest.mark.parametrize("name", EVERY)
def test_probabilities_sum_to_one_and_order_as_the_logits(name: str) -> None:
    alpha = some_logits()
    probabilities = EVERY[name]().probabilities(FOUR, alpha)
    assert probabilities.sum().item() == pytest.approx(1, abs=1e-12)
    assert probabilities.argsort().tolist() == alpha.argsort().tolist()
    assert probabilities.requires_grad


@pytest.mark.parametrize("name", EVERY)
def test_first_logits_are_small_and_differ(name: str) -> None:
    first = torch.stack([EVERY[name]().initial(FOUR) for _ in range(2000)])
    assert first.shape == (2000, 4)
    assert first.std().item() == pytest.approx(1e-2 if name == "tas" else 1e-3, rel=0.05)
    assert abs(first.mean().item()) < 1e-3


# Softmax (DARTS)


def test_softmax_is_the_closed_form() -> None:
    gate = Softmax().gate(FOUR, logits(0, 0, 0, torch.log(torch.tensor(3.0)).item()), 0)
    torch.testing.assert_close(
        gate.values.detach(), torch.tensor([1, 1, 1, 3]) / torch.tensor(6.0, dtype=torch.float64)
    )
    assert gate.active == (0, 1, 2, 3)


# GDAS and SNAS


@pytest.mark.parametrize("kind", ONE_HOT)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sampled_gates_are_one_hot_to_the_last_bit(kind: type[Relaxation], dtype: torch.dtype) -> None:
    for step in range(200):
        gate = kind().gate(FOUR, some_logits().to(dtype), step / 199)
        assert sorted(gate.values.tolist()) == [0, 0, 0, 1]
        assert int(gate.values.argmax()) in gate.active


@pytest.mark.parametrize("progress", [0.0, 0.5, 1.0])
def test_gdas_has_the_gradient_of_the_relaxed_sample(progress: float) -> None:
    alpha, signal = some_logits(), torch.randn(4, dtype=torch.float64)
    hard, soft = GumbelStraightThrough((10, 0.1)), Concrete((10, 0.1))
    torch.manual_seed(1)
    through_hard = gradient(hard.gate(FOUR, alpha, progress).values, signal, alpha)
    torch.manual_seed(1)
    through_soft = gradient(soft.gate(FOUR, alpha, progress).values, signal, alpha)
    assert through_soft.abs().max() > 0
    torch.testing.assert_close(through_hard, through_soft, rtol=0, atol=0)


@pytest.mark.parametrize("temperature", [10.0, 1.0, 0.1])
def test_relaxed_samples_lead_as_often_as_the_softmax_says_at_any_temperature(temperature: float) -> None:
    alpha = some_logits().detach()
    leading = perturbed(alpha.expand(200_000, 4), temperature).argmax(-1)
    frequencies = leading.bincount(minlength=4) / len(leading)
    assert (frequencies - alpha.softmax(0)).abs().max() < 5e-3


def test_gdas_runs_the_one_option_it_sampled_and_others_learn_as_ghosts() -> None:
    gate = GumbelStraightThrough().gate(FOUR, some_logits(), 0)
    assert gate.active == (int(gate.values.argmax()),)
    assert gate.idle == "ones"
    assert GumbelStraightThrough(ghost_terms=False).gate(FOUR, some_logits(), 0).idle == "none"


def test_cold_snas_is_gdas() -> None:
    for seed in range(50):
        torch.manual_seed(seed)
        soft = Concrete((1e-4, 1e-4)).gate(FOUR, some_logits(), 0).values
        torch.manual_seed(seed)
        hard = GumbelStraightThrough((1e-4, 1e-4)).gate(FOUR, some_logits(), 0).values
        torch.testing.assert_close(soft, hard, rtol=0, atol=1e-9)


def test_snas_runs_all_and_sharpens_as_it_cools() -> None:
    relaxation = Concrete((10, 0.03))
    assert relaxation.gate(FOUR, some_logits(), 0).active == (0, 1, 2, 3)
    hot, cold = (
        torch.stack([relaxation.gate(FOUR, some_logits(), progress).values.max() for _ in range(200)]).mean()
        for progress in (0, 1)
    )
    assert hot < 0.4
    assert cold > 0.95


def test_temperatures_fall_from_the_first_to_the_last() -> None:
    for anneal in (linear, cosine):
        assert anneal((5, 0.1), 0) == 5
        assert anneal((5, 0.1), 1) == pytest.approx(0.1)
        assert anneal((5, 0.1), 0.5) == pytest.approx(2.55)
    assert linear((10, 0.1), 0.25) == pytest.approx(7.525)
    assert cosine((5, 0.1), 0.25) == pytest.approx(0.1 + 4.9 * (1 + 2**-0.5) / 2)


def test_snas_follows_the_annealing_it_is_given() -> None:
    for anneal in (linear, cosine):
        relaxation, alpha = Concrete((5, 0.1), anneal), some_logits()
        torch.manual_seed(2)
        values = relaxation.gate(FOUR, alpha, 0.25).values
        torch.manual_seed(2)
        torch.testing.assert_close(values, perturbed(alpha, anneal((5, 0.1), 0.25)).softmax(0))


@pytest.mark.parametrize("kind", [GumbelStraightThrough, Concrete, SampledSizes])
@pytest.mark.parametrize("temperature", [(1, 0), (-1, 1), (float("nan"), 1), (float("inf"), 1), (1,)])
def test_a_temperature_must_be_positive(kind: type, temperature: tuple[float, ...]) -> None:
    with pytest.raises(UsageError, match="two positive numbers"):
        kind(temperature)


def test_noise_is_drawn_anew_until_it_is_finite(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = iter([torch.tensor([0.0, 1.0]), torch.tensor([torch.inf, 1.0]), torch.tensor([0.5, 2.0])])
    monkeypatch.setattr(torch.Tensor, "exponential_", lambda tensor: tensor.copy_(next(draws)))
    torch.testing.assert_close(gumbel_noise(torch.zeros(2)), -torch.tensor([0.5, 2.0]).log())


# ProxylessNAS


def test_the_gradient_of_binary_gates_is_the_softmax_vector_jacobian_product() -> None:
    alpha, signal = some_logits(), torch.randn(4, dtype=torch.float64)
    result = gradient(BinaryGates().gate(FOUR, alpha, 0).values, signal, alpha)
    p = alpha.detach().softmax(0)
    published = torch.stack([sum(signal[j] * p[j] * (float(i == j) - p[i]) for j in range(4)) for i in range(4)])
    torch.testing.assert_close(result, published, rtol=0, atol=1e-14)
    torch.testing.assert_close(result, gradient(alpha.softmax(0), signal, alpha), rtol=0, atol=1e-14)
    assert abs(result.sum().item()) < 1e-14


def test_binary_gates_run_one_option_and_learn_from_the_outputs_of_the_others() -> None:
    gate = BinaryGates().gate(FOUR, some_logits(), 0)
    assert gate.active == (int(gate.values.argmax()),)
    assert gate.idle == "outputs"


def test_binary_gates_are_sampled_from_the_softmax() -> None:
    alpha = some_logits()
    counts = torch.zeros(4)
    for _ in range(4000):
        counts[BinaryGates().gate(FOUR, alpha, 0).active[0]] += 1
    assert (counts / 4000 - alpha.detach().softmax(0)).abs().max() < 0.025


def test_weight_steps_of_binary_pairs_draw_one_path_from_all_options() -> None:
    alpha = some_logits()
    for seed in range(20):
        torch.manual_seed(seed)
        pairs = BinaryGatePairs().weight_gate(FOUR, alpha, 0)
        torch.manual_seed(seed)
        single = BinaryGates().gate(FOUR, alpha, 0)
        assert pairs.active == single.active
        assert pairs.values.tolist() == single.values.tolist()


def test_pairs_are_drawn_without_replacement_and_one_of_them_by_the_softmax_over_both() -> None:
    alpha, draws = logits(0.5, -0.5, 0.0), 6000
    p = alpha.detach().softmax(0)
    drawn: Counter[tuple[tuple[int, ...], int]] = Counter()
    for _ in range(draws):
        gate = BinaryGatePairs().gate(decision("wwf"), alpha, 0)
        drawn[gate.active, int(gate.values.argmax())] += 1
    for i, j in [(0, 1), (0, 2), (1, 2)]:
        together = p[i] * p[j] / (1 - p[i]) + p[j] * p[i] / (1 - p[j])
        for first in (i, j):
            expected = together * p[first] / (p[i] + p[j])
            assert drawn[(i, j), first] / draws == pytest.approx(expected.item(), abs=0.02)


def test_only_the_pair_learns_and_by_the_softmax_over_both() -> None:
    alpha, signal = some_logits(), torch.randn(4, dtype=torch.float64)
    gate = BinaryGatePairs().gate(FOUR, alpha, 0)
    result, pair = gradient(gate.values, signal, alpha), list(gate.active)
    assert len(pair) == 2
    assert gate.idle == "none"
    closed_form = gradient(alpha[pair].softmax(0), signal[pair], alpha)
    torch.testing.assert_close(result, closed_form, rtol=0, atol=1e-14)
    assert result[pair].abs().min() > 0
    assert [result[position].item() for position in range(4) if position not in pair] == [0, 0]


def test_the_expected_cost_moves_a_logit_by_its_distance_from_the_mean() -> None:
    alpha, costs = some_logits(), torch.tensor([10.0, 3.0, 1.0, 0.0], dtype=torch.float64)
    p = BinaryGates().probabilities(FOUR, alpha)
    mean = (p * costs).sum()
    expected = (p * (costs - mean)).detach()
    (result,) = torch.autograd.grad(mean, alpha)
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-14)


# The adjustment of logits after a step


def step() -> tuple[Tensor, Tensor]:
    before = torch.randn(6, dtype=torch.float64)
    return before, before + 0.3 * torch.randn(6, dtype=torch.float64)


@pytest.mark.parametrize("active", [(1, 4), (0, 2, 3, 5), (2,)])
def test_adjusted_logits_keep_the_probabilities_of_idle_options(active: tuple[int, ...]) -> None:
    before, after = step()
    idle, running = [position for position in range(6) if position not in active], list(active)
    result = adjusted(before, after, active)
    assert (result.softmax(0)[idle] - before.softmax(0)[idle]).abs().max() < 1e-12
    assert torch.equal(result[idle], before[idle])
    relative = result[running].softmax(0) - after[running].softmax(0)
    assert relative.abs().max() < 1e-12


def test_adjusted_is_the_rescaling_of_the_two_path_mode() -> None:
    before, after = step()
    pair = [1, 4]
    offset = torch.log(after[pair].exp().sum() / before[pair].exp().sum())
    torch.testing.assert_close(adjusted(before, after, pair)[pair], after[pair] - offset, rtol=0, atol=1e-12)


def test_adjusted_is_the_alpha_adjust_of_dropnas() -> None:
    before, after = step()
    kept, dropped = [0, 2, 3], [1, 4, 5]
    rho = before[kept].exp().sum() / before.exp().sum()
    kappa = torch.log(rho / (1 - rho) * before[dropped].exp().sum() / after[kept].exp().sum())
    torch.testing.assert_close(adjusted(before, after, kept)[kept], after[kept] + kappa, rtol=0, atol=1e-12)


def test_where_all_ran_the_step_stands_to_the_last_bit() -> None:
    before, after = step()
    assert torch.equal(adjusted(before, after, tuple(range(6))), after)


def test_which_relaxations_restore_idle_logits() -> None:
    assert {name for name, kind in EVERY.items() if kind().restores_idle} == {"proxyless pairs", "dropnas"}


# Max-W (sharpDARTS)


def test_max_w_gives_the_leading_option_weight_one() -> None:
    for _ in range(50):
        alpha = torch.randn(4, dtype=torch.float64, requires_grad=True)
        gate = MaxW().gate(FOUR, alpha, 0)
        w = alpha.detach().softmax(0)
        assert gate.values[w.argmax()].item() == 1
        assert int((gate.values < 1).sum()) == 3
        torch.testing.assert_close(gate.values.detach(), 1 - w.max() + w)
        assert gate.active == (0, 1, 2, 3)


def test_the_leading_option_of_max_w_has_no_gradient_of_its_own() -> None:
    alpha = some_logits()
    only_leading = torch.tensor([0.0, 0.0, 1.0, 0.0], dtype=torch.float64)
    assert gradient(MaxW().gate(FOUR, alpha, 0).values, only_leading, alpha).tolist() == [0, 0, 0, 0]


def test_others_have_the_usual_gradient_less_that_of_the_largest() -> None:
    alpha, signal = some_logits(), torch.randn(4, dtype=torch.float64)
    usual = gradient(alpha.softmax(0), signal, alpha)
    largest = gradient(alpha.softmax(0).max().expand(4), signal, alpha)
    result = gradient(MaxW().gate(FOUR, alpha, 0).values, signal, alpha)
    torch.testing.assert_close(result, usual - largest, rtol=0, atol=1e-14)
    detached = gradient(MaxW(detach=True).gate(FOUR, alpha, 0).values, signal, alpha)
    torch.testing.assert_close(detached, usual, rtol=0, atol=1e-14)


# Group dropout (DropNAS)


def test_each_group_keeps_an_option() -> None:
    relaxation = GroupDropout(0.9)
    for _ in range(300):
        active = relaxation.gate(FOUR, some_logits(), 0).active
        assert {0, 1} & set(active)
        assert {2, 3} & set(active)
        assert relaxation.gate(decision("fff"), logits(0, 0, 0), 0).active
        assert 2 in relaxation.gate(decision("wwf"), logits(0, 0, 0), 0).active


def test_the_softmax_runs_over_the_options_that_are_kept() -> None:
    alpha, signal = some_logits(), torch.randn(4, dtype=torch.float64)
    for _ in range(50):
        gate = GroupDropout(0.5).gate(FOUR, alpha, 0)
        kept = list(gate.active)
        torch.testing.assert_close(gate.values[kept], alpha[kept].softmax(0))
        result, closed_form = (
            gradient(gate.values, signal, alpha),
            gradient(alpha[kept].softmax(0), signal[kept], alpha),
        )
        torch.testing.assert_close(result, closed_form, rtol=0, atol=1e-14)


def test_a_whole_group_would_be_lost_as_often_as_the_rate_says() -> None:
    for size in (1, 2, 4, 7):
        assert GroupDropout(3e-5).drop_probability(size) ** size == pytest.approx(3e-5)
    assert GroupDropout(3e-5).drop_probability(4) == pytest.approx(0.074, abs=5e-4)


def test_drops_are_as_frequent_as_published() -> None:
    edge, relaxation, draws = decision("wwwwffff"), GroupDropout(), 5000
    alpha = torch.zeros(8)
    dropped = sum(8 - len(relaxation.gate(edge, alpha, 0).active) for _ in range(draws))
    assert dropped / draws == pytest.approx(0.59, abs=0.04)


def test_drops_follow_the_rate_given_that_one_is_kept() -> None:
    edge, relaxation, draws = decision("ww"), GroupDropout(0.3), 5000
    dropped = sum(0 not in relaxation.gate(edge, torch.zeros(2), 0).active for _ in range(draws))
    chance = 0.3**0.5
    assert dropped / draws == pytest.approx(chance / (1 + chance), abs=0.02)


def test_rate_zero_is_darts_to_the_last_bit() -> None:
    alpha, signal = some_logits(), torch.randn(4, dtype=torch.float64)
    dropout, darts = GroupDropout(0).gate(FOUR, alpha, 0), Softmax().gate(FOUR, alpha, 0)
    assert dropout.active == darts.active
    assert torch.equal(dropout.values, darts.values)
    assert torch.equal(gradient(dropout.values, signal, alpha), gradient(darts.values, signal, alpha))


@pytest.mark.parametrize("rate", [-0.1, 1.0, 2.0, float("nan")])
def test_a_rate_of_dropout_is_below_one(rate: float) -> None:
    with pytest.raises(UsageError, match="no rate of group dropout"):
        GroupDropout(rate)


# Sampled sizes (TAS)


def test_two_sizes_run_weighted_by_the_softmax_of_their_samples() -> None:
    for progress in (0.0, 0.5, 1.0):
        alpha = some_logits()
        torch.manual_seed(5)
        gate = SampledSizes().gate(FOUR, alpha, progress)
        torch.manual_seed(5)
        noisy = perturbed(alpha, cosine((5, 0.1), progress))
        assert len(set(gate.active)) == 2
        torch.testing.assert_close(gate.values[list(gate.active)], noisy[list(gate.active)].softmax(0))


def test_sizes_are_drawn_from_the_relaxed_sample() -> None:
    """While it is hot that is near uniform: six pairs, each as likely."""
    counts = Counter(SampledSizes((1e3, 1.0)).gate(FOUR, some_logits(), 0).active for _ in range(6000))
    assert len(counts) == 6
    assert max(abs(count / 6000 - 1 / 6) for count in counts.values()) < 0.02


def test_certain_logits_give_a_certain_size() -> None:
    alpha = logits(-1e9, -1e9, 1e9, -1e9)
    assert SampledSizes().probabilities(FOUR, alpha).tolist() == [0, 0, 1, 0]
    for progress in (0.0, 1.0):
        gate = SampledSizes().gate(FOUR, alpha, progress)
        assert gate.values.tolist() == [0, 0, 1, 0]
        assert len(set(gate.active)) == 2
        assert 2 in gate.active


def test_draws_follow_the_softmax_one_after_another() -> None:
    p = torch.tensor([0.6, 0.3, 0.1])
    counts = Counter(tuple(draw(p.log(), 2)) for _ in range(6000))
    for i, j in [(0, 1), (0, 2), (1, 2)]:
        expected = p[i] * p[j] * (1 / (1 - p[i]) + 1 / (1 - p[j]))
        assert counts[i, j] / 6000 == pytest.approx(expected.item(), abs=0.02)


# Dirichlet (DrNAS)


def test_the_mean_of_samples_is_the_probabilities() -> None:
    alpha, relaxation = some_logits(), Dirichlet()
    mean = torch.stack([relaxation.gate(FOUR, alpha, 0).values.detach() for _ in range(4000)]).mean(0)
    concentration = torch.nn.functional.elu(alpha.detach()) + 1
    assert (mean - concentration / concentration.sum()).abs().max() < 0.02
    torch.testing.assert_close(relaxation.probabilities(FOUR, alpha).detach(), concentration / concentration.sum())


def test_samples_have_the_variance_of_the_dirichlet_distribution() -> None:
    alpha, relaxation = some_logits(), Dirichlet()
    samples = torch.stack([relaxation.gate(FOUR, alpha, 0).values.detach() for _ in range(4000)])
    mean = relaxation.probabilities(FOUR, alpha).detach()
    total = (torch.nn.functional.elu(alpha.detach()) + 1).sum()
    assert (samples.var(0) - mean * (1 - mean) / (total + 1)).abs().max() < 0.01


def test_pathwise_gradients_average_to_the_gradient_of_the_mean() -> None:
    alpha, signal = some_logits(), torch.tensor([1.0, -2.0, 0.5, 3.0], dtype=torch.float64)
    relaxation = Dirichlet()
    sampled = torch.stack([gradient(relaxation.gate(FOUR, alpha, 0).values, signal, alpha) for _ in range(6000)])
    exact = gradient(relaxation.probabilities(FOUR, alpha), signal, alpha)
    assert (sampled.mean(0) - exact).abs().max() < 6 * (sampled.std(0) / 6000**0.5).max()
    assert exact.abs().max() > 0.1


def test_the_gradient_at_zero_logits_is_that_of_elu() -> None:
    alpha, signal = logits(0, 0, 0), torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)
    concentration = torch.nn.functional.elu(alpha) + 1
    expected = gradient(concentration / concentration.sum(), signal, alpha)
    torch.testing.assert_close(gradient(Dirichlet().probabilities(decision("www"), alpha), signal, alpha), expected)


def test_low_logits_stay_a_distribution() -> None:
    gate = Dirichlet().gate(FOUR, torch.tensor([1.0, -30.0, -30.0, 0.0], requires_grad=True), 0)
    assert gate.values.isfinite().all()
    assert gate.values.sum().item() == pytest.approx(1)
