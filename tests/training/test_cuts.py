"""Cutting the space while the supernet trains."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import CLASSES, Always, operations, split
from torch import Tensor, nn

import nas
from nas.data import Augment
from nas.nn import Conv2d, OneOf
from nas.sampling import Uniform
from nas.sharing import FewShot, GradientMatching, Partition, Shared, Sharing
from nas.space import Choice
from nas.supernet import Supernet
from nas.training import (
    BatchStream,
    ByGradients,
    Context,
    CrossEntropy,
    Epoch,
    EveryCandidate,
    Phase,
    Recipe,
    SupernetStep,
    train_phases,
    with_cuts,
)
from nas.training.gradient_distances import GradientDistances, cosine_distances

EPOCHS = 6
SETTINGS: dict[str, Any] = {"epochs": EPOCHS, "batch_size": 8, "learning_rate": 0.05, "weight_decay": 0.01}


def supernet_of(sharing: Sharing) -> Supernet:
    """Operations that own their weights, batch norms and dropout."""
    return Supernet(operations().model, sharing)


def few_shot(recipe: Recipe | None = None, **options: Any) -> list[Phase]:
    supernet = supernet_of(FewShot(**{"choices": "layer0", **options}))
    cut = EveryCandidate(supernet)
    return with_cuts(one_phase(supernet, recipe), [cut.scheme.split_at], cut)


def gradient_matching(recipe: Recipe | None = None, **options: Any) -> list[Phase]:
    supernet = supernet_of(GradientMatching(**{"repeats": 2, **options}))
    cut = by_gradients(supernet)
    return with_cuts(one_phase(supernet, recipe), cut.scheme.split_at, cut)


def one_phase(supernet: Supernet, recipe: Recipe | None = None) -> Phase:
    step = SupernetStep(supernet, Uniform(supernet.space, seed=1), [CrossEntropy()])
    return Phase(step, split(), recipe or Recipe(**SETTINGS), Augment(flip=True))


def by_gradients(supernet: Supernet, batch_size: int = 8) -> ByGradients:
    batches = BatchStream(split(), batch_size, (1, 5), Augment(flip=True))
    scheme: Any = supernet.sharing
    repeats = scheme.repeats if isinstance(scheme, GradientMatching) else 1
    return ByGradients(supernet, GradientDistances(supernet, scheme, [CrossEntropy()], batches, 1, repeats))


def model_of(phases: list[Phase]) -> Supernet:
    assert isinstance(phases[0].step, SupernetStep)
    return phases[0].step.model


def scheme_of(phases: list[Phase]) -> Partition:
    scheme = model_of(phases).sharing
    assert isinstance(scheme, Partition)
    return scheme


def test_what_is_trained_in_one_bank_does_not_move_another() -> None:
    phases = few_shot(split_at=0.0)
    supernet, scheme = model_of(phases), scheme_of(phases)
    start = {name: tensor.clone() for name, tensor in scheme.tensors(0).items()}
    paths = Always(supernet.space.architecture({"layer0": "k1", "layer1": "k3", "layer2": "skip"}))
    step = SupernetStep(supernet, paths, [CrossEntropy()])
    train_phases([replace(phase, step=step) for phase in phases], seed=7)
    for bank in range(3):
        moved = [name for name, tensor in scheme.tensors(bank).items() if not torch.equal(tensor, start[name])]
        assert bool(moved) is (bank == 1)


@pytest.mark.parametrize(("optimizer", "masked"), [("sgd", False), ("sgd", True), ("adamw", False)])
def test_a_split_into_one_group_trains_as_if_there_were_none(optimizer: Any, masked: bool) -> None:
    """Though gradients are compared on the way."""
    recipe = Recipe(**SETTINGS, optimizer=optimizer, masked=masked)
    phases = gradient_matching(recipe, groups=1, split_at=[0.0, 0.3, 0.7])
    plain = one_phase(supernet_of(Shared()), recipe)
    without = [replace(plain, recipe=phase.recipe, name=phase.name) for phase in phases]
    assert len(phases) == 3
    history, found = train_phases(without, seed=7), train_phases(phases, seed=7)
    assert [epoch["loss"] for epoch in found] == [epoch["loss"] for epoch in history]
    assert sum(epoch.get("gradient_passes", 0) for epoch in found) == 3 * 3 * 3 * 2
    for name, tensor in model_of(without).model.state_dict().items():
        assert torch.equal(model_of(phases).model.state_dict()[name], tensor), name


class Killed(Exception):  # noqa: N818
    """Stands for a process that ends."""


@pytest.mark.parametrize(
    ("make", "split_at", "optimizer"),
    [
        (few_shot, 0.5, "sgd"),
        (few_shot, 0.4, "adamw"),
        (gradient_matching, 0.5, "adamw"),
        (gradient_matching, 0.4, "sgd"),
    ],
)
def test_resuming_around_a_split_is_bit_exact(
    make: Callable[..., list[Phase]], split_at: float, optimizer: Any, tmp_path: Path
) -> None:
    options = {"split_at": split_at if make is few_shot else (split_at, 0.8)}
    recipe = Recipe(**SETTINGS, optimizer=optimizer)
    straight = make(recipe, **options)
    history = train_phases(straight, seed=7)
    file = tmp_path / "supernet.safetensors"

    def kill(epoch: Epoch) -> None:
        raise Killed

    for _ in range(EPOCHS):
        with pytest.raises(Killed):
            train_phases(make(recipe, **options), seed=7, checkpoint=file, on_epoch=kill)
    last = make(recipe, **options)
    resumed = train_phases(last, seed=7, checkpoint=file, on_epoch=kill)
    assert [{**epoch, "images_per_second": 0} for epoch in resumed] == [
        {**epoch, "images_per_second": 0} for epoch in history
    ]
    assert scheme_of(last).divisions == scheme_of(straight).divisions
    assert scheme_of(last).used == scheme_of(last).banks > 1
    for name, tensor in model_of(straight).state_dict().items():
        assert torch.equal(model_of(last).state_dict()[name], tensor), name


def test_few_shot_splits_after_its_share_of_the_training_and_says_so() -> None:
    history = train_phases(few_shot(split_at=0.5, choices=["layer1"]), seed=7)
    assert [epoch["epoch"] for epoch in history if "divisions" in epoch] == [3]
    (division,) = history[3]["divisions"]
    assert division == {"bank": 0, "choice": "layer1", "parts": {"0": ["skip"], "1": ["k1"], "2": ["k3"]}}
    paths = np.array([epoch["paths_by_bank"] for epoch in history])
    assert paths[:3].sum(0).tolist() == [12, 0, 0]
    assert paths[3:].sum() == 12 and (paths[3:].sum(0) > 0).all()
    assert all("gradient_passes" not in epoch for epoch in history)


def test_gradient_matching_splits_every_region_each_time_and_tells_what_it_cost() -> None:
    phases = gradient_matching()
    history = train_phases(phases, seed=7)
    scheme = scheme_of(phases)
    assert [epoch["epoch"] for epoch in history if "divisions" in epoch] == [2, 3]
    assert [len(epoch["divisions"]) for epoch in history if "divisions" in epoch] == [1, 2]
    assert scheme.used == scheme.banks == 4
    assert history[2]["gradient_passes"] == 3 * 3 * 2
    first = scheme.divisions[0]
    sizes = [len(first.group(bank)) for bank in (0, 1)]
    assert sorted(sizes) == [1, 2]
    assert history[3]["gradient_passes"] == 2 * (2 * 3 + 2 * 3 + 2)
    assert np.sum([epoch["paths_by_bank"] for epoch in history]) == 4 * EPOCHS


class Times(nn.Module):
    """Multiplies by a number of its own."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x


