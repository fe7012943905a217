"""What a process of its own leaves behind when it is interrupted, or when the disk is full."""

import functools
import json
import re
import resource
import signal
import time
from pathlib import Path

import pytest
from command_line import leftovers, nas, search_arguments, start


def test_ctrl_c_names_the_way_to_continue_and_it_works(tmp_path: Path) -> None:
    config = {"training": {"epochs": 40}, "limit": 600}
    process = start(*search_arguments(tmp_path, "--name", "run", **config))
    checkpoint = tmp_path / "results/run/checkpoints/supernet.safetensors"
    while not checkpoint.exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130, err
    assert out == ""
    command = f"nas resume run --results {tmp_path / 'results'}"
    assert err.splitlines()[-1] == f"nas: interrupted; continue with: {command}"
    assert err.count("nas: ") == 1 and "Traceback" not in err
    assert not leftovers(tmp_path)
    assert not (tmp_path / "results/run/best.json").exists()

    done = trained_epochs(tmp_path / "results/run")
    assert done and done[-1] < 39
    outcome = nas(*command.split()[1:], "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json["run"] == "run"
    assert trained_epochs(tmp_path / "results/run") == list(range(40))


def test_ctrl_c_before_anything_began_is_quiet(tmp_path: Path) -> None:
    process = start(*search_arguments(tmp_path))
    time.sleep(0.7)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode in (130, -signal.SIGINT)
    assert out == ""
    assert not (tmp_path / "results").exists() or "nas resume" in err


@pytest.mark.parametrize(
    ("kilobytes", "expected"),
    [(1, r"config.yaml|run.json"), (20, r"supernet\.safetensors"), (110, r"study\.db")],
    ids=["configuration", "checkpoint", "study"],
)
def test_a_full_disk_names_the_file(kilobytes: int, expected: str, tmp_path: Path) -> None:
    size = kilobytes * 1024
    limit = functools.partial(resource.setrlimit, resource.RLIMIT_FSIZE, (size, size))
    process = start(*search_arguments(tmp_path, "--name", "run"), preexec_fn=limit)
    out, err = process.communicate()
    assert process.returncode == 2, err
    assert out == ""
    last = err.splitlines()[-1]
    assert re.match(rf"nas: .*({expected}).*cannot be", last), err
    assert err.count("nas: ") == 1 and "Traceback" not in err
    assert not leftovers(tmp_path)
    outcome = nas(*search_arguments(tmp_path, "--name", "run"))
    assert outcome.code == 0, outcome.err


def trained_epochs(folder: Path) -> list[int]:
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [entry["epoch"] for entry in log if entry["stage"] == "train" and "epoch" in entry]
