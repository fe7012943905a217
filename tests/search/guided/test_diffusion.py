"""What DiffusionNAG says of noise, of what comes out of it and of the predictor that guides."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

from nas.errors import UsageError
from nas.search import Result, make_strategy
from nas.search.guided.candidates import all_rows
from nas.search.guided.denoising import LEAST, MOST, Denoiser, NoisyPredictor, generate, noised
from nas.search.guided.diffusion_search import Diffused
from nas.search.guided.encodings import one_hot_inactive
from nas.space import Architecture, Space
from nas.testing.spaces import NESTED, WIDE

WORTH = np.random.default_rng(0).normal(size=(8, 4))
SHARES = np.array([[0.7, 0.1, 0.1, 0.1], [0.4, 0.3, 0.2, 0.1]])


def diffused(space: Space) -> Diffused:
    return Diffused(space, 0, guidance=3.0, samples=256, levels=50, width=64, steps=200)


@pytest.fixture(scope="module")
def skewed() -> Denoiser:
    """Of two choices whose candidates are not equally likely."""
    rng = np.random.default_rng(0)
    picks = [rng.choice(4, 4000, p=shares) for shares in SHARES]
    data = np.concatenate([np.eye(4)[each] for each in picks], axis=1)
    return Denoiser(torch.tensor(data, dtype=torch.float32), [4, 4], 32, 0)


@pytest.fixture(scope="module")
def nested() -> Diffused:
    return diffused(NESTED)


@pytest.mark.parametrize("deviation", [LEAST, 1.0, MOST])
def test_noise_has_the_deviation_of_its_level(deviation: float) -> None:
    clean = torch.eye(8)[torch.arange(20_000) % 8]
    noise = noised(clean, torch.full((20_000, 1), deviation), np.random.default_rng(0)) - clean
    assert float(noise.mean()) == pytest.approx(0.0, abs=0.02 * deviation)
    assert float(noise.std()) == pytest.approx(deviation, rel=0.01)


def test_encoded_architectures_are_decoded_to_themselves(nested: Diffused) -> None:
    rows = all_rows(NESTED)
    assert (nested.decode(one_hot_inactive(NESTED)(rows)) == rows).all()


def test_of_one_architecture_alone_nothing_else_comes_out() -> None:
    only = torch.tensor([[0.0, 1, 0, 1, 0, 0, 0]])
    made = generate(Denoiser(only, [3, 4], 32, 0), 100, 7, 30, np.random.default_rng(0))
    assert (made.round() == only).all()


def test_without_guidance_candidates_come_out_as_often_as_they_went_in(skewed: Denoiser) -> None:
    made = generate(skewed, 1000, 8, 50, np.random.default_rng(1))
    for block, shares in zip(made.numpy().reshape(1000, 2, 4).transpose(1, 0, 2), SHARES, strict=True):
        counts = np.bincount(block.argmax(axis=1), minlength=4)
        assert chisquare(counts, 1000 * shares).pvalue > 0.01
        assert chisquare(counts, np.full(4, 250)).pvalue < 1e-9


def test_conditions_are_learnt(nested: Diffused) -> None:
    """Of choices that may be inactive it comes out whether they are; random architectures have gone in."""
    made = generate(nested.denoiser, 500, 13, 50, np.random.default_rng(0))
    picked = np.stack([block.argmax(axis=1) for block in np.split(made.numpy(), [3, 5, 9], axis=1)], axis=1)
    agrees = (picked - [0, 0, 1, 1] == nested.decode(made.numpy())).all(axis=1)
    assert agrees.mean() > 0.9, "a quarter where choices come out independently"


def test_candidates_that_pay_come_out_the_oftener_the_stronger_the_guidance(skewed: Denoiser) -> None:
    """Where the cost of a noised input is that which is expected: at first by the exponential of what they pay."""
    pays = torch.tensor([0.0, 0, 0, 1, 0, 0, 0, 0])

    def share(guidance: float) -> float:
        def cost(x: Tensor, deviations: Tensor) -> Tensor:
            return -guidance * (skewed(x, deviations) @ pays)

        made = generate(skewed, 1000, 8, 50, np.random.default_rng(1), cost)
        return float((made[:, :4].argmax(dim=1) == 3).float().mean())

    shares = [share(guidance) for guidance in (0.0, 1.0, 2.0, 4.0, 8.0)]
    assert shares == sorted(shares) and shares[-1] > 0.7
    assert shares[1] / (1 - shares[1]) == pytest.approx(np.exp(1.0) * shares[0] / (1 - shares[0]), rel=0.2)


def test_a_predictor_sees_through_little_noise_and_gives_up_under_much(skewed: Denoiser) -> None:
    x = torch.eye(4)[:, [0, 1, 2, 3, 0, 1, 2, 3]]
    y = torch.tensor([-1.0, 0.0, 0.0, 1.0])
    predict = NoisyPredictor(x, y, skewed, 32, 200, 0)
    with torch.no_grad():
        clear = predict(x, torch.full((4, 1), LEAST))
        hidden = predict(noised(x, torch.full((4, 1), MOST), np.random.default_rng(0)), torch.full((4, 1), MOST))
    assert clear.tolist() == pytest.approx(y.tolist(), abs=0.2)
    assert float(hidden.std()) < 0.5 * float(y.std())


def evaluated(some: Sequence[Architecture], bound: float = np.inf) -> list[Result]:
    """A sum over choices and one interaction, where the sum of indices must not exceed a bound."""
    rows = WIDE.indices(some)
    values = WORTH[np.arange(8), rows].sum(axis=1) + 2.0 * (rows[:, 0] == rows[:, 1])
    above = np.maximum(rows.sum(axis=1) - bound, 0.0)
    return [
        Result(each, {}, None if over else (-float(value),), float(over))
        for each, value, over in zip(some, values, above, strict=True)
    ]


def test_what_a_search_makes_is_better_than_random_and_within_the_bound() -> None:
    """After 80 results of random architectures, about half of which violate a bound."""
    rng, made = np.random.default_rng(0), diffused(WIDE)
    drawn = [WIDE.sample(rng) for _ in range(80)]
    strategy = make_strategy("diffusion", WIDE, 0)
    strategy.tell(evaluated(drawn, 12.0))
    found = evaluated(strategy.ask(20), 12.0)
    known = [result.objectives[0] for result in evaluated(drawn, 12.0) if result.objectives]
    feasible = [result.objectives[0] for result in found if result.objectives]
    assert len(feasible) >= 16
    assert np.mean(feasible) < min(known) + 2 < np.mean(known)
    assert len(made(drawn, rng)) > 240, "without a predictor hardly any comes out twice"


def test_it_finds_what_random_search_does_not() -> None:
    def best(name: str) -> float:
        strategy, found = make_strategy(name, WIDE, 0), np.inf
        for _ in range(6):
            strategy.tell(results := evaluated(strategy.ask(10)))
            found = min(found, *(each.objectives[0] for each in results if each.objectives))
        return float(found)

    assert best("diffusion") < best("random") - 1


REFUSED: dict[str, Callable[[], object]] = {
    "diffusion has samples 0, width 64": lambda: make_strategy("diffusion", WIDE, samples=0),
    "levels 1 and guidance 6.0; use": lambda: make_strategy("diffusion", WIDE, levels=1),
    "guidance -1.0; use at least": lambda: make_strategy("diffusion", WIDE, guidance=-1.0),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_mistakes_are_sentences(sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        REFUSED[sentence]()
