"""A run that is given a time plans, keeps to its plan, and ends with what it has when it must."""

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from interrupting import Interrupting
from killing import CHAIN

from nas.errors import UsageError
from nas.runs import run_search
from nas.runs.plan import Plan, deadline_of
from nas.setup import RunFolder, resolve
from nas.setup.deadline import Deadline, Timetable
from nas.training import read_header

TIMED: dict[str, Any] = {
    key: value for key, value in CHAIN.items() if key not in ("candidates", "random_baseline", "finish")
}
TIMED |= {"training": {}, "cpu_time": 12}


@pytest.fixture(scope="module")
def timed(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = RunFolder(tmp_path_factory.mktemp("timed") / "run")
    run_search(resolve(TIMED, "test"), folder)
    return folder


def test_the_plan_is_kept_in_the_configuration(timed: RunFolder) -> None:
    plan = Plan.read(timed)
    kept = yaml.safe_load(timed.config.read_text())
    assert kept["unplanned"] == []
    assert kept["cpu_time"] == 12
    for key, value in plan.settings.items():
        group, _, name = key.rpartition(".")
        assert (kept[group] if group else kept)[name] == value
    assert kept["training"]["epochs"] >= len(read_header(timed.supernet)["history"]) >= 1


@pytest.mark.slow
def test_a_method_of_several_phases_has_epochs_for_them(tmp_path: Path) -> None:
    space = {"widths": [8, 16], "strides": [1, 2], "depths": [1, 2], "stem": 8, "head": 16}
    folder = RunFolder(tmp_path / "run")
    run_search(resolve({**TIMED, "method": "ofa", "space": "mobilenet", "space_args": space}, "test"), folder)
    assert folder.load_config().training.epochs >= 12
    phases = [epoch["phase"] for epoch in read_header(folder.supernet)["history"]]
    assert list(dict.fromkeys(phases))[:2] == ["largest", "kernel"]


def test_stages_are_counted_by_the_clock_of_the_time_given(tmp_path: Path) -> None:
    now = [0.0]
    origin = RunFolder(tmp_path).started
    origin.path.write_text(json.dumps({"seconds": {}}))
    origin.clock = lambda: now[0]
    with origin.timed("train"):
        now[0] = 12.5
    assert origin.read("seconds")["seconds"] == {"train": 12.5}


@pytest.mark.slow
def test_what_is_given_is_not_planned(tmp_path: Path) -> None:
    config = resolve({**TIMED, "candidates": 9, "training": {"epochs": 2}}, "test")
    assert not {"candidates", "training.epochs"} & set(config.unplanned)
    run_search(config, RunFolder(tmp_path / "run"))
    kept = RunFolder(tmp_path / "run").load_config()
    assert (kept.candidates, kept.training.epochs) == (9, 2)


@pytest.mark.slow
def test_a_run_that_goes_on_keeps_its_plan(timed: RunFolder, tmp_path: Path) -> None:
    settings = {**TIMED, "cpu_time": 60, "training": {"epochs": 5}}
    folder = RunFolder(tmp_path / "run")
    progress = Interrupting("Training the supernet")
    with pytest.raises(KeyboardInterrupt):
        run_search(resolve(settings, "test"), folder, progress)
    plan = folder.plan.read_text()
    again = Interrupting("nothing")
    run_search(resolve(settings, "test"), folder, again, hurry=True)
    assert folder.plan.read_text() == plan
    assert [said for said in progress.said if said.startswith("Plan")] == [
        said for said in again.said if said.startswith("Plan")
    ]


@pytest.mark.parametrize("title", ["Training the supernet", pytest.param("Finishing", marks=pytest.mark.slow)])
def test_a_run_in_a_hurry_delivers_what_is_there(title: str, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        run_search(resolve({**TIMED, "cpu_time": 60, "training": {"epochs": 5}}, "test"), folder, Interrupting(title))
    trained = len(read_header(folder.supernet)["history"])
    result = run_search(folder.load_config(), folder, hurry=True)
    assert hashlib.sha256(folder.onnx.read_bytes()).hexdigest() == result["best"]["file"]["sha256"]
    assert len(read_header(folder.supernet)["history"]) == trained
    if title.startswith("Training"):
        assert trained < 5
        assert not result["selection"]["trained"]


def test_a_method_without_a_last_round_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"method 'darts'.* has no last round"):
        run_search(
            resolve({"space": "darts", "method": "darts", "task": "digits", "time": 60}, "test"),
            RunFolder(tmp_path / "run"),
        )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("60s", 60), ("1.5m", 90), ("2h", 7200), (45, 45)])
def test_a_time_may_have_a_unit(text: object, seconds: float) -> None:
    assert resolve({"time": text}, "test").time == seconds


@pytest.mark.parametrize("text", ["soon", "-5m", "5 minutes", "0"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="time"):
        resolve({"time": text}, "test")


def test_what_killed_attempts_took_counts(tmp_path: Path) -> None:
    config, folder = resolve({"time": 100}, "test"), RunFolder(tmp_path)
    folder.origin.write_text(json.dumps({"seconds": {"train": 30.0, "profile": 5.0}}))
    deadline = deadline_of(config, folder, (time.perf_counter(), 0.0))
    assert deadline is not None
    assert 64 < deadline.left <= 65


def test_a_timetable_counts_from_the_end() -> None:
    now = [0.0]
    deadline = Deadline(100, lambda: now[0], begun=0.0)
    table = Timetable(deadline, after_training=60, ending=10)
    assert not table.training_is_late
    now[0] = 41
    assert table.training_is_late
    assert table.last_round == 49
    now[0] = 95
    assert table.last_round == 0
    deadline.end()
    assert deadline.left == 0
