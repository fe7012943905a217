"""A profile that is killed and begun again under its name measures the same networks, each once."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from killing import CHAIN, run

from nas.hardware import LatencyCache
from nas.latency import fitting, measuring as session, run_profile
from nas.setup import RunFolder, resolve

SETTINGS = {
    **CHAIN,
    "constraints": ["latency_ms <= 90% of largest"],
    "profile": {"networks": 12, "held_out": 6, "repeats": 3, "samples": 100, "seconds": 1.5},
}
NAMES = 6 + 12 + 3


def profile(folder: Path) -> list[str]:
    """The arguments of a profile called ``run`` in this results folder."""
    config = folder / "given.yaml"
    config.write_text(yaml.safe_dump(SETTINGS))
    return ["profile", "--config", str(config), "--results", str(folder), "--name", "run", "--json"]


def lines(folder: Path) -> list[str]:
    file = folder / "run/measurements.jsonl"
    return file.read_text().splitlines(keepends=True) if file.exists() else []


def networks(folder: Path) -> list[Any]:
    return [json.loads(line)["network"] for line in lines(folder)]


@pytest.mark.slow
def test_killed_while_it_measures(tmp_path: Path) -> None:
    assert not run(profile(tmp_path), lambda: len(lines(tmp_path)) >= 5)
    before = [line for line in lines(tmp_path) if line.endswith("\n")]
    assert 5 <= len(before) < NAMES
    assert not (tmp_path / "run/profile.json").exists() and not (tmp_path / "run/latency/summary.json").exists()
    config = resolve(SETTINGS, "test")
    report = run_profile(config, RunFolder(tmp_path / "run"))
    assert lines(tmp_path)[: len(before)] == before, "what was measured is kept"
    assert len(networks(tmp_path)) == len(set(networks(tmp_path))) == NAMES
    (tmp_path / "whole").mkdir()
    run_profile(config, RunFolder(tmp_path / "whole/run"))
    assert networks(tmp_path / "whole") == networks(tmp_path)
    assert report["predictor"]["samples"] == 12
    assert json.loads((tmp_path / "run/profile.json").read_text()) == report


class KilledError(Exception):
    """Stands for a kill."""


@pytest.mark.whole
@pytest.mark.parametrize("place", ["ArchitecturePredictor.save", "write_file"])
def test_killed_while_the_predictor_is_written(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The predictor is there when its last file is, so a part of it is made again, without measuring."""
    folder, config = RunFolder(tmp_path / "run"), resolve(SETTINGS, "test")

    def killed(*arguments: Any) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(f"nas.latency.model.{place}", killed)
        with pytest.raises(KilledError):
            run_profile(config, folder)
    before = folder.measurements.read_bytes()
    report = run_profile(config, folder)
    assert folder.measurements.read_bytes() == before
    assert len(LatencyCache(folder.measurements)) == NAMES
    assert run_profile(config, folder) == report, "a finished profile tells the same again"


@pytest.mark.whole
def test_a_finished_profile_is_not_fitted_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, config = RunFolder(tmp_path / "run"), resolve(SETTINGS, "test")
    report = run_profile(config, folder)

    def refused(*arguments: Any) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr(fitting, "take_samples", refused)
    monkeypatch.setattr(session, "measure_networks", refused)
    assert run_profile(config, folder) == report
