"""The controller of policy gradients: probabilities that add up, and steps that move them to what is good."""

from functools import partial

import numpy as np
import pytest
import torch

from nas.errors import UsageError
from nas.search import Result, Strategy, make_strategy
from nas.search.controller import Controller
from nas.search.guided.candidates import all_rows
from nas.search.policy_gradient import PolicyGradient, clipped_gain, group_shares
from nas.space import Architecture, Space
from nas.testing import StrategySuite
from nas.testing.spaces import NESTED


def test_probabilities_of_all_architectures_add_up_to_one() -> None:
    controller = Controller(NESTED, 8, seed=0)
    for parameter in controller.parameters():
        torch.nn.init.normal_(parameter)
    logs, entropy = controller(all_rows(NESTED))
    assert logs.exp().sum().item() == pytest.approx(1, abs=1e-5)
    assert (entropy >= 0).all()


def test_architectures_are_drawn_as_often_as_their_probabilities_say() -> None:
    controller = Controller(NESTED, 8, seed=0)
    rng, rows = np.random.default_rng(0), all_rows(NESTED)
    for parameter in controller.parameters():
        torch.nn.init.normal_(parameter)
    drawn = controller.draw([{}] * 2000, rng)
    shares = (drawn[:, None] == rows).all(axis=2).mean(axis=0)
    assert shares == pytest.approx(controller(rows)[0].exp().detach().numpy(), abs=0.035)


@pytest.mark.parametrize("name", ["reinforce", "ppo-controller"])
@pytest.mark.parametrize("seed", range(4))
def test_what_is_drawn_late_is_better_than_what_was_drawn_early(name: str, seed: int) -> None:
    """Of a sum over six choices, whose mean is 15 in random draws; 3% of the space are drawn."""
    space = Space({f"c{place}": [1, 2, 3, 4] for place in range(6)})
    strategy, totals = make_strategy(name, space, seed), []
    for _ in range(12):
        batch = strategy.ask(10)
        sums = [sum(each.values()) for each in batch]
        totals += sums
        strategy.tell([Result(each, {}, (-float(total),), 0.0) for each, total in zip(batch, sums, strict=True)])
    assert np.mean(totals[60:]) > np.mean(totals[:60]) + 1


def test_a_single_epoch_is_reinforce() -> None:
    """Nothing has changed at the first step of a batch, so nothing is clipped; also the gradient is the same."""
    space = Space({f"c{place}": [1, 2, 3, 4] for place in range(6)})
    make = partial(PolicyGradient, space, 0, width=32, rate=0.01, entropy=0.01, batch=5)
    assert played(make(epochs=1, clip=0.2)) == played(make()) == played(make_strategy("reinforce", space))


@pytest.mark.parametrize(
    ("ratio", "advantage", "gain", "slope"),
    [
        (1.0, 2.0, 2.0, 2.0),
        (1.5, 2.0, 2.4, 0.0),  # likelier than the bound allows: no more is gained
        (0.5, -2.0, -1.6, 0.0),
        (1.5, -2.0, -3.0, -3.0),  # the wrong way: nothing holds it back
        (0.5, 2.0, 1.0, 1.0),
    ],
)
def test_nothing_is_gained_beyond_the_clipped_ratio(ratio: float, advantage: float, gain: float, slope: float) -> None:
    logs = torch.tensor([ratio]).log().requires_grad_()
    found = clipped_gain(logs, torch.zeros(1), torch.tensor([advantage]), clip=0.2)
    assert found.item() == pytest.approx(gain)
    (gradient,) = torch.autograd.grad(found.sum(), logs)
    assert gradient.item() == pytest.approx(slope)


def test_around_the_best_one_group_of_choices_is_decided_anew() -> None:
    """Choices of one name in all layers are a group; what is drawn is not what was told before."""
    space = Space({f"layer{layer}.{kind}": [1, 2, 3, 4] for layer in range(3) for kind in ("kernel", "width")})
    strategy, best, groups = make_strategy("ppo-controller", space, 0, around_best=True, width=8), None, []
    for _ in range(40):
        (asked,) = strategy.ask(1)
        if best is not None:
            groups.append({name.split(".")[1] for name in space.choices if asked[name] != best[name]})
        strategy.tell([Result(asked, {}, (-float(sum(asked.values())),), 0.0)])
        best = asked if best is None or sum(asked.values()) > sum(best.values()) else best
    assert all(len(group) == 1 for group in groups)
    assert {"kernel"} in groups and {"width"} in groups


def test_less_decided_groups_are_decided_more_often() -> None:
    shares = group_shares({"0.kernel": 0.2, "1.kernel": 0.4, "0.width": 0.2, "depth": 0.0})
    assert shares == pytest.approx({"kernel": 0.75, "width": 0.25, "depth": 0.0}, abs=1e-6)
    assert group_shares({"0.kernel": 0.0, "depth": 0.0}) == {"kernel": 0.5, "depth": 0.5}


class TestAroundTheBest(StrategySuite):
    def make(self, space: Space, seed: int) -> Strategy:
        return make_strategy("ppo-controller", space, seed, around_best=True, width=8, epochs=2, batch=20)


def played(strategy: Strategy) -> list[Architecture]:
    """What is proposed of a space of numbers whose sum is the reward."""
    proposed = []
    for _ in range(12):
        batch = strategy.ask(10)
        strategy.tell([Result(each, {}, (-float(sum(each.values())),), 0.0) for each in batch])
        proposed += batch
    return proposed


def test_mistakes_are_sentences() -> None:
    with pytest.raises(UsageError, match="reinforce has rate 0"):
        make_strategy("reinforce", NESTED, rate=0.0)
    with pytest.raises(UsageError, match="ppo-controller has epochs 0"):
        make_strategy("ppo-controller", NESTED, epochs=0)
    with pytest.raises(UsageError, match="ppo-controller has entropy -1"):
        make_strategy("ppo-controller", NESTED, entropy=-1.0)
