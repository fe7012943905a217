"""Runs of methods that learn an architecture: what is derived is evaluated, exported and reported like any other."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from killing import finish, outcome
from torch import nn

import nas
from nas.errors import UsageError
from nas.latency.budget import run_budget
from nas.problem import ExpectedBudget
from nas.runs import export_architecture
from nas.setup import RunFolder, Setup, resolve
from nas.training import RelaxedStep

CELLS: dict[str, Any] = {
    "space": "nasbench201",
    "space_args": {"width": 4, "cells": 1},
    "data": "digits",
    "limit": 120,
    "random_baseline": 0,
    "training": {"epochs": 2, "batch_size": 16},
    "retraining": {"epochs": 1},
    "learning": {"tune_epochs": 1},
}


LAYERS = {"space": "chain", "space_args": {"layers": [1, 1, 1], "width": 4, "head": 16}}


def settings(method: str, **others: Any) -> dict[str, Any]:
    return {**CELLS, "method": method, **others}


def test_the_derived_architecture_is_the_result(tmp_path: Path) -> None:
    finish(tmp_path, settings("darts", **LAYERS))
    folder = RunFolder(tmp_path / "run")
    best, derived = json.loads(folder.best.read_text()), json.loads(folder.derived.read_text())
    assert best["best"]["architecture"] == derived and len(best["front"]) == 1
    epochs = [line for line in map(json.loads, folder.log_file.read_text().splitlines()) if "architecture" in line]
    assert [epoch["epoch"] for epoch in epochs] == [0, 1]
    assert epochs[-1]["architecture"]["derived"] == derived
    assert set(epochs[-1]["architecture"]["probabilities"]) == set(derived)
    assert folder.onnx.exists() and "Architecture parameters" in folder.report.read_text()


def test_more_candidates_come_from_the_learnt_probabilities(tmp_path: Path) -> None:
    constraint = "flops <= 60% of largest"
    finish(tmp_path, settings("gdas", candidates=6, constraints=[constraint], **LAYERS))
    rows = (tmp_path / "run/candidates.csv").read_text().splitlines()
    assert len(rows) == 1 + 6


@pytest.mark.slow
def test_a_collapsed_architecture_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    setup = Setup(resolve(settings("darts"), "test"))
    skips = setup.space.architecture(dict.fromkeys(setup.space.choices, "skip_connect"))
    monkeypatch.setattr(RelaxedStep, "derived", property(lambda step: skips))
    finish(tmp_path, settings("darts"))
    (note,) = json.loads((tmp_path / "run/best.json").read_text())["notes"]
    assert note.startswith("The derived architecture has collapsed") and "6 of 6 skip_connect" in note
    assert note in (tmp_path / "run/report.html").read_text()


@pytest.mark.slow
def test_perturbation_continues_after_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after each epoch of the search and of the rounds of decisions."""
    reference, killed = tmp_path / "reference", tmp_path / "killed"
    finish(reference, settings("darts-pt", **LAYERS))
    epochs = list(map(json.loads, (reference / "run/log.jsonl").read_text().splitlines()))
    assert [line["phase"] for line in epochs if "phase" in line] == ["search"] * 2 + ["decisions"] * 3
    log, kills = RunFolder.log, []

    def log_and_die(self: RunFolder, stage: str, **values: Any) -> None:
        log(self, stage, **values)
        if stage == "train" and values.get("epoch", 5) not in (*kills, 5):
            kills.append(values["epoch"])
            raise KeyboardInterrupt

    monkeypatch.setattr(RunFolder, "log", log_and_die)
    for _ in range(5):
        with pytest.raises(KeyboardInterrupt):
            finish(killed, settings("darts-pt", **LAYERS))
    finish(killed, settings("darts-pt", **LAYERS))
    assert kills == list(range(5))
    assert outcome(killed) == outcome(reference)


@pytest.mark.slow
def test_a_supernet_that_was_tuned_is_tuned_when_a_run_goes_on(tmp_path: Path) -> None:
    given = settings("darts-pt", retrain="no", candidates=3, cost="flops", **LAYERS)
    finish(tmp_path, given)
    folder, before = RunFolder(tmp_path / "run"), outcome(tmp_path)
    for file in (folder.best, folder.study, folder.candidates, folder.finalists):
        file.unlink()
    finish(tmp_path, given)
    assert outcome(tmp_path) == before
    best = json.loads(folder.best.read_text())["best"]
    assert export_architecture(folder, best["id"], None)["accuracy"] == best["accuracy"]


