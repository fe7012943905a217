"""Samplers that learn do so alike in all processes that train together, and as in one process."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from processes import Together, alone, together
from tiny import elastic, split

import nas
from nas.methods.magnitude_pruning import MagnitudePruning
from nas.sampling import (
    Attentive,
    BatchScore,
    CostLevels,
    ImportantExamples,
    ImportantPaths,
    Neighbouring,
    PredictedScore,
    Sandwich,
    Shifting,
)
from nas.training import CrossEntropy, Phase, Ranks, Recipe, SupernetStep, train_phases
from nas.training.phase import state_of_all

RECIPE = Recipe(epochs=3, batch_size=8, learning_rate=0.05, microbatches=4)

State = Mapping[str, npt.NDArray[Any]]


def sizes(supernet: nas.Supernet) -> CostLevels:
    """By the sum of what the candidates are."""
    return CostLevels(supernet.space, lambda each: pd.DataFrame({"flops": [sum(a.values()) for a in each]}), levels=3)


def phase_of(kind: str) -> Phase:
    supernet, data, listeners = elastic(), split(), []
    objective: list[Any] = [CrossEntropy()]
    paths: Any = Sandwich(supernet.space, 1)
    if kind == "attentive":
        score = PredictedScore(supernet.space, BatchScore(supernet, CrossEntropy()), next(split().batches(16)), 1)
        paths, listeners = Attentive(supernet.space, 1, sizes(supernet), score), [score]
    elif kind == "batch":
        paths = Attentive(supernet.space, 1, sizes(supernet), BatchScore(supernet, CrossEntropy()))
    elif kind == "shifting":
        paths = Shifting(supernet.space, 1, sizes(supernet))
    elif kind == "neighbouring":
        paths = Neighbouring(supernet.space, 1, sizes(supernet), memory=3)
    elif kind == "important":
        readers = {name: supernet.readers(name) for name in supernet.space.choices}
        paths = ImportantPaths(supernet.space, 1, readers)
        examples = ImportantExamples(data, CrossEntropy(), weight=lambda: paths.weight(supernet.architecture))
        objective, data = [examples], examples.data  # type: ignore[assignment]
    else:
        listeners = [MagnitudePruning(supernet.model, 0.3)]  # type: ignore[list-item]
    return Phase(SupernetStep(supernet, paths, objective), data, RECIPE, listeners=listeners)


def trained(kind: str, ranks: Ranks) -> dict[str, Any]:
    phase = phase_of(kind)
    train_phases([phase], seed=5, ranks=ranks)
    tensors = {**phase.step.model.state_dict(), **{f"state/{k}": v for k, v in state_of_all([phase]).items()}}
    return {name: tensor.detach().numpy().copy() for name, tensor in tensors.items() if "memory" not in name}


@pytest.fixture(scope="module")
def two() -> Iterator[Together]:
    with together() as call:
        yield call


SLOW = ("attentive", "shifting", "neighbouring", "pruning")


@pytest.mark.whole
@pytest.mark.parametrize("kind", ["batch", "important", *(pytest.param(each, marks=pytest.mark.slow) for each in SLOW)])
def test_the_number_of_processes_decides_nothing(kind: str, two: Together) -> None:
    first, second = two(partial(trained, kind))
    (reference, _) = two(partial(alone, partial(trained, kind)))
    assert reference is not None and first.keys() == second.keys() == reference.keys()
    for name, array in first.items():
        assert np.array_equal(array, second[name], equal_nan=True), name
        np.testing.assert_allclose(array, reference[name], rtol=0, atol=1e-4, err_msg=name)
