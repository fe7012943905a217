"""A run does not deliver a network that is not the one it evaluated."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from killing import finish
from torch import nn

import nas
from nas.delivery import checks as delivery_checks
from nas.runs import run
from nas.supernet import supernet as supernets

SETTINGS: dict[str, Any] = {
    "space": "chain",
    "space_args": {"layers": [1, 1], "width": 4, "head": 16},
    "data": "digits",
    "limit": 60,
    "candidates": 4,
    "random_baseline": 0,
    "constraints": ["flops <= 100% of largest"],
    "training": {"epochs": 1, "batch_size": 16},
    "finish": {"networks": 0},
}


def test_a_network_that_differs_ends_the_run_before_anything_is_delivered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = supernets.extract

    def careless(model: nn.Module, values: Mapping[Any, Any]) -> nn.Module:
        network = exact(model, values)
        with torch.no_grad():
            next(network.parameters()).mul_(2)
        return network

    monkeypatch.setattr(supernets, "extract", careless)
    with pytest.raises(nas.UsageError, match=r"'stem\.0' \(Conv2d\) does not compute in the extracted network"):
        finish(tmp_path, SETTINGS)
    assert not (tmp_path / "run/best.onnx").exists()
    assert not (tmp_path / "run/best.json").exists()


def noted(check: Callable[..., None], found: list[nas.Architecture]) -> Callable[..., None]:
    def noting(judge: Any, architecture: nas.Architecture, *inputs: Any) -> None:
        found.append(architecture)
        check(judge, architecture, *inputs)

    return noting


def test_the_finalists_and_the_largest_network_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: dict[str, list[nas.Architecture]] = {"check_extraction": [], "check_verdict": []}
    for name, found in checked.items():
        monkeypatch.setattr(delivery_checks, name, noted(getattr(delivery_checks, name), found))
    finish(tmp_path, SETTINGS)
    assert checked["check_extraction"] == checked["check_verdict"]
    assert len(checked["check_verdict"]) >= 2
    assert (tmp_path / "run/best.onnx").exists()


def test_the_delivered_network_is_checked_wherever_it_is_on_the_front(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[nas.Architecture] = []
    monkeypatch.setattr(delivery_checks, "check_extraction", noted(delivery_checks.check_extraction, checked))
    monkeypatch.setattr(run, "_MOST_CHECKED", 1)
    settings = {**SETTINGS, "candidates": 12, "evaluation": {"equal_within": 100.0}}
    finish(tmp_path, settings)
    result = json.loads((tmp_path / "run/best.json").read_text())
    assert len(result["front"]) > 1 and result["best"]["id"] == result["front"][-1]["id"]
    assert [each.id for each in checked] == [result["best"]["id"], result["largest"]["id"]]


class Centre(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x - x.mean(0, keepdim=True)


class TwoHeads(nn.Module):
    """Gives what a second head says too, in training."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.beside = nn.Linear(256, 10), nn.Linear(256, 10)

    def forward(self, x: torch.Tensor) -> Any:
        x = x.flatten(1)
        return (self.head(x), self.beside(x)) if self.training else self.head(x)


class Remembers(nn.Module):
    """The largest value of training, where no checkpoint finds it."""

    largest = 1.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.largest = max(self.largest, 10 * x.abs().max().item())
        return x / self.largest


@pytest.mark.parametrize(
    ("rest", "sentence"),
    [
        ([Centre(), nn.Flatten(), nn.Linear(256, 10)], r"'1' \(Centre\) gives an example something else beside others"),
        ([TwoHeads()], r"'mine:model' gives a tuple in training mode; return outputs of shape \[10\] there too"),
        ([Remembers(), nn.Flatten(), nn.Linear(256, 10)], r"'1' \(Remembers\) remembers of training what is in no par"),
    ],
    ids=["of a batch", "two heads", "memory"],
)
def test_a_model_that_cannot_be_judged_ends_the_run_before_anything_is_done(
    rest: list[nn.Module], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = nas.Choice([1, 3])
    model = nn.Sequential(nas.nn.Conv2d(1, 4, kernel, padding=kernel // 2), *rest)
    monkeypatch.setattr("nas.parts.import_object", lambda name, role: lambda: model)
    with pytest.raises(nas.UsageError, match=sentence):
        finish(tmp_path, {**SETTINGS, "space": "mine:model", "space_args": {}})
    assert not (tmp_path / "run").exists()


def test_what_is_delivered_answers_for_each_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[nn.Module] = []
    monkeypatch.setattr(delivery_checks, "check_inference", lambda network, x: checked.append(network))
    finish(tmp_path, {**SETTINGS, "candidates": 1})
    assert len(checked) >= 3