def test_the_accuracy_of_a_relaxed_supernet_is_one_number_and_leaves_no_trace() -> None:
    setup = Setup(resolve(settings("darts-pt", space="toy_cell", space_args={"dropout": 0.5}), "test"))
    phase = setup.phases()[1]
    (decisions,) = phase.listeners
    before = {name: value.clone() for name, value in phase.step.model.state_dict().items()}
    assert len({decisions._score({}) for _ in range(5)}) == 1  # type: ignore[attr-defined]
    assert all(torch.equal(before[name], value) for name, value in phase.step.model.state_dict().items())


def test_the_searched_model_may_be_another_than_the_delivered_one() -> None:
    setup = Setup(resolve(settings("pc-darts", space_args={"width": 8}), "test"))
    assert setup.searched is not setup.supernet and setup.searched.space.fingerprint == setup.space.fingerprint
    searched, delivered = (sum(p.numel() for p in net.parameters()) for net in (setup.searched, setup.supernet))
    assert searched < delivered
    setup = Setup(resolve(settings("darts", search_args={"cells": 2}), "test"))
    assert len(setup.searched.model) > len(setup.supernet.model)  # type: ignore[arg-type]


def two_layers(input_shape: tuple[int, int, int], classes: int, hidden: int = 40, third: bool = False) -> nn.Module:
    """Which candidate has more parameters depends on a size; so does, with ``third``, which there are."""
    inputs = input_shape[0] * input_shape[1] * input_shape[2]
    deep = nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, classes))
    more = {"more": nn.Linear(inputs, classes, bias=False)} if third else {}
    return nn.Sequential(nn.Flatten(), nas.nn.OneOf({"deep": deep, "shallow": nn.Linear(inputs, classes), **more}))


OWN = f"{__name__}:two_layers"


def test_an_architecture_is_the_largest_in_the_searched_and_in_the_delivered_model() -> None:
    setup = Setup(resolve(settings("darts", space=OWN, space_args={}, search_args={"hidden": 2}), "test"))
    kinds = setup.searched.model.get_submodule("1")
    deep, shallow = (sum(p.numel() for p in kinds.get_submodule(name).parameters()) for name in ("deep", "shallow"))
    assert deep < shallow, "by itself the searched model would be ordered the other way"
    assert setup.supernet.space.largest()["1"] == setup.searched.space.largest()["1"] == "deep"
    assert setup.supernet.space.order == setup.searched.space.order
    assert setup.searched.architecture == setup.searched.space.largest()


def test_search_args_that_change_the_choices_are_refused() -> None:
    with pytest.raises(
        UsageError,
        match=r"with search_args \{'third': True\} of space '.*two_layers': the model has other choices than the "
        r"supernet whose order of candidates it takes; only sizes may differ",
    ):
        Setup(resolve(settings("darts", space=OWN, space_args={}, search_args={"third": True}), "test"))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (settings("bignas", strategy="derived"), "strategy 'derived' .* method 'bignas' learns no architecture"),
        (
            settings("darts", retrain="no", search_args={"cells": 2}),
            "retrain is 'no', but the supernet that is searched",
        ),
        (settings("darts", strategy_args={"mutation": 1}), "'derived' has no option 'mutation'; known are patience"),
        (settings("darts", search_args={"width": 6, "sells": 2}), "space 'nasbench201' has no option 'sells'"),
    ],
)
def test_what_does_not_fit_together_is_refused(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        Setup(resolve(given, "test"))


def test_partial_channels_need_a_space_that_has_them(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"method .pc-darts. .* no nas\.nn\.PartialChannels"):
        finish(tmp_path, settings("pc-darts", space="chain", space_args={}))


def test_the_budget_of_a_run_is_its_constraint() -> None:
    given = settings("proxyless", constraints=["flops <= 50% of largest", "accuracy >= 0.1"])
    setup = Setup(resolve(given, "test"))
    budget = run_budget(setup, None)
    largest = setup.space.largest()
    one_hot = {
        name: torch.eye(len(candidates))[candidates.index(largest[name])]
        for name, candidates in setup.space.choices.items()
    }
    flops = setup.costs(largest)["flops"]
    assert isinstance(budget, ExpectedBudget)
    assert budget.bound == pytest.approx(0.5 * flops)
    assert float(budget.expected(one_hot)) == pytest.approx(flops, rel=1e-5)
    with pytest.raises(UsageError, match="peak_memory_bytes does not add up over blocks"):
        run_budget(Setup(resolve({**given, "constraints": ["peak_memory_bytes <= 50% of largest"]}, "test")), None)


def test_half_of_the_images_teach_the_architecture() -> None:
    setup = Setup(resolve(settings("darts"), "test"))
    weights, architecture = setup.problem.bilevel
    assert architecture is not None
    assert len(weights) + len(architecture) == len(setup.data.train)
    assert len(setup.phases()[0].data) == len(weights)
    weights, architecture = Setup(resolve(settings("dropnas"), "test")).problem.bilevel
    assert architecture is None and len(weights) == len(setup.data.train)
