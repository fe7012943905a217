"""Runs of methods that share less: each ends in an ONNX file, killed or not, with the same answer."""

import json
from pathlib import Path
from typing import Any

import pytest
from killing import finish, outcome, resume, run, search

import nas
from nas.setup import RunFolder, Setup, resolve

METHODS: dict[str, dict[str, Any]] = {
    "balanced-mixture": {"space": "resnet_pooling", "space_args": {"blocks": 4, "widths": [4, 6, 8]}},
    "few-shot": {"space": "chain", "space_args": {"layers": [1, 1, 1], "width": 4, "head": 16}},
    "gradient-matching": {"space": "chain", "space_args": {"layers": [1, 1, 1], "width": 4, "head": 16}},
    "layer-tying": {
        "space": "mobilenet",
        "space_args": {"widths": [8, 8], "strides": [1, 1], "depths": [1, 2], "stem": 8, "head": 16},
    },
    "mixture-of-supernets": {
        "space": "transformer_lm",
        "space_args": {"widths": [16, 24], "depths": [1, 2], "heads": [1, 2], "ratios": [1, 2]},
        "data": "text",
        "length": 16,
    },
}

WORDS = [
    "the",
    "quick",
    "brown",
    "fox",
    "jumps",
    "over",
    "a",
    "lazy",
    "dog,",
    "and",
    "the",
    "dog",
    "turns",
    "round;",
    "",
]


def settings(method: str, folder: Path) -> dict[str, Any]:
    """A run of seconds; the text that it may need is written into the folder."""
    values = {
        "data": "digits",
        "limit": 120,
        "method": method,
        "candidates": 8,
        "random_baseline": 0,
        "constraints": ["params <= 90% of largest"] if method == "layer-tying" else ["flops <= 100% of largest"],
        "training": {"epochs": 3, "batch_size": 16},
        "retraining": {"epochs": 1},
        **METHODS[method],
    }
    if values["data"] == "text":
        text = folder / "text"
        text.mkdir(parents=True, exist_ok=True)
        order = [(7 * number * number + 3 * number) % len(WORDS) for number in range(2_000)]
        (text / "input.txt").write_text(" ".join(WORDS[position] for position in order))
        values["data_dir"] = str(text)
    return values


class KilledError(Exception):
    """Stands for a kill between two epochs."""


def kill_after(epoch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    log = RunFolder.log

    def log_and_die(folder: RunFolder, stage: str, **entry: Any) -> None:
        log(folder, stage, **entry)
        if stage == "train" and entry.get("epoch") == epoch:
            raise KilledError

    monkeypatch.setattr(RunFolder, "log", log_and_die)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["balanced-mixture", pytest.param("mixture-of-supernets", marks=pytest.mark.slow)])
def test_a_run_killed_in_training_ends_as_an_uninterrupted_one(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values, reference, killed = settings(method, tmp_path), tmp_path / "reference", tmp_path / "killed"
    finish(reference, values)
    with monkeypatch.context() as patch:
        kill_after(1, patch)
        with pytest.raises(KilledError):
            finish(killed, values)
    finish(killed, values)
    assert outcome(killed) == outcome(reference)
    assert (killed / "run/best.onnx").exists()


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_a_run_killed_by_the_system_ends_as_an_uninterrupted_one(method: str, tmp_path: Path) -> None:
    values, reference, killed = settings(method, tmp_path), tmp_path / "reference", tmp_path / "killed"
    log = killed / "run/log.jsonl"
    assert run(search(reference, values))
    for wanted in ('"epoch": 0', '"epoch": 1', '"stage": "search", "event": "begin"'):
        arguments = resume(killed) if log.exists() else search(killed, values)
        assert not run(arguments, lambda wanted=wanted: log.exists() and wanted in log.read_text())
    assert run(resume(killed))
    assert outcome(killed) == outcome(reference)


def test_the_result_tells_what_the_banks_hold(tmp_path: Path) -> None:
    values = settings("balanced-mixture", tmp_path)
    finish(tmp_path, {**values, "sharing_args": {"models": 2}})
    result = json.loads((tmp_path / "run/best.json").read_text())
    sharing = result["sharing"]
    model = Setup(resolve(values, "test")).searched.model
    one = sum(parameter.numel() for parameter in model.parameters())
    assert sharing["scheme"] == "balanced-mixture"
    assert sharing["banks"] == 2
    assert sharing["parameters"] == 2 * one
    assert sharing["bytes"] > 8 * one
    log = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    (became,) = (line["mixture"] for line in log if "mixture" in line)
    said = f"had {became['own_share']:.0%} of their steps in their final bank (chance 50%)"
    assert sum(said in sentence for sentence in result["notes"]) == 1
    assert said in (tmp_path / "run/report.html").read_text()


def test_the_result_tells_what_became_of_experts(tmp_path: Path) -> None:
    finish(tmp_path, {**settings("mixture-of-supernets", tmp_path), "finish": {"networks": 0}})
    log = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    (routing,) = (line["routing"] for line in log if "routing" in line)
    said = f"Experts: gates of two architectures differ in {routing['gates']:.1%} of their weight"
    assert sum(said in note for note in json.loads((tmp_path / "run/best.json").read_text())["notes"]) == 1
    assert said in (tmp_path / "run/report.html").read_text()


@pytest.mark.parametrize(
    ("method", "options", "sentence"),
    [
        ("balanced-mixture", {"model": 2}, "sharing_args has no option 'model'; did you mean 'models'"),
        ("balanced-mixture", {"models": "two"}, "sharing_args has models 'two', but input should be a valid integer"),
        ("balanced-mixture", {"models": 0}, "models=0"),
        ("spos", {"models": 2}, "sharing_args has no option 'models'"),
    ],
)
def test_options_that_a_scheme_does_not_have_are_refused(
    method: str, options: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    values = {"space": "chain", "method": method, "sharing_args": options}
    with pytest.raises(nas.UsageError) as caught:
        finish(tmp_path, values)
    assert sentence in str(caught.value)
    assert not (tmp_path / "run").exists()
