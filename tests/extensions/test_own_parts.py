"""Method, strategy, target and predictor of a user, through the command, to ONNX and report."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import command
import pytest
from command import candidates, done, tail_of

from nas.cli import main

HERE = Path(__file__).parent
TINY: dict[str, Any] = {
    "space": "chain",
    "space_args": {"layers": [1, 1, 1], "width": 4, "head": 16},
    "data": "digits",
    "limit": 200,
    "candidates": 8,
    "finish": {"networks": 0},
    "random_baseline": 0,
    "profile": {"networks": 6, "samples": 20, "seconds": 0.5, "predictor": "beside_me:Halved"},
    "method": "beside_me:METHOD",
    "strategy": "beside_me:Alphabetical",
    "strategy_args": {"order": "down"},
    "target": "beside_me:Simulated",
    "target_args": {"flops_per_ms": 5e5},
    "constraints": ["latency_ms <= 70% of largest"],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with the user's module in it."""
    shutil.copy(HERE / "own_parts.py", tmp_path / "beside_me.py")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("beside_me", None)


def nas(*arguments: str) -> int:
    """The exit code."""
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)


def search(folder: Path, *more: str) -> int:
    (folder / "run.yaml").write_text(json.dumps(TINY))
    return nas("search", "--config", "run.yaml", "--name", "own", *more)


def result(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "results/own/best.json").read_text())
    return found


def test_parts_of_a_user_go_all_the_way(folder: Path) -> None:
    assert search(folder) == 0
    found = result(folder)
    assert found["method"] == "beside_me:METHOD"
    assert 0 < found["best"]["latency_ms"] <= 0.7 * found["largest"]["latency_ms"]
    assert found["best"]["latency_spread_ms"] == pytest.approx(0, abs=1e-9), "a simulation has no noise"
    assert (folder / "results/own/best.onnx").stat().st_size and (folder / "results/own/report.html").exists()
    ids = [line.split(",")[0] for line in (folder / "results/own/candidates.csv").read_text().splitlines()[1:]]
    assert ids == sorted(ids, reverse=True)
    assert "a chip of 500000 FLOPs a millisecond" in (folder / "results/own/report.html").read_text()
    (folder / "results/own/best.json").unlink()
    assert nas("resume", "own") == 0 and result(folder)["best"] == found["best"]


@pytest.mark.slow
def test_they_end_alike_when_they_were_killed_and_with_two_workers(folder: Path) -> None:
    asked = {**TINY, "strategy_args": {"order": "up"}}
    done(command.search(folder, "whole", asked))
    begun = '"search", "event": "begin"'
    assert command.search(folder, "cut", asked, kill_when=lambda: begun in tail_of(folder, "cut"))[0] < 0
    done(command.nas(folder, "resume", "cut"))
    done(command.search(folder, "two", asked, "--workers", "2"))
    for other in ("cut", "two"):
        assert candidates(folder, other) == candidates(folder, "whole")


def test_a_folder_of_somebody_else_imports_none_of_them(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert search(folder) == 0
    shutil.move(folder / "results/own", folder / "results/theirs")
    (folder / "beside_me.py").write_text("raise SystemExit('it was imported')")
    del sys.modules["beside_me"]
    (folder / "results/theirs/best.json").unlink()
    capsys.readouterr()
    assert nas("resume", "theirs") == 2
    said = capsys.readouterr().err
    for named in ("method 'beside_me:METHOD'", "strategy", "target 'beside_me:Simulated'", "profile.predictor"):
        assert named in said
    assert "beside_me" not in sys.modules


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("method=beside_me:METHD", "method 'beside_me:METHD' is not there: module 'beside_me' has no 'METHD'"),
        (
            "method=beside_me:Smoothed",
            "method 'beside_me:Smoothed' is the class Smoothed, expected a nas.methods.Method",
        ),
        ("strategy_args.order=3", "strategy 'beside_me:Alphabetical' has order 3, but input should be a valid string"),
        ("strategy_args.oder=up", "strategy 'beside_me:Alphabetical' has no option 'oder'; did you mean 'order'?"),
        ("target_args.flops=1", "target 'beside_me:Simulated' has no option 'flops'; known are flops_per_ms."),
        (
            "profile.predictor=beside_me:Simulated",
            "is the class Simulated, expected a class with fit, predict, save and load",
        ),
        ("profile.predictor_args.x=1", "predictor 'beside_me:Halved' has no option 'x'; there is none"),
    ],
)
def test_what_is_wrong_with_them_is_a_sentence(
    change: str, sentence: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert search(folder, "--set", change) == 2
    assert sentence in " ".join(capsys.readouterr().err.split())
    assert not (folder / "results/own").exists()
