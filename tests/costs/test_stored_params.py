"""What has to be kept of a network whose layers share."""

from collections.abc import Callable

import pytest
import torch

import nas
from nas.costs import Candidate, OwnCosts, StaticCosts
from nas.sharing import HashedBank, RelaxedTied, Shared, Sharing, Tied
from search_spaces.transformer_lm import transformer_lm

LENGTH = 8


def supernet_of(sharing: Sharing) -> nas.Supernet:
    torch.manual_seed(0)
    model = transformer_lm((LENGTH,), 7, widths=(8, 16), depths=(2, 3), heads=(1, 2), head_dim=4, ratios=(1, 2))
    return nas.Supernet(model, sharing)


def costs_of(sharing: Sharing) -> StaticCosts:
    return StaticCosts(supernet_of(sharing), (LENGTH,), torch.int64)


def test_layers_of_their_own_are_stored_as_they_are() -> None:
    costs = costs_of(Shared())
    for seed in range(5):
        candidate = Candidate(costs.supernet.space.sample(seed), costs)
        assert candidate.stored_parameters == candidate.costs["params"]


def test_tied_layers_of_other_sizes_are_stored_as_the_largest() -> None:
    """Their network has a part for each."""
    costs = costs_of(Tied())
    tied = {"depth": 2, "width": 8, "layers.1.weights": 0}
    alike, apart = (
        Candidate(costs.supernet.space.complete({**costs.supernet.space.largest(), **tied, **ratios}), costs)
        for ratios in ({}, {"layers.1.ratio": 1})
    )
    assert alike.stored_parameters == apart.stored_parameters == alike.costs["params"] < apart.costs["params"]


@pytest.mark.parametrize(
    "make", [lambda: RelaxedTied(1, (0, 2)), lambda: HashedBank(0.3, 4)], ids=["relaxed", "hashed"]
)
def test_a_supernet_without_weights_counts_the_same(make: Callable[[], Sharing]) -> None:
    costs, supernet = costs_of(make()), supernet_of(make())
    for seed in range(5):
        architecture = supernet.space.sample(seed)
        supernet.activate(architecture)
        assert Candidate(architecture, costs).stored_parameters == supernet.stored_parameters()


def test_it_is_a_cost_by_its_name() -> None:
    costs = costs_of(RelaxedTied(1, (0, 2)))
    candidate = Candidate(costs.supernet.space.smallest(), costs)
    assert OwnCosts(["stored_params"])(candidate) == {"stored_params": candidate.stored_parameters}
