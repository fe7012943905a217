"""The same run on several workers: the same candidates with the same numbers, killed or not."""

import json
from pathlib import Path
from typing import Any

import pytest
from killing import CHAIN, outcome, resume, run, search

from nas.runs import run_search
from nas.setup import RunFolder, resolve

RANDOM: dict[str, Any] = {**CHAIN, "strategy": "random", "candidates": 40, "training": {"epochs": 2}}


def test_a_run_on_two_workers_finds_what_one_process_finds(tmp_path: Path) -> None:
    """On a Ray that it starts for itself, as a run does that is given no address."""
    (tmp_path / "a").mkdir()
    run_search(resolve(RANDOM, "test"), RunFolder(tmp_path / "a/run"))
    run_search(resolve({**RANDOM, "workers": 2}, "test"), RunFolder(tmp_path / "b/run"))
    assert outcome(tmp_path / "b") == outcome(tmp_path / "a")


@pytest.mark.slow
def test_a_run_on_three_workers_that_is_killed_goes_on_with_two_and_then_alone(tmp_path: Path) -> None:
    settings = {**RANDOM, "space_args": {"layers": [2, 2, 2], "width": 4, "head": 16}, "candidates": 200}
    run_search(resolve(settings, "test"), RunFolder(tmp_path / "a/run"))
    folder = tmp_path / "b"

    def searched(lines: int) -> bool:
        import sqlite3

        study = folder / "run/study.db"
        if not study.exists():
            return False
        try:
            with sqlite3.connect(f"file:{study}?mode=ro", uri=True) as connection:
                return connection.execute("select count(*) from trials").fetchone()[0] >= lines
        except sqlite3.OperationalError:
            return False

    assert not run([*search(folder, settings), "--workers", "3"], lambda: searched(20))
    assert not run([*resume(folder), "--workers", "2"], lambda: searched(90))
    assert run([*resume(folder), "--workers", "1"])
    assert outcome(folder) == outcome(tmp_path / "a")


def test_the_origin_of_a_run_tells_the_version_of_ray(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create(resolve(CHAIN, "test"))
    assert json.loads(folder.origin.read_text())["versions"]["ray"][0].isdigit()
