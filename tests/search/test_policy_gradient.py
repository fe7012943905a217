"""The controller of reinforce: probabilities that add up, and gradients that move them to what is good."""

import numpy as np
import pytest
import torch

from nas.errors import UsageError
from nas.search import Result, make_strategy
from nas.search.controller import Controller
from nas.search.guided.candidates import all_rows
from nas.space import Space
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
    drawn = controller.draw(2000, rng)
    shares = (drawn[:, None] == rows).all(axis=2).mean(axis=0)
    assert shares == pytest.approx(controller(rows)[0].exp().detach().numpy(), abs=0.035)


@pytest.mark.parametrize("seed", range(4))
def test_what_is_drawn_late_is_better_than_what_was_drawn_early(seed: int) -> None:
    """Of a sum over six choices, whose mean is 15 in random draws; 3% of the space are drawn."""
    space = Space({f"c{place}": [1, 2, 3, 4] for place in range(6)})
    strategy, totals = make_strategy("reinforce", space, seed), []
    for _ in range(12):
        batch = strategy.ask(10)
        sums = [sum(each.values()) for each in batch]
        totals += sums
        strategy.tell([Result(each, {}, (-float(total),), 0.0) for each, total in zip(batch, sums, strict=True)])
    assert np.mean(totals[60:]) > np.mean(totals[:60]) + 1


def test_mistakes_are_sentences() -> None:
    with pytest.raises(UsageError, match="reinforce has width 32, batch 5, rate 0"):
        make_strategy("reinforce", NESTED, rate=0.0)
