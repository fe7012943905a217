"""A run that is killed at any moment and continued ends where an uninterrupted one does."""

import json
import random
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from killing import CHAIN, MOBILENET, finish, outcome, resume, run, search

from nas.hardware import LatencyCache
from nas.search import Entry, Ledger


def lines(file: Path) -> list[str]:
    """The complete lines of a file that may not be there yet."""
    content = file.read_text() if file.exists() else ""
    return content[: content.rfind("\n") + 1].splitlines()


def logged(folder: Path, stage: str, **wanted: Any) -> bool:
    """Whether the run's log holds such an entry."""
    entries = (json.loads(line) for line in lines(folder / "run/log.jsonl"))
    return any({**entry, **wanted, "stage": stage} == entry for entry in entries)


def entries(folder: Path) -> list[str]:
    """The stages of the entries of the run's log."""
    return [json.loads(line)["stage"] for line in lines(folder / "run/log.jsonl")]


def within(folder: Path, stage: str, seconds: float) -> Callable[[], bool]:
    """Whether so many seconds have passed since the log got another entry of a stage."""
    before, reached = entries(folder).count(stage), list[float]()

    def is_over() -> bool:
        if not reached and entries(folder).count(stage) > before:
            reached.append(time.monotonic())
        return bool(reached) and time.monotonic() - reached[0] > seconds

    return is_over


def test_killed_in_training_and_in_search(tmp_path: Path) -> None:
    reference, killed = tmp_path / "reference", tmp_path / "killed"
    finish(reference, CHAIN)
    assert not run(search(killed, CHAIN), lambda: logged(killed, "train", epoch=1))
    assert not logged(killed, "train", event="end")
    assert not run(resume(killed), lambda: logged(killed, "search", event="begin"))
    assert not (killed / "run/candidates.csv").exists()
    finish(killed, CHAIN)
    assert outcome(killed) == outcome(reference)
    epochs = [json.loads(line).get("epoch") for line in lines(killed / "run/log.jsonl")]
    assert [epoch for epoch in epochs if epoch is not None] == list(range(6))


class KilledError(Exception):
    """Stands for a kill between two candidates."""


@pytest.mark.slow
def test_killed_between_two_candidates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reference, killed = tmp_path / "reference", tmp_path / "killed"
    settings = {**CHAIN, "training": {"epochs": 1}}
    finish(reference, settings)
    extend = Ledger.extend
    added: list[Any] = []

    def extend_at_most(number: int) -> Callable[..., None]:
        def extend_and_count(ledger: Ledger, entries: Iterable[Entry]) -> None:
            for entry in entries:
                if len(added) == number:
                    raise KilledError
                added.append(entry.key)
                extend(ledger, [entry])

        return extend_and_count

    monkeypatch.setattr(Ledger, "extend", extend_at_most(7))
    with pytest.raises(KilledError):
        finish(killed, settings)
    added.clear()
    monkeypatch.setattr(Ledger, "extend", extend_at_most(100))
    finish(killed, settings)
    assert outcome(killed) == outcome(reference)
    assert 15 - 7 <= len(added) <= 15 - 7 + 3


def test_measurements_before_a_kill_are_kept_and_not_taken_again(tmp_path: Path) -> None:
    settings = {**CHAIN, "constraints": ["latency_ms <= 99% of largest"], "training": {"epochs": 1}}
    measurements = tmp_path / "run/measurements.jsonl"
    total = 19 + 8 + 8  # of 27 architectures 8 are held out, and measured twice
    assert not run(search(tmp_path, settings), lambda: len(lines(measurements)) >= 8)
    content = measurements.read_bytes()
    before = content[: content.rfind(b"\n") + 1]
    assert 8 <= before.count(b"\n") < total
    measurements.write_bytes(before + b'{"network": "cut o')
    finish(tmp_path, settings)
    now = measurements.read_bytes()
    assert now.startswith(before)
    assert now.count(b"\n") == total == len(LatencyCache(measurements))


@pytest.mark.slow
def test_killed_ten_times_anywhere(tmp_path: Path) -> None:
    reference, killed = tmp_path / "reference", tmp_path / "killed"
    assert run(search(reference, MOBILENET))
    rng = random.Random(1)
    arguments, stages = search(killed, MOBILENET), []
    for stage in ("train", "train", "train", "search", "search", "search", "baseline", "measure", "export", "export"):
        if run(arguments, within(killed, stage, rng.uniform(0, 1.5))):
            break
        stages.append(entries(killed)[-1])
        arguments = resume(killed)
    assert len(stages) >= 8 and set(stages) >= {"train", "search", "export"}, f"killed in {stages}"
    assert run(arguments)
    assert outcome(killed) == outcome(reference)
    assert not list(killed.rglob(".*.tmp"))
