"""Searches that share the supernet that one of them trained."""

from pathlib import Path
from typing import Any

import pytest
from killing import CHAIN, finish

from nas.errors import UsageError
from nas.runs import run_search, run_sweep, swept
from nas.setup import RunFolder, Setup, on_supernet_of, resolve
from nas.training import load_checkpoint

FIRST: dict[str, Any] = {
    **CHAIN,
    "candidates": 10,
    "random_baseline": 0,
    "training": {"epochs": 3},
    "finish": {"networks": 2, "epochs": 2},
}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    there = tmp_path_factory.mktemp("first")
    finish(there, FIRST)
    return RunFolder(there / "run")


def test_another_constraint_and_seed_search_the_same_weights(first: RunFolder, tmp_path: Path) -> None:
    asked = {"constraints": ["flops <= 60% of largest"], "seed": 7, "strategy": "random"}
    config = resolve(on_supernet_of(first, asked), "test")
    result = run_search(config, RunFolder(tmp_path / "second"))
    (before, _), (after, header) = (load_checkpoint(each.supernet) for each in (first, RunFolder(tmp_path / "second")))
    assert all((before[name] == after[name]).all() for name in before)
    assert header["seed"] == first.load_config().seed
    assert result["best"]["flops"] <= 0.6 * result["largest"]["flops"]
    assert any("was trained on networks near" in note for note in result["notes"])
    assert "finish" not in result["selection"]
    assert result["largest"]["test_accuracy"] is None, "it was not trained"


def test_data_are_those_that_the_supernet_was_trained_with(first: RunFolder) -> None:
    config = resolve(on_supernet_of(first, {"seed": 7}), "test")
    before, after = Setup(first.load_config()), Setup(config)
    assert (before.data.validation.labels == after.data.validation.labels).all()  # type: ignore[attr-defined]
    other = Setup(resolve({**FIRST, "seed": 7}, "test"))
    assert (before.data.validation.labels != other.data.validation.labels).any()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"space": "mobilenet"}, "space='chain', not 'mobilenet'"),
        ({"training": {"epochs": 9}}, "training.epochs=3, not 9"),
        ({"method": "spos"}, "method='bignas', not 'spos'"),
        ({"space_args": {"width": 8}}, "space_args.width=4, not 8"),
    ],
)
def test_another_supernet_cannot_be_asked_for(first: RunFolder, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        on_supernet_of(first, asked)


def test_what_is_the_same_may_be_said_again(first: RunFolder) -> None:
    values = on_supernet_of(first, {"space": "chain", "training": {"epochs": 3}, "candidates": 4})
    assert resolve(values, "test").candidates == 4
    assert resolve(on_supernet_of(first, {}), "test").candidates == 8, "a quarter, but no fewer than eight"


def test_a_run_without_a_supernet_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        on_supernet_of(RunFolder(tmp_path / "nowhere"), {})


def test_a_sweep_trains_once_and_answers_each(tmp_path: Path) -> None:
    config = resolve({**FIRST, "constraints": []}, "test")
    constraints = swept("flops <= 50,90% of largest")
    report = run_sweep(config, constraints, tmp_path, "many")
    folders = [RunFolder(tmp_path / "many-flops-50"), RunFolder(tmp_path / "many-flops-90")]
    assert [run["run"] for run in report["runs"]] == [folder.name for folder in folders]
    assert folders[0].supernet.read_bytes() == folders[1].supernet.read_bytes()
    for folder, share in zip(folders, (0.5, 0.9), strict=True):
        assert folder.result["best"]["flops"] <= share * folder.result["largest"]["flops"]
        assert not any("was trained on networks near" in note for note in folder.result["notes"])
    trained = Setup(folders[0].load_config())
    assert trained.config.train_for == ["flops <= 90% of largest"]


@pytest.mark.parametrize("text", ["flops", "flops <= 5", "flops = 1,2", "flops <= 1,x"])
def test_what_is_no_sweep_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"constraint"):
        swept(text)
