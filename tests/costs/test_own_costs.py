"""Costs of a run's own: asked once, and only what they ask for is built."""

import math
from typing import Any

import pytest

import nas
from nas.costs import Candidate, OwnCosts, StaticCosts
from nas.errors import UsageError
from nas.space import Architecture
from search_spaces.chain import chain

ASKED: list[Architecture] = []


def choices(candidate: Candidate) -> float:
    """Looks at the choices alone."""
    ASKED.append(candidate.architecture)
    return len(candidate.architecture)


def wrong(candidate: Candidate) -> Any:
    return math.nan


def text(candidate: Candidate) -> Any:
    return "12"


@pytest.fixture
def static() -> StaticCosts:
    return StaticCosts(nas.Supernet(chain((1, 8, 8), 10)), (1, 8, 8))


def test_values_are_asked_once(static: StaticCosts) -> None:
    costs, space = OwnCosts([f"{__name__}:choices"]), static.supernet.space
    ASKED.clear()
    found = [costs(Candidate(space.sample(seed), static)) for seed in (0, 1, 0, 1)]
    assert found[0] == found[2] == {"choices": len(space.sample(0))} and len(ASKED) == 2


def test_a_network_is_the_stand_alone_one(static: StaticCosts) -> None:
    candidate = Candidate(static.supernet.space.smallest(), static)
    assert "network" not in vars(candidate), "nothing is built before it is asked for"
    network = candidate.network
    assert not network.training and next(network.parameters()).is_meta
    assert sum(each.numel() for each in network.parameters()) == candidate.costs["params"]
    assert network(candidate.example).shape == (1, 10)


@pytest.mark.parametrize(("name", "value"), [("wrong", "nan"), ("text", "'12'")])
def test_what_is_no_finite_number_is_refused(name: str, value: str, static: StaticCosts) -> None:
    candidate = Candidate(static.supernet.space.smallest(), static)
    with pytest.raises(UsageError, match=f":{name}' gave {value} for architecture {candidate.architecture.id}"):
        OwnCosts([f"{__name__}:{name}"])(candidate)


def test_a_column_of_another_is_refused() -> None:
    with pytest.raises(UsageError, match="gives the column 'choices', but another gives it too"):
        OwnCosts([f"{__name__}:choices"]).require_other(["flops", "choices"])
