"""A batch in parts: what a part is, and that it does not matter which process runs it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pytest
import torch
from processes import Together, alone, together
from pydantic import ValidationError
from test_cuts import few_shot, gradient_matching
from test_relaxed_step import ONE_LEVEL, make as relaxed
from test_validation_scores import phase_of
from tiny import CLASSES, elastic, operations, split, take
from torch import Tensor, nn

import nas
from nas.data import load
from nas.errors import UsageError
from nas.sampling import Sandwich, Uniform
from nas.streams import Stream
from nas.supernet.relaxations import GumbelStraightThrough, Softmax
from nas.training import (
    Context,
    CrossEntropy,
    Epoch,
    InPlaceDistillation,
    Pass,
    Phase,
    PlainStep,
    Ranks,
    Recipe,
    Step,
    SupernetStep,
    load_checkpoint,
    train,
    train_phases,
    unrolled,
)
from nas.training.microbatches import Microbatches
from nas.training.ranks import ALONE
from search_spaces.mobilenet import mobilenet

State = dict[str, npt.NDArray[Any]]
Outcome = tuple[list[Epoch], State]
Found = TypeVar("Found")

TINY: dict[str, Any] = {"epochs": 3, "batch_size": 8, "learning_rate": 0.05, "weight_decay": 0.01}


def outcome(step: Step, history: list[Epoch]) -> Outcome:
    """What training gave, without its speed."""
    timeless = [{name: value for name, value in epoch.items() if name != "images_per_second"} for epoch in history]
    tensors = {**step.model.state_dict(), **{f"state/{name}": value for name, value in step.state().items()}}
    return timeless, {name: tensor.detach().numpy().copy() for name, tensor in tensors.items()}


def sandwich_on_digits(ranks: Ranks) -> Outcome:
    """Two epochs of 25 steps."""
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"widths": (4, 8), "strides": (2, 2), "depths": (1, 2), "expansions": (1, 2)}
    supernet = nas.Supernet(mobilenet((1, 8, 8), 10, stem=4, head=8, **sizes))
    step = SupernetStep(supernet, Sandwich(supernet.space, 0), [CrossEntropy(roles=["largest"]), InPlaceDistillation()])
    recipe = Recipe(epochs=2, batch_size=42, learning_rate=0.05, microbatches=2)
    return outcome(step, train_phases([Phase(step, load("digits").train, recipe)], seed=0, ranks=ranks))


def in_four(make: Callable[[Recipe], list[Phase]], ranks: Ranks, **settings: Any) -> Outcome:
    phases = make(Recipe(**{**TINY, "microbatches": 4, **settings}))
    return outcome(phases[-1].step, train_phases(phases, seed=7, ranks=ranks))


def of_step(make: Callable[[], Step], recipe: Recipe) -> list[Phase]:
    return [Phase(make(), split(), recipe)]


def single_paths() -> Step:
    supernet = operations()
    return SupernetStep(supernet, Uniform(supernet.space, seed=1, paths=2), [CrossEntropy()])


def masked_paths() -> Step:
    supernet = elastic()
    return SupernetStep(supernet, Uniform(supernet.space, seed=1), [CrossEntropy()])


def balanced_mixture(recipe: Recipe) -> list[Phase]:
    return [replace(phase_of(3)[0], recipe=recipe)]


def bilevel() -> Step:
    return relaxed(GumbelStraightThrough())


def second_order() -> Step:
    return relaxed(Softmax(), estimator=unrolled, dropout=0.0)


def one_level() -> Step:
    return relaxed(Softmax(), ONE_LEVEL)


SCENARIOS: dict[str, Callable[[Ranks], Outcome]] = {
    "single paths": partial(in_four, partial(of_step, single_paths)),
    "masked paths": partial(in_four, partial(of_step, masked_paths), masked=True),
    "adamw": partial(in_four, partial(of_step, single_paths), optimizer="adamw", learning_rate=0.01, microbatches=2),
    "balanced mixture": partial(in_four, balanced_mixture),
    "few-shot": partial(in_four, few_shot, epochs=6),
    "gradient matching": partial(in_four, gradient_matching, epochs=6),
    "bilevel": partial(in_four, partial(of_step, bilevel)),
    "second order": partial(in_four, partial(of_step, second_order)),
    "one level": partial(in_four, partial(of_step, one_level)),
}


def close(ours: Outcome, theirs: Outcome, tolerance: float) -> None:
    assert len(ours[0]) == len(theirs[0])
    for one, other in zip(ours[0], theirs[0], strict=True):
        for name, value in one.items():
            expected = pytest.approx(other[name], abs=tolerance) if isinstance(value, float) else other[name]
            assert name == "architecture" or value == expected, name
    for name, array in ours[1].items():
        np.testing.assert_allclose(array, theirs[1][name], rtol=0, atol=tolerance, err_msg=name)


def same(ours: Outcome, theirs: Outcome) -> None:
    assert ours[1].keys() == theirs[1].keys()
    for name, array in ours[1].items():
        assert np.array_equal(array, theirs[1][name]), name


def by_one(two: Together, function: Callable[[Ranks], Found]) -> Found:
    """The reference: one process runs all parts."""
    found = two(partial(alone, function))[0]
    assert found is not None
    return found


@pytest.fixture(scope="module")
def two() -> Iterator[Together]:
    with together() as call:
        yield call


@pytest.mark.whole
def test_two_processes_train_a_sandwich_as_one_does(two: Together) -> None:
    first, second = two(sandwich_on_digits)
    same(first, second)
    reference = by_one(two, sandwich_on_digits)
    close(first, reference, 1e-4)
    assert first[0] == reference[0], "the sum of two is the same in any order"


def all_of_them(ranks: Ranks) -> dict[str, Outcome]:
    return {name: train_all(ranks) for name, train_all in SCENARIOS.items()}


@pytest.mark.whole
def test_the_number_of_processes_decides_nothing(two: Together) -> None:
    (first, second), reference = two(all_of_them), by_one(two, all_of_them)
    for name in SCENARIOS:
        same(first[name], second[name])
        close(first[name], reference[name], 1e-4)


def random_paths(seed: int, ranks: Ranks) -> Outcome:
    supernet = operations(seed)
    step = SupernetStep(supernet, Uniform(supernet.space, seed, paths=1 + seed % 3), [CrossEntropy()])
    return outcome(step, train_phases([Phase(step, split(), Recipe(**TINY, microbatches=2))], seed=seed, ranks=ranks))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_random_paths_do_not_hang(seed: int, two: Together) -> None:
    first, second = two(partial(random_paths, seed))
    same(first, second)
    close(first, by_one(two, partial(random_paths, seed)), 1e-4)


def half_way(file: Path, epochs: int, ranks: Ranks) -> Outcome:
    """Trains a mixture of supernets for so many of three epochs, from the checkpoint of the rank if it is there."""
    phases, done = balanced_mixture(Recipe(**TINY, microbatches=4)), count_from(file)

    def stop(epoch: Epoch) -> None:
        if epoch["epoch"] + 1 == epochs < TINY["epochs"]:
            raise KeyboardInterrupt

    try:
        history = train_phases(phases, seed=7, checkpoint=file, on_epoch=stop, ranks=ranks)
    except KeyboardInterrupt:
        history = done
    return outcome(phases[-1].step, history)


def count_from(file: Path) -> list[Epoch]:
    history: list[Epoch] = load_checkpoint(file)[1]["history"] if file.exists() else []
    return history


@pytest.mark.whole
def test_a_training_goes_on_with_another_number_of_processes(two: Together, tmp_path: Path) -> None:
    half_way(tmp_path / "one", 2, ALONE)
    straight = half_way(tmp_path / "straight", 3, ALONE)
    first, second = two(partial(half_way, tmp_path / "one", 3))
    same(first, second)
    close(first, straight, 1e-4)
    close(half_way(tmp_path / "one", 3, ALONE), straight, 1e-4)


def apart(folder: Path, ranks: Ranks) -> str:
    """The first process has a checkpoint of two epochs, the second has none."""
    with pytest.raises(UsageError) as caught:
        half_way(folder / str(ranks.rank), 3, ranks)
    return str(caught.value)


@pytest.mark.whole
def test_processes_that_begin_at_different_epochs_are_refused(two: Together, tmp_path: Path) -> None:
    half_way(tmp_path / "0", 2, ALONE)
    sentences = two(partial(apart, tmp_path))
    assert [f"would begin with epoch {epoch}" in each for epoch, each in zip((3, 1), sentences, strict=True)] == [
        True
    ] * 2


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, CLASSES))


def gradients(microbatches: Microbatches, batch: tuple[Tensor, Tensor]) -> list[Tensor]:
    step = PlainStep(network(), [CrossEntropy()])
    take(step, 3, *batch, microbatches=microbatches)
    return [parameter.grad for parameter in step.model.parameters() if parameter.grad is not None] + list(
        step.model.buffers()
    )


def test_a_step_is_the_mean_over_its_parts_whoever_runs_them() -> None:
    class Quiet(Ranks):
        def average(self, tensors: Any) -> None:
            """Leaves what this rank has found."""

    batch = next(split().shuffled(16, (0, Stream.BATCHES, 0)))
    whole = gradients(Microbatches(4, seed=5), batch)
    halves = [gradients(Microbatches(4, 5, Quiet(rank, 2)), batch) for rank in range(2)]
    for ours, parts in zip(whole, zip(*halves, strict=True), strict=True):
        torch.testing.assert_close(ours.double(), torch.stack(parts).double().mean(0))
    other = gradients(Microbatches(4, seed=6), batch)
    assert not torch.equal(whole[0], other[0]), "dropout is a function of the seed"


def test_parts_have_batch_statistics_and_running_statistics_of_their_own() -> None:
    x, _ = next(split().shuffled(16, (0, Stream.BATCHES, 0)))
    model = nn.BatchNorm2d(1, momentum=0.5)
    assert model.running_mean is not None and model.num_batches_tracked is not None
    means = [model(part).mean() for (part,) in Microbatches(4).of(model, (0,), x)]
    assert all(abs(float(mean.detach())) < 1e-6 for mean in means)
    torch.testing.assert_close(model.running_mean, 0.5 * x.mean().reshape(1))
    assert model.num_batches_tracked == 1, "a step is one move"


def test_one_part_draws_from_the_generator_as_it_is() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    ((x,),) = Microbatches().of(nn.Identity(), (0,), torch.zeros(4))
    assert len(x) == 4 and torch.equal(torch.rand(2), expected)


def test_parts_must_fit_into_batches_and_processes() -> None:
    with pytest.raises(ValidationError, match="microbatches 3 does not divide batch_size 64"):
        Recipe(microbatches=3)
    with pytest.raises(UsageError, match="microbatches is 3, but 2 processes train together"):
        Microbatches(3, ranks=Ranks(0, 2))
    with pytest.raises(UsageError, match="microbatches is 3, but a batch has 32 examples"):
        step = PlainStep(network(), [CrossEntropy()])
        train(step, split(), Recipe(epochs=1, batch_size=33, microbatches=3), seed=0)


def test_batches_are_those_of_a_whole() -> None:
    seen: list[Tensor] = []

    class Spy(PlainStep):
        def run(self, context: Context, x: Tensor, y: Tensor, backward: Callable[[Tensor], None]) -> list[Pass]:
            seen.append(x)
            return super().run(context, x, y, backward)

    train(Spy(network(), [CrossEntropy()]), split(), Recipe(epochs=1, batch_size=16, microbatches=4), seed=0)
    batches = [x for x, _ in islice(split().shuffled(16, (0, Stream.BATCHES, 0)), 2)]
    assert torch.equal(torch.cat(seen), torch.cat(batches)) and [len(x) for x in seen] == [4] * 8