def planted(sharing: Sharing) -> Supernet:
    """Candidates "a" and "c" of the first layer are alike and "b" does the opposite; those of the second agree."""
    torch.manual_seed(0)
    layers = [
        ("stem", nn.Conv2d(1, 4, 3)),
        ("first", OneOf({"a": Times(1.0), "b": Times(-1.0), "c": Times(1.0)})),
        ("second", OneOf({"a": Times(1.0), "b": Times(1.0), "c": Times(1.001)})),
        ("norm", nn.BatchNorm2d(4)),
        ("head", nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, CLASSES))),
    ]
    return Supernet(nn.Sequential(OrderedDict(layers)), sharing)


def test_candidates_that_are_alike_stay_together_and_their_opposite_leaves() -> None:
    supernet = planted(GradientMatching(split_at=[0.0], repeats=2)).train()
    cut = by_gradients(supernet)
    distances = cut.distances(0, "first", Context(0))
    assert distances is not None
    assert torch.equal(distances, distances.T) and not distances.diagonal().any()
    assert float(distances[0, 2]) == pytest.approx(0, abs=1e-6) and float(distances[0, 1]) > 0.1
    cut.begin(Context(0))
    scheme = supernet.sharing
    assert isinstance(scheme, GradientMatching)
    assert [scheme.describe_division(each) for each in scheme.divisions] == [
        {"bank": 0, "choice": "first", "parts": {"0": ["a", "c"], "1": ["b"]}}
    ]


