"""A training whose space is cut has levels, each with an optimiser and a schedule of its own."""

from typing import Any

import pytest
import torch
from tiny import operations, split

import nas
from nas.data import Augment
from nas.sampling import Uniform
from nas.sharing import FewShot, Partition, Sharing
from nas.supernet import Supernet
from nas.training import Context, CrossEntropy, Cut, FreshBanks, Phase, Recipe, SupernetStep, train_phases, with_cuts

SETTINGS: dict[str, Any] = {"epochs": 6, "batch_size": 8, "learning_rate": 0.05, "weight_decay": 0.01}


def supernet_of(sharing: Sharing) -> Supernet:
    """Operations that own their weights, batch norms and dropout."""
    return Supernet(operations().model, sharing)


def one_phase(supernet: Supernet, recipe: Recipe) -> Phase:
    step = SupernetStep(supernet, Uniform(supernet.space, seed=1), [CrossEntropy()])
    return Phase(step, split(), recipe, Augment(flip=True))


class InTwo(Cut[Partition]):
    """Cuts the newest bank in two, and looks at what was trained since the last cut.

    Attributes:
        states: for each cut how many parameters the optimiser has a state of.
        alike: for each cut whether both halves are.
    """

    def __init__(self, scheme: Partition) -> None:
        super().__init__(scheme)
        self.states: list[int] = []
        self.alike: list[bool] = []

    def divide(self, context: Context) -> None:
        bank = self.scheme.used - 1
        self.scheme.split(bank, f"layer{bank}", [(0,), (1, 2)])
        halves = [self.scheme.tensors(number).values() for number in (bank, bank + 1)]
        self.alike.append(all(torch.equal(old, new) and old is not new for old, new in zip(*halves, strict=True)))
        assert context.optimizer is not None
        self.states.append(len(context.optimizer.state))


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_each_level_has_an_optimiser_and_a_schedule_of_its_own_and_the_weights_of_the_last(optimizer: Any) -> None:
    supernet = supernet_of(scheme := Partition(models=3))
    cut, recipe = InTwo(scheme), Recipe(**SETTINGS, optimizer=optimizer, warmup_epochs=0)
    phases = with_cuts(one_phase(supernet, recipe), [1 / 3, 2 / 3], cut)
    history = train_phases(phases, seed=7)
    assert cut.alike == [True, True] and cut.states == [0, 0]
    rates = [epoch["learning_rate"] for epoch in history]
    assert rates[0::2] == [rates[0]] * 3 and rates[1::2] == [rates[1]] * 3 and rates[0] > rates[1]
    assert [epoch["phase"] for epoch in history[::2]] == ["level 1", "level 2", "level 3"]


def levels(epochs: int, shares: list[float], **options: Any) -> list[tuple[int, float, bool]]:
    """Epochs and warm-up of each level, and whether banks begin anew with it."""
    supernet = supernet_of(scheme := Partition(models=3))
    phase = one_phase(supernet, Recipe(**{**SETTINGS, "epochs": epochs}, warmup_epochs=2))
    fresh = FreshBanks(supernet, scheme, seed=0)
    return [
        (each.recipe.epochs, each.recipe.warmup_epochs, fresh in each.listeners)
        for each in with_cuts(phase, shares, InTwo(scheme), fresh=fresh, **options)
    ]


def test_levels_share_out_the_epochs_or_are_as_long_for_each_bank() -> None:
    assert levels(8, [0.25, 0.5]) == [(2, 0.5, False), (2, 0.5, False), (4, 1, False)]
    assert levels(8, [0.25, 0.5], times=[1, 2, 4]) == [(2, 0.5, False), (4, 1, False), (16, 4, False)]
    assert levels(8, [0.25, 0.5], restart="final") == [(2, 0.5, False), (2, 0.5, False), (4, 1, True)]
    assert levels(8, [0.25, 0.5], restart="all") == [(2, 0.5, False), (2, 0.5, True), (4, 1, True)]
    assert levels(8, [0.0, 0.5], restart="all") == [(4, 1, True), (4, 1, True)]
    assert [each for each, _, _ in levels(3, [0.01, 0.02])] == [1, 1, 1]
    assert [each for each, _, _ in levels(3, [0.98, 0.99])] == [1, 1, 1]
    with pytest.raises(nas.UsageError, match=r"needs 3 epochs or more, but training\.epochs is 2"):
        levels(2, [0.25, 0.5])


def test_banks_that_begin_anew_have_weights_and_statistics_of_their_own() -> None:
    supernet = supernet_of(FewShot("layer0", split_at=0.5))
    scheme = supernet.sharing
    assert isinstance(scheme, FewShot)
    train_phases([one_phase(supernet, Recipe(**{**SETTINGS, "epochs": 1}))], seed=7)
    scheme.divide()
    generator = torch.get_rng_state()
    FreshBanks(supernet, scheme, seed=3).begin(Context(0, phase=1))
    assert torch.equal(torch.get_rng_state(), generator)
    weights = [scheme.tensors(bank)["stem.weight"].clone() for bank in range(3)]
    assert not any(torch.equal(weights[a], weights[b]) for a, b in ((0, 1), (0, 2), (1, 2)))
    assert all(torch.equal(scheme.tensors(bank)["layer0.k1.1.running_var"], torch.ones(4)) for bank in range(3))
    FreshBanks(supernet, scheme, seed=3).begin(Context(9, phase=1))
    assert torch.equal(scheme.tensors(2)["stem.weight"], weights[2])
