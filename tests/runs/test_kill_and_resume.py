"""A run that is killed at any moment and continued ends where an uninterrupted one does."""

import json
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from killing import outcome, resume, run, search

from nas.hardware import LatencyCache


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def after(seconds: float) -> Callable[[], bool]:
    begin = time.monotonic()
    return lambda: time.monotonic() - begin > seconds


def logged(folder: Path, stage: str, event: str) -> bool:
    """Whether the run's log says so, complete lines only."""
    entries = [json.loads(line) for line in lines(folder / "run/log.jsonl") if line.endswith("}")]
    return any(entry["stage"] == stage and event in (entry.get("event"), str(entry.get("epoch"))) for entry in entries)


def test_killed_in_training_and_in_search(tmp_path: Path) -> None:
    settings = {"training": {"epochs": 4}, "limit": 400, "candidates": 60, "evaluation": {"batch_size": 64}}
    reference, killed = tmp_path / "reference", tmp_path / "killed"
    assert run(search(reference, **settings))
    assert not run(search(killed, **settings), lambda: logged(killed, "train", "1"))
    assert not logged(killed, "train", "end")
    assert not run(resume(killed), lambda: logged(killed, "search", "begin") and evaluated(killed) > 0)
    assert not (killed / "run/candidates.csv").exists()
    assert run(resume(killed))
    assert outcome(killed) == outcome(reference)
    epochs = [json.loads(line).get("epoch") for line in lines(killed / "run/log.jsonl")]
    assert [epoch for epoch in epochs if epoch is not None] == [0, 1, 2, 3]


def evaluated(folder: Path) -> int:
    """Size of the write-ahead log in which candidates arrive, after the tables were made."""
    database, log = folder / "run/study.db", folder / "run/study.db-wal"
    return log.stat().st_size if database.exists() and log.exists() else 0


def test_measurements_before_a_kill_are_kept_and_not_taken_again(tmp_path: Path) -> None:
    settings = {
        "training": {"epochs": 1},
        "limit": 200,
        "candidates": 10,
        "constraints": ["latency_ms <= 99% of largest"],
        "profile": {"networks": 20, "samples": 30, "seconds": 4.0},
    }
    measurements = tmp_path / "run/measurements.jsonl"
    assert not run(search(tmp_path, **settings), lambda: len(lines(measurements)) >= 8)
    content = measurements.read_bytes()
    before = content[: content.rfind(b"\n") + 1]
    assert 8 <= before.count(b"\n") < 20
    measurements.write_bytes(before + b'{"network": "cut o')
    assert run(resume(tmp_path))
    now = measurements.read_bytes()
    assert now.startswith(before)
    assert now.count(b"\n") == 20 == len(LatencyCache(measurements))


def test_what_a_killed_process_left_half_written_goes(tmp_path: Path) -> None:
    settings = {"training": {"epochs": 1}, "limit": 200, "candidates": 5}
    folder = tmp_path / "run"
    (folder / "checkpoints").mkdir(parents=True)
    left = [folder / ".config.yaml.77.tmp", folder / "checkpoints/.supernet.safetensors.77.tmp"]
    for file in left:
        file.write_bytes(b"half")
    assert run(search(tmp_path, **settings)), "a folder with nothing finished in it is not another's"
    assert not any(file.exists() for file in left)


@pytest.mark.slow
def test_killed_ten_times_anywhere(tmp_path: Path) -> None:
    settings = {"training": {"epochs": 30}, "candidates": 200, "random_baseline": 30}
    reference, killed = tmp_path / "reference", tmp_path / "killed"
    begin = time.monotonic()
    assert run(search(reference, **settings))
    duration = time.monotonic() - begin
    start_up = 5.0
    rng = random.Random(1)
    arguments, kills = search(killed, **settings), 0
    while kills < 10:
        moment = start_up + rng.uniform(0.0, duration - start_up) / 3
        if run(arguments, after(moment)):
            break
        kills += 1
        arguments = resume(killed) if (killed / "run/config.yaml").exists() else arguments
    assert kills >= 5, f"only {kills} kills of a run of {duration:.0f} s"
    assert run(arguments)
    assert outcome(killed) == outcome(reference)
    assert not [path for path in killed.rglob(".*.tmp")]
