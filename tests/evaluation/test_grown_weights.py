"""The evaluator that trains every candidate from the weights of a smaller one."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import nn

import nas
from nas.errors import UsageError
from nas.evaluation import standalone
from nas.evaluation.grown_weights import GrownWeights
from nas.nn import LayerNorm, Linear
from nas.problem import Problem
from nas.search import search
from nas.space import Architecture, Choice
from nas.space.growth import grown
from nas.testing.spaces import SHAPE
from nas.training import Recipe
from search_spaces.chain import chain
from search_spaces.mobilenet import mobilenet

DATA = nas.data.load("digits", limit=200)
RECIPE = Recipe(epochs=2, batch_size=50)


def supernet() -> nas.Supernet:
    model = mobilenet(SHAPE, 10, widths=(16, 32), strides=(1, 2), depths=(1, 2), kernels=(3,), expansions=(3,))
    return nas.Supernet(model)


@pytest.fixture(scope="module")
def problem() -> Problem:
    """Of 16 networks: widths and depths of two stages."""
    return Problem(supernet(), DATA, retraining=RECIPE)


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[Architecture, int, torch.Tensor]]]:
    """Of each training: the architecture, its epochs, and the outputs before it."""
    found, fit = [], standalone.Standalone.fit

    def noting(trainer: standalone.Standalone, architecture: Architecture, network: nn.Module, *args: object) -> None:
        found.append((architecture, trainer.recipe.epochs, outputs(network)))
        fit(trainer, architecture, network, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(standalone.Standalone, "fit", noting)
    yield found


def outputs(network: nn.Module) -> torch.Tensor:
    x, _ = next(iter(DATA.validation.batches(16)))
    was = network.training
    found: torch.Tensor = network.eval()(x).detach()
    network.train(was)
    return found


def test_it_begins_as_what_it_grew_from(problem: Problem, begun: list[tuple[Architecture, int, torch.Tensor]]) -> None:
    evaluator, start = GrownWeights(problem, epochs=1), problem.space.smallest()
    before = outputs(evaluator.network(start))
    for larger in grown(problem.space, start):
        after = outputs(evaluator.network(larger))
        architecture, epochs, first = begun[-1]
        assert (architecture, epochs) == (larger, 1)
        torch.testing.assert_close(first, before, rtol=1e-5, atol=1e-5)
        assert not torch.allclose(after, before, atol=1e-2)


def test_what_it_grows_from_is_trained_before_it(
    problem: Problem, begun: list[tuple[Architecture, int, torch.Tensor]]
) -> None:
    GrownWeights(problem, epochs=1).network(problem.space.largest())
    trained = [architecture for architecture, _, _ in begun]
    assert (trained[0], trained[-1]) == (problem.space.smallest(), problem.space.largest())
    assert all(larger in grown(problem.space, smaller) for smaller, larger in pairwise(trained))
    assert [epochs for _, epochs, _ in begun] == [2, 1, 1, 1, 1]


def test_a_network_does_not_depend_on_what_was_trained_before(problem: Problem, tmp_path: Path) -> None:
    architecture = problem.space.sample(1)
    alone = GrownWeights(problem, epochs=1)([architecture])
    kept = replace(problem, folder=tmp_path)
    GrownWeights(kept, epochs=1)([problem.space.largest(), problem.space.sample(3)])
    pd.testing.assert_frame_equal(alone, GrownWeights(kept, epochs=1)([architecture]))


def test_a_network_that_was_trained_is_kept(problem: Problem, tmp_path: Path) -> None:
    kept, architecture = replace(problem, folder=tmp_path), problem.space.largest()
    before = GrownWeights(kept, epochs=1)([architecture])
    written = {file.name: file.stat().st_mtime_ns for file in (tmp_path / "checkpoints").iterdir()}
    assert f"grown-{architecture.id}.safetensors" in written
    pd.testing.assert_frame_equal(before, GrownWeights(kept, epochs=1)([architecture]))
    assert written == {file.name: file.stat().st_mtime_ns for file in (tmp_path / "checkpoints").iterdir()}


def test_a_training_that_was_interrupted_goes_on(
    problem: Problem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    architecture = next(grown(problem.space, problem.space.smallest()))
    train = standalone.train_phases  # type: ignore[attr-defined]

    def interrupted(*args: object, **more: object) -> None:
        def stop(*_: object) -> None:
            raise KeyboardInterrupt

        grows = "grown-" + architecture.id in str(more["checkpoint"])
        train(*args, **{**more, "on_epoch": stop if grows else None})  # type: ignore[arg-type]

    kept = replace(problem, folder=tmp_path)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(standalone, "train_phases", interrupted)
        GrownWeights(kept, epochs=2)([architecture])
    ours = GrownWeights(kept, epochs=2).network(architecture).state_dict()
    expected = GrownWeights(problem, epochs=2).network(architecture).state_dict()
    for name, tensor in expected.items():
        torch.testing.assert_close(ours[name], tensor, rtol=0, atol=0)


def test_a_search_that_grows_trains_little_else(
    problem: Problem, begun: list[tuple[Architecture, int, torch.Tensor]]
) -> None:
    table = search(
        problem.space,
        GrownWeights(problem, epochs=1),
        "grow",
        objectives="maximise accuracy",
        costs=problem.cost_table,
        constraints="params <= 60% of largest",
        budget=8,
        batch=1,
    )
    assert table["feasible"].all() and len(table) == 8
    assert len({architecture for architecture, _, _ in begun}) <= 12


def test_a_layer_that_cannot_grow_is_told() -> None:
    width = Choice([4, 8], name="width")
    model = nn.Sequential(nn.Flatten(), Linear(64, width), LayerNorm(width), nn.ReLU(), Linear(width, 10))
    normalised = Problem(nas.Supernet(model), DATA, retraining=RECIPE)
    with pytest.raises(UsageError, match="but their outputs differ by"):
        GrownWeights(normalised).network(normalised.space.largest())


def test_mistakes_are_sentences(problem: Problem) -> None:
    with pytest.raises(UsageError, match="evaluator 'grown' has epochs 0; give 1 or more"):
        GrownWeights(problem, epochs=0)
    with pytest.raises(UsageError, match="evaluator 'grown' has rate 0"):
        GrownWeights(problem, rate=0.0)
    operations = Problem(nas.Supernet(chain(SHAPE, 10, layers=(1, 1), width=4, head=16)), DATA)
    with pytest.raises(UsageError, match="evaluator 'grown' enlarges numbers, such as widths, but no choice"):
        GrownWeights(operations)
