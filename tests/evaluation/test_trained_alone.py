"""The evaluator that trains every candidate by itself."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

import nas
from nas.errors import UsageError
from nas.evaluation import evaluate, standalone
from nas.evaluation.evaluators import make_evaluator, traits_of
from nas.evaluation.trained_alone import TrainedAlone
from nas.problem import Problem
from nas.training import Recipe
from search_spaces.chain import chain


@pytest.fixture(scope="module")
def problem() -> Problem:
    data = nas.data.load("digits", limit=200)
    supernet = nas.Supernet(chain((1, 8, 8), 10, layers=(1, 1), width=4, head=16))
    return Problem(supernet, data, retraining=Recipe(epochs=2, batch_size=50))


def test_what_it_judges_is_what_it_makes(problem: Problem) -> None:
    evaluator, architecture = TrainedAlone(problem), problem.space.sample(1)
    network = evaluator.network(architecture)
    found = evaluate(network, problem.data.validation.batches(256), problem.data.task)
    assert found["accuracy"] == evaluator([architecture])["accuracy"][0]
    assert not {name for name, _ in network.named_modules()} & {"supernet"}


def test_a_network_that_was_trained_is_kept(problem: Problem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = replace(problem, folder=tmp_path)
    architecture = problem.space.sample(3)
    before = TrainedAlone(kept)([architecture])
    (file,) = (tmp_path / "checkpoints").iterdir()
    assert file.name == f"alone-{architecture.id}.safetensors"
    written, train = file.stat().st_mtime_ns, standalone.train_phases
    epochs: list[object] = []
    monkeypatch.setattr(
        standalone, "train_phases", lambda *args, **more: train(*args, **{**more, "on_epoch": epochs.append})
    )
    after = TrainedAlone(kept)([architecture])
    pd.testing.assert_frame_equal(before, after)
    assert not epochs and file.stat().st_mtime_ns == written


def test_a_training_that_was_interrupted_goes_on(
    problem: Problem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    architecture, train = problem.space.sample(3), standalone.train_phases

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(standalone, "train_phases", lambda *args, **more: train(*args, **{**more, "on_epoch": stop}))
        TrainedAlone(replace(problem, folder=tmp_path))([architecture])
    network = TrainedAlone(replace(problem, folder=tmp_path)).network(architecture)
    expected = TrainedAlone(problem).network(architecture)
    for ours, theirs in zip(network.state_dict().values(), expected.state_dict().values(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


@pytest.fixture
def made(problem: Problem) -> Callable[..., object]:
    def make(name: str, **options: object) -> object:
        return make_evaluator(name, problem, options, {"batch_size": 64, "calibration_images": 100}, "accuracy")

    return make


def test_its_epochs_are_an_option(made: Callable[..., object], problem: Problem) -> None:
    short, whole = made("standalone", epochs=1), made("standalone")
    assert isinstance(short, TrainedAlone) and isinstance(whole, TrainedAlone)
    assert '"epochs":1,' in short.fidelity and '"epochs":2,' in whole.fidelity
    with pytest.raises(UsageError, match="evaluator 'standalone' has epochs 'two', but"):
        made("standalone", epochs="two")
    with pytest.raises(UsageError, match="evaluator 'standalone' has no option 'batch_size'"):
        made("standalone", batch_size=3)


def test_what_evaluators_say_of_themselves() -> None:
    shared, alone, table = (traits_of(name) for name in ("shared-weights", "standalone", "table"))
    assert shared.needs_supernet and shared.makes_networks and shared.tallies_examples
    assert not alone.needs_supernet and alone.makes_networks and alone.tallies_examples
    assert not (table.needs_supernet or table.makes_networks or table.tallies_examples)


class Odd:
    """Says nonsense of its metrics."""

    metrics = ("accuracy",)

    def __init__(self, problem: Problem) -> None: ...

    def __call__(self, architectures: object) -> None: ...


class Careless:
    """Needs a supernet, and forgets it."""

    needs_supernet = True

    def __init__(self, problem: Problem) -> None: ...

    def __call__(self, architectures: object) -> None: ...


def test_what_cannot_be_told_is_refused(made: Callable[..., object]) -> None:
    with pytest.raises(UsageError, match=r"Odd' has metrics \('accuracy',\); expected a mapping such as"):
        traits_of(f"{__name__}:Odd")
    with pytest.raises(UsageError, match="Careless' needs a supernet, but does not keep it; set"):
        made(f"{__name__}:Careless")
