"""`nas retrain`: what it prints and what it refuses; the trials themselves are pretended here."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from command_line import Outcome, leftovers, nas

REPORT: dict[str, Any] = {
    "run": "tiny",
    "metric": "accuracy",
    "retrained": {
        "trial": 3,
        "id": "0123456789",
        "start": "fresh",
        "accuracy": 0.75,
        "shared_accuracy": 0.5,
        "test_accuracy": 0.7,
        "before": 0.5,
        "after": 0.75,
        "delivered": True,
        "former": "best-before-1.onnx",
    },
    "trials": [
        {
            "trial": number,
            "id": name,
            "start": "fresh",
            "augmentation": "cutout",
            "distillation": 0.5,
            "learning_rate": 0.0512,
            "weight_decay": 0.00031,
            "epochs": epochs,
            "planned_epochs": 8,
            "accuracy": accuracy,
        }
        for number, name, epochs, accuracy in ((3, "0123456789", 8, 0.75), (1, "abcdef0123", 2, None))
    ],
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the command asks for; nothing is trained."""
    seen: dict[str, Any] = {}

    def pretend(folder: Any, config: Any, **how: Any) -> dict[str, Any]:
        seen.update(how, folder=folder, config=config)
        return REPORT

    monkeypatch.setattr("nas.retraining.retrain_run", pretend)
    return seen


def test_every_trial_is_a_row_and_the_winner_is_told(finished: tuple[Path, Outcome], asked: dict[str, Any]) -> None:
    outcome = nas("retrain", "tiny", "--results", finished[0])
    assert outcome.code == 0, outcome.err
    assert re.search(r"0123456789 +fresh +cutout +50% +0.051 +3.1e-04 +8/8 +75.00%", outcome.out)
    assert re.search(r"abcdef0123 .* 2/8 +failed", outcome.out)
    chosen = (
        "best.onnx holds 0123456789, retrained from fresh weights: it is ahead of the former file by more than one "
        "standard error of their paired difference on the part of the validation split that selects. On the part that "
        "confirms its accuracy is 75.00%, and that of the former file, kept as best-before-1.onnx, is 50.00%; on the "
        "test split it is 70.00%."
    )
    assert chosen in " ".join(outcome.out.split())
    files = [f"  {finished[0] / 'tiny' / name}" for name in ("best.onnx", "report.html", "best.json", "retrained.csv")]
    assert outcome.out.splitlines()[-4:] == files


def test_the_flags_say_what_and_where(finished: tuple[Path, Outcome], asked: dict[str, Any]) -> None:
    flags = ["--top", 3, "--trials", 9, "--epochs", 4, "--seed", 5, "--workers", 2, "--ray", "auto"]
    outcome = nas("retrain", "tiny", *flags, "--gpus-per-worker", 0.5, "--results", finished[0], "--json")
    assert json.loads(outcome.out) == REPORT
    assert {name: asked[name] for name in ("top", "trials", "epochs", "seed")} == {
        "top": 3,
        "trials": 9,
        "epochs": 4,
        "seed": 5,
    }
    config = asked["config"]
    assert (config.workers, config.ray.address, config.ray.gpus_per_worker) == (2, "auto", 0.5)
    assert config.seed == 0, "that of the run"


def test_an_interrupted_command_says_how_to_go_on(
    finished: tuple[Path, Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: Any, **how: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nas.retraining.retrain_run", interrupted)
    outcome = nas("retrain", "tiny", "--results", finished[0])
    assert (outcome.code, outcome.out) == (130, "")
    assert outcome.complaint == "nas: interrupted; the same command continues it."


REFUSED: dict[str, tuple[list[Any], str]] = {
    "no such run": (["tinny"], r"run 'tinny' does not exist in .*; did you mean 'tiny'\?"),
    "no network": (["tiny", "--top", 0], r"Invalid value for '--top'"),
    "no trial": (["tiny", "--trials", 0], r"Invalid value for '--trials'"),
    "no epoch": (["tiny", "--epochs", 0], r"Invalid value for '--epochs'"),
    "no cluster": (["tiny", "--ray", "127.0.0.1:1"], r"ray.address is '127.0.0.1:1', where nothing answers"),
}


@pytest.mark.parametrize(("arguments", "sentence"), REFUSED.values(), ids=REFUSED)
def test_mistakes_get_one_sentence_and_leave_nothing(
    arguments: list[Any], sentence: str, finished: tuple[Path, Outcome]
) -> None:
    outcome = nas("retrain", *arguments, "--results", finished[0])
    assert outcome.code == 2 and outcome.out == ""
    assert re.search(sentence, outcome.complaint), outcome.complaint
    assert not list(finished[0].rglob("retrain*")) and not leftovers(finished[0])