def kernels_and_operations(scheme: GradientMatching) -> Supernet:
    """A layer of elastic kernel, and one of an operation with weights or one without."""
    torch.manual_seed(0)
    kernel, operation = Choice([1, 3], name="kernel"), Choice(["conv", "tanh"], name="operation")
    layers = [
        ("stem", Conv2d(1, 2, kernel, padding=kernel // 2)),
        ("layer", OneOf({"conv": nn.Conv2d(2, 2, 1), "tanh": nn.Tanh()}, operation)),
        ("head", nn.Sequential(nn.Flatten(), nn.Linear(72, CLASSES))),
    ]
    return Supernet(nn.Sequential(OrderedDict(layers)), scheme).train()


def distance_of(supernet: Supernet, batch: tuple[Tensor, Tensor], names: list[str], *pair: dict[str, Any]) -> Tensor:
    """One minus the cosine between the gradients of some parameters, zero where they are not used, worked out anew."""
    found = []
    for architecture in pair:
        supernet.zero_grad()
        supernet.activate(architecture)
        torch.autograd.backward(nn.functional.cross_entropy(supernet(batch[0]), batch[1]))
        assert isinstance(supernet.sharing, Partition) and supernet.bank is not None
        tensors = supernet.sharing.tensors(supernet.bank)
        gradients = [torch.zeros_like(tensors[name]) if (g := tensors[name].grad) is None else g for name in names]
        found.append(torch.cat([gradient.flatten() for gradient in gradients]))
    supernet.zero_grad()
    return 1 - nn.functional.cosine_similarity(found[0], found[1], dim=0).double()


COMMON = ["stem.weight", "stem.bias", "head.1.weight", "head.1.bias"]


def test_what_a_candidate_owns_does_not_count() -> None:
    """In the bank whose region it is."""
    supernet = kernels_and_operations(scheme := GradientMatching(repeats=1, split_at=[0.5]))
    cut = by_gradients(supernet, batch_size=32)
    scheme.split(0, "kernel", [(0,), (1,)])
    with torch.no_grad():
        for tensor in scheme.tensors(1).values():
            tensor.add_(0.1 * torch.rand_like(tensor))
    found = cut.distances(1, "operation", Context(0))
    assert found is not None
    pair = [{"kernel": 3, "operation": name} for name in ("conv", "tanh")]
    expected = distance_of(supernet, cut.distances.batches.at(0), COMMON, *pair)
    torch.testing.assert_close(found[0, 1], expected, rtol=1e-4, atol=1e-6)
    other = distance_of(supernet, cut.distances.batches.at(0), [*COMMON, "layer.conv.weight", "layer.conv.bias"], *pair)
    assert float(abs(other - expected)) > 1e-3


def test_what_candidates_share_in_part_counts() -> None:
    supernet = kernels_and_operations(scheme := GradientMatching(repeats=1))
    cut = by_gradients(supernet, batch_size=32)
    found, batch = cut.distances(0, "kernel", Context(0)), cut.distances.batches.at(0)
    assert found is not None
    everything = [*COMMON, "layer.conv.weight", "layer.conv.bias"]
    expected = [
        distance_of(supernet, batch, everything, *({"kernel": size, "operation": name} for size in (1, 3)))
        for name in ("conv", "tanh")
    ]
    assert any(torch.isclose(found[0, 1], each, rtol=1e-4, atol=1e-6) for each in expected)
    assert scheme.used == 1


def test_comparing_gradients_leaves_no_trace() -> None:
    supernet = planted(GradientMatching(repeats=2)).train()
    before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    generator = torch.get_rng_state()
    by_gradients(supernet).distances(0, "second", Context(3))
    assert torch.equal(torch.get_rng_state(), generator)
    assert all(parameter.grad is None for parameter in supernet.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in supernet.state_dict().items())


def test_distances_are_a_function_of_seed_and_step() -> None:
    supernet = supernet_of(GradientMatching(repeats=2)).train()
    found = []
    for step in (3, 4, 3):
        torch.manual_seed(0)
        found.append(by_gradients(supernet).distances(0, "layer1", Context(step)))
    assert found[0] is not None and found[1] is not None and found[2] is not None
    assert torch.equal(found[0], found[2]) and not torch.equal(found[0], found[1])


def test_cosine_distances() -> None:
    vectors = [torch.tensor(each) for each in ([1.0, 0.0], [0.0, 2.0], [-3.0, 0.0], [4.0, 4.0], [0.0, 0.0])]
    distances = cosine_distances(vectors)
    half = 1 - 0.5**0.5
    expected = [
        [0, 1, 2, half, 1],
        [1, 0, 1, half, 1],
        [2, 1, 0, 2 - half, 1],
        [half, half, 2 - half, 0, 1],
        [1, 1, 1, 1, 0],
    ]
    assert torch.equal(distances, distances.T)
    torch.testing.assert_close(distances, torch.tensor(expected, dtype=torch.float64), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("sharing", [Shared, lambda: Partition(2), FewShot], ids=["shared", "partition", "few-shot"])
def test_gradients_are_told_to_their_scheme_alone(sharing: Callable[[], Sharing]) -> None:
    with pytest.raises(
        nas.UsageError, match=r"ByGradients tells GradientMatching how to cut .* sharing=GradientMatching"
    ):
        by_gradients(supernet_of(sharing()))


def test_few_shot_is_told_to_its_scheme_alone() -> None:
    with pytest.raises(nas.UsageError, match=r"EveryCandidate tells FewShot .* shares by Shared"):
        EveryCandidate(supernet_of(Shared()))


def test_few_shot_finds_the_choice_whose_candidates_disagree_most() -> None:
    supernet = planted(FewShot(split_at=0.0)).train()
    scheme = supernet.sharing
    assert isinstance(scheme, FewShot) and scheme.banks == 3
    distances = GradientDistances(supernet, scheme, [CrossEntropy()], BatchStream(split(), 8, (1, 5)), 1, 2)
    cut = EveryCandidate(supernet, distances)
    cut.begin(Context(0))
    assert [each.choice for each in scheme.divisions] == ["first"] and scheme.used == 3
    assert cut.record()["gradient_passes"] == 2 * (3 + 3)
    cut.begin(Context(1))
    assert scheme.used == 3 and cut.record() == {}


def test_few_shot_without_a_choice_needs_distances() -> None:
    with pytest.raises(nas.UsageError, match="EveryCandidate has no distances; give it some, or name choices"):
        EveryCandidate(supernet_of(FewShot()))
