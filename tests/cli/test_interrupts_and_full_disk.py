"""What a process of its own leaves behind when it is interrupted, or when the disk is full."""

import functools
import json
import re
import resource
import signal
import sys
import time
from pathlib import Path

import pytest
from command_line import TINY, leftovers, nas, search_arguments, start, write_config
from latency_tables import board_rows, write_board

from nas.setup import Setup, resolve


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"])
def test_an_interrupt_names_the_way_to_continue_and_it_works(number: int, code: int, tmp_path: Path) -> None:
    config = {"training": {"epochs": 8}, "limit": 400}
    process = start(*search_arguments(tmp_path, "--name", "run", **config))
    while not trained_epochs(tmp_path / "results/run") and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(number)
    out, err = process.communicate()
    assert process.returncode == code, err
    assert out == ""
    command = f"nas resume run --results {tmp_path / 'results'}"
    assert err.splitlines()[-1] == f"nas: interrupted; continue with: {command}"
    assert err.count("nas: ") == 1 and "Traceback" not in err
    assert not leftovers(tmp_path)
    assert not (tmp_path / "results/run/best.json").exists()

    done = trained_epochs(tmp_path / "results/run")
    assert done and done[-1] < 7
    outcome = nas(*command.split()[1:], "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json["run"] == "run"
    assert trained_epochs(tmp_path / "results/run") == list(range(8))


def test_ctrl_c_names_the_way_to_continue_a_profile_without_a_name(tmp_path: Path) -> None:
    config = write_config(tmp_path, profile={"networks": 12, "held_out": 6, "samples": 20, "seconds": 4.0})
    results = tmp_path / "results"
    process = start("profile", "--config", config, "--results", results)
    measurements = results / "profile-chain-onnxruntime/measurements.jsonl"
    while not measurements.exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130, err
    assert out == ""
    command = f"nas resume profile-chain-onnxruntime --results {results}"
    assert err.splitlines()[-1] == f"nas: interrupted; continue with: {command}"
    before = measurements.read_text()
    assert nas(*command.split()[1:]).code == 0
    assert [path.name for path in results.iterdir()] == ["profile-chain-onnxruntime"]
    assert measurements.read_text().startswith(before)
    assert (measurements.parent / "profile.json").exists() and not (measurements.parent / "best.json").exists()


def test_ctrl_c_names_the_way_to_continue_an_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fingerprint = Setup(resolve(TINY, "test")).space.fingerprint
    carried = {name: TINY[name] for name in ("space", "space_args", "data", "limit")}
    setup = {"config": carried, "input_shape": [1, 8, 8], "fingerprint": fingerprint}
    table = write_board(tmp_path / "back.csv", board_rows(setup))

    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    import_ = ["device", "import", table, "--target", "new", "--results", tmp_path / "results"]
    with monkeypatch.context() as patch:
        patch.setattr("nas.latency.devices.RunFolder.begin", interrupted)
        outcome = nas(*import_)
    assert (outcome.code, outcome.complaint) == (130, "nas: interrupted."), "there is nothing to continue yet"
    with monkeypatch.context() as patch:
        patch.setattr("nas.latency.devices.write_profile", interrupted)
        outcome = nas(*import_)
    command = f"nas resume devices/new --results {tmp_path / 'results'}"
    with monkeypatch.context() as patch:
        patch.setattr("nas.latency.devices.write_profile", lambda *arguments: sys.exit(signal.SIGTERM))  # as Ray does
        terminated = nas(*import_)
    assert (terminated.code, terminated.complaint) == (143, f"nas: interrupted; continue with: {command}")
    assert (outcome.code, outcome.complaint) == (130, f"nas: interrupted; continue with: {command}")
    outcome = nas(*command.split()[1:], "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json["target"] == "new"
    assert json.loads((tmp_path / "results/devices/new/profile.json").read_text()) == outcome.json


def test_ctrl_c_while_libraries_are_imported_leaves_nothing_behind(tmp_path: Path) -> None:
    process = start(*search_arguments(tmp_path))
    time.sleep(0.7)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode != 0
    assert out == ""
    assert not (tmp_path / "results").exists() or "nas resume" in err


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        pytest.param(256, r"run\.json", id="origin", marks=pytest.mark.slow),
        pytest.param(20_000, r"supernet\.safetensors", id="checkpoint"),
        pytest.param(100_000, r"study\.db", id="study", marks=pytest.mark.slow),
    ],
)
def test_a_full_disk_names_the_file(size: int, expected: str, tmp_path: Path) -> None:
    limit = functools.partial(resource.setrlimit, resource.RLIMIT_FSIZE, (size, size))
    arguments = search_arguments(tmp_path, "--name", "run", space_args={"layers": [1, 1], "width": 4, "head": 16})
    process = start(*arguments, preexec_fn=limit)
    out, err = process.communicate()
    assert process.returncode == 2, err
    assert out == ""
    last = err.splitlines()[-1]
    assert re.match(rf"nas: .*({expected}).*cannot be", last), err
    assert err.count("nas: ") == 1 and "Traceback" not in err
    assert not leftovers(tmp_path)
    outcome = nas(*arguments)
    assert outcome.code == 0, outcome.err


def trained_epochs(folder: Path) -> list[int]:
    file = folder / "log.jsonl"
    log = [json.loads(line) for line in (file.read_text().splitlines() if file.exists() else [])]
    return [entry["epoch"] for entry in log if entry["stage"] == "train" and "epoch" in entry]
