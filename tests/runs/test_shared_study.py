"""Two searches of one study at once share the work, and one takes over what the other leaves when it is killed."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from killing import CHAIN

import nas.search
from nas.runs import run_search
from nas.search import Objective
from nas.setup import RunFolder, resolve

CANDIDATES = 150
SETTINGS: dict[str, Any] = {
    **CHAIN,
    "space_args": {"layers": [2, 2, 2], "width": 4, "head": 16},
    "strategy": "random",
    "candidates": CANDIDATES,
    "random_baseline": 0,
    "training": {"epochs": 1},
    "study": "shared",
}
OBJECTIVES = [Objective("accuracy", maximise=True), Objective("flops", maximise=False)]


def start(folder: Path, name: str, storage: str) -> subprocess.Popen[str]:
    config = folder / f"{name}.yaml"
    config.write_text(yaml.safe_dump({**SETTINGS, "storage": storage}))
    arguments = ["search", "--config", str(config), "--results", str(folder), "--name", name, "--json"]
    command = [sys.executable, "-c", "from nas.cli import main; main()", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def recorded(storage: str) -> int:
    try:
        with nas.search.Ledger(storage, "shared", OBJECTIVES) as ledger:
            return len(ledger)
    except nas.UsageError:
        return 0


@pytest.mark.slow
def test_of_two_searches_one_is_killed_and_the_other_ends_with_everything_once(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'shared.db'}"
    first, second = start(tmp_path, "first", storage), start(tmp_path, "second", storage)
    while recorded(storage) < 40 and first.poll() is None:
        time.sleep(0.05)
    first.kill()
    first.communicate()
    _, err = second.communicate(timeout=600)
    assert second.returncode == 0, err
    with nas.search.Ledger(storage, "shared", OBJECTIVES) as ledger:
        trials = ledger._study.get_trials()
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * CANDIDATES
    assert len({trial.user_attrs["key"][0] for trial in trials}) == CANDIDATES
    alone = {name: value for name, value in SETTINGS.items() if name != "study"}
    run_search(resolve(alone, "test"), RunFolder(tmp_path / "alone/run"))
    tables = [pd.read_csv(tmp_path / each / "candidates.csv") for each in ("second", "alone/run")]
    columns = ["id", "selection_accuracy", "selection_loss", "flops"]
    pd.testing.assert_frame_equal(*(table[columns] for table in tables))


@pytest.mark.slow
def test_searches_whose_supernets_were_trained_differently_share_nothing(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'shared.db'}"
    settings = {**SETTINGS, "candidates": 10, "limit": 100, "storage": storage}
    columns = ["id", "selection_accuracy", "selection_loss"]
    tables = {}
    for name, epochs, changes in (("one", 1, {}), ("two", 2, {}), ("alone", 2, {"study": None, "storage": None})):
        folder = RunFolder(tmp_path / name)
        run_search(resolve({**settings, "training": {"epochs": epochs}, **changes}, "test"), folder)
        tables[name] = pd.read_csv(folder.candidates)[columns]
    pd.testing.assert_frame_equal(tables["two"], tables["alone"])
    assert not tables["one"]["selection_loss"].equals(tables["two"]["selection_loss"])
