"""Scores of networks while their supernet trains: they change nothing, are true, and take little of the time."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from tiny import elastic, split

import nas
from nas.data import Augment, ImageData
from nas.evaluation import SharedWeights, evaluate
from nas.evaluation.epoch_scores import EpochScores
from nas.methods import METHODS
from nas.problem import Problem
from nas.runs.scores_by_epoch import with_scores
from nas.setup import Setup, resolve
from nas.tasks import Classification
from nas.training import Context, Listener, Phase, Recipe, train_phases

SPLITS = (split(64), split(48, seed=1), split(48, seed=2))
DATA = ImageData("quadrants", Classification(list("abc")), *SPLITS, Augment(crop=1, flip=False))
NAMES = ("largest", "smallest")


def phases_of(method: str, epochs: int = 3, weight_average: float = 0.0) -> tuple[nas.Supernet, Sequence[Phase]]:
    supernet, chosen = elastic(), METHODS[method]
    recipe = Recipe(**{"epochs": epochs, "batch_size": 16, **chosen.recipe, "weight_average": weight_average})
    return supernet, chosen.phases(Problem(supernet, DATA, seed=3, recipe=recipe))


def scores_of(supernet: nas.Supernet, share: float = float("inf"), **more: object) -> EpochScores:
    space = supernet.space
    return EpochScores(supernet, DATA, {"largest": space.largest(), "smallest": space.smallest()}, share, **more)  # type: ignore[arg-type]


def listening(phases: Sequence[Phase], listener: Listener) -> list[Phase]:
    return [replace(phase, listeners=(*phase.listeners, listener)) for phase in phases]


@pytest.mark.parametrize("method", ["spos", "fairnas", "bignas", "attentivenas", "sortednet", "ofa"])
def test_the_training_ends_bit_for_bit_as_without(method: str) -> None:
    plain, phases = phases_of(method)
    expected = train_phases(phases, seed=0)
    watched, phases = phases_of(method)
    before = torch.random.get_rng_state()
    found = train_phases(listening(phases, scores_of(watched)), seed=0)
    assert torch.equal(torch.random.get_rng_state(), before)
    for name, tensor in plain.state_dict().items():
        assert torch.equal(watched.state_dict()[name], tensor), name
    assert len(found) == len(expected)
    for with_it, without in zip(found, expected, strict=True):
        scores = {name: with_it.pop(f"validation_accuracy_{name}") for name in NAMES}
        assert all(0 <= score <= 1 for score in scores.values())
        assert with_it | {"images_per_second": 0} == without | {"images_per_second": 0}


def test_a_score_is_that_of_the_network_by_itself() -> None:
    supernet, phases = phases_of("spos")
    last = train_phases(listening(phases, scores_of(supernet)), seed=0)[-1]
    for name in NAMES:
        architecture = getattr(supernet.space, name)()
        network = SharedWeights(supernet, DATA, 128, 128).network(architecture)
        truth = evaluate(network, DATA.validation.batches(48), DATA.task)["accuracy"]
        assert last[f"validation_accuracy_{name}"] == truth


class Clock:
    """Stands still but where it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Slow(EpochScores):
    """Takes two seconds for each network."""

    def _score(self, architecture: nas.Architecture) -> float:
        self._clock.now += 2.0  # type: ignore[attr-defined]
        return 0.5


@pytest.mark.parametrize("share", [0.02, 0.1])
def test_all_of_them_take_no_more_than_their_share_of_the_time(share: float) -> None:
    supernet, clock = elastic(), Clock()
    scores = Slow(supernet, DATA, {"largest": supernet.space.largest()}, share, clock)
    evaluated = 0
    for step in range(400):
        scores.before_step(Context(step, torch.zeros(64, 1)))
        scores.after_step(Context(step, torch.zeros(64, 1)))
        clock.now += 3.0
        if scores.record():
            evaluated += 1
        assert 2.0 * evaluated <= share * clock.now + 2.0 * (evaluated == 1), step
    assert 2.0 * evaluated > 0.9 * share * clock.now


def test_a_short_training_is_left_alone() -> None:
    supernet, phases = phases_of("spos")
    found = train_phases(listening(phases, scores_of(supernet, 0.02)), seed=0)
    assert not any(name.startswith("validation") for epoch in found for name in epoch)


@pytest.mark.parametrize(("method", "watched"), [("spos", True), ("layer-tying", False), ("gdas", False)])
def test_methods_that_still_learn_gates_or_banks_are_left_alone(method: str, watched: bool) -> None:
    values = {"space": "toy_cell", "method": method, "task": "digits", "limit": 100, "training": {"epochs": 1}}
    setup = Setup(resolve({**values, "constraints": ["flops <= 90% of largest"], "finish": {"networks": 0}}, "test"))
    phases = with_scores(setup, setup.phases(), setup.space)
    assert all(any(isinstance(each, EpochScores) for each in phase.observers) == watched for phase in phases)
