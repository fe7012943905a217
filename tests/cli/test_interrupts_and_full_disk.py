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
    config = {"training": {"epochs": 8}, "limit": 400}
    process = start(*search_arguments(tmp_path, "--name", "run", **config))
    while not trained_epochs(tmp_path / "results/run") and process.poll() is None:
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
    assert done and done[-1] < 7
    outcome = nas(*command.split()[1:], "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json["run"] == "run"
    assert trained_epochs(tmp_path / "results/run") == list(range(8))


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
    [(256, r"config\.yaml"), (20_000, r"supernet\.safetensors"), (100_000, r"study\.db")],
    ids=["configuration", "checkpoint", "study"],
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
