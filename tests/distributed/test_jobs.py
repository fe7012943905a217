"""Searches as jobs of a real cluster of one machine, all through the address of its dashboard."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import pandas as pd
import pytest
import torch
import yaml
from head_node import Head, head_node

pytest.importorskip("aiohttp", reason="jobs need ray[default]")

CONFIG: dict[str, Any] = {
    "space": "small:space",
    "data": "digits",
    "limit": 200,
    "cost": "flops",
    "constraints": ["flops <= 60% of largest"],
    "candidates": 8,
    "random_baseline": 0,
    "strategy": "random",
    "training": {"epochs": 1},
}
SPACE = """
from search_spaces.chain import chain

def space(input_shape, classes):
    return chain(input_shape, classes, layers=[1, 1, 1], width=4, head=16)
"""
MODEL = """
from torch import nn

def build(classes):
    layers = [nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, classes)]
    return nn.Sequential(*layers)
"""
SECONDS = 120


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    with head_node(tmp_path_factory.mktemp("home")) as started:
        yield started


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a configuration and the space that it names."""
    (tmp_path / "search.yaml").write_text(yaml.safe_dump(CONFIG))
    (tmp_path / "small.py").write_text(SPACE)
    return tmp_path


def start(project: Path, head: Head, *words: object, **environment: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "nas", *map(str, words)]
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=project, env={**head.environment, **environment}, **pipes)


def nas(project: Path, head: Head, *words: object, **environment: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    process = start(project, head, *words, **environment)
    out, err = process.communicate(timeout=SECONDS)
    return process.returncode, out, err


def submit_words(head: Head, *more: object) -> list[object]:
    return ["submit", "search.yaml", "--address", head.address, "--python", sys.executable, *more]


@pytest.mark.slow
def test_a_search_whose_client_is_killed_ends_and_its_folder_comes_back(project, head):
    client = start(project, head, *submit_words(head, "--name", "tiny"))
    assert client.stderr is not None
    told = client.stderr.readline()
    os.kill(client.pid, signal.SIGKILL)
    told += client.communicate()[1]
    found = re.match(r"job (\S+), run tiny; come back at any time with: nas fetch \1 --address ", told)
    assert found, told
    job = found[1]

    code, out, err = nas(project, head, "fetch", job, "--address", head.address, "--json")
    assert code == 0, err
    assert "Training the supernet (bignas) …" in err.splitlines()
    assert json.loads(out)["run"] == "tiny"
    code, _, err = nas(project, head, "search", "--config", "search.yaml", "--name", "here", "--json")
    assert code == 0, err

    there, here = (project / "results" / name for name in ("tiny", "here"))
    columns = ["id", "selection_accuracy", "flops", "params"]
    tables = [
        pd.read_csv(folder / "candidates.csv")[columns].sort_values("id", ignore_index=True) for folder in (there, here)
    ]
    pd.testing.assert_frame_equal(*tables)
    assert json.loads((there / "best.json").read_text())["best"]["id"] in set(tables[1]["id"])
    onnx.checker.check_model(onnx.load(there / "best.onnx"))
    assert (there / "checkpoints" / "supernet.safetensors").read_bytes()
    assert sorted(path.name for path in project.joinpath("results").iterdir()) == ["here", "tiny"]
    assert (head.home / "nas-results" / "tiny" / "best.onnx").exists()

    code, _, err = nas(project, head, "fetch", job, "--address", head.address)
    assert (code, err) == (
        2,
        "nas: results/tiny is there already; delete it, or bring the run elsewhere with --results.\n",
    )


@pytest.mark.slow
def test_an_own_model_is_searched_there_with_its_weights(project, head):
    (project / "mine.py").write_text(MODEL)
    build: dict[str, Any] = {}
    exec(MODEL, build)
    torch.save(build["build"](10).state_dict(), project / "weights.pt")
    own = {"model": "mine:build", "checkpoint": "weights.pt", "order": "activation"}
    search = {**CONFIG, "space": "elastic", "space_args": own, "method": "none"}
    (project / "search.yaml").write_text(
        yaml.safe_dump({key: each for key, each in search.items() if key != "training"})
    )
    code, _, err = nas(project, head, *submit_words(head, "--name", "own", "--include", "weights.pt", "--json"))
    assert code == 0, err
    assert "The model that was given has accuracy" in err
    onnx.checker.check_model(onnx.load(project / "results" / "own" / "best.onnx"))


@pytest.mark.slow
def test_what_the_search_refuses_on_the_cluster_is_told_in_its_sentence(project, head):
    code, _, err = nas(project, head, *submit_words(head, "--set", "constraints=['flops <= 10']"))
    assert code == 2
    assert re.search(r"nas: job \S+ was refused on the cluster: constraint 'flops <= 10' is met by none .*\n$", err)
    assert not (project / "results").exists()


@pytest.mark.slow
def test_a_job_that_breaks_ends_with_one_and_goes_well_once_it_is_mended(project, head):
    (project / "small.py").write_text(f"import absent_module\n{SPACE}")
    code, _, err = nas(project, head, *submit_words(head, "--name", "broken"))
    assert code == 1
    assert "No module named 'absent_module'" in err
    assert re.search(r"nas: job \S+ failed \(.*exit code 1.*\); submit it again under its --name to go on", err)

    (project / "small.py").write_text(SPACE)
    code, out, err = nas(project, head, *submit_words(head, "--name", "broken"))
    assert code == 0, err
    assert "Pareto front of broken" in out
    assert "results/broken/best.onnx" in out


@pytest.mark.slow
def test_the_cluster_wants_its_token(project, head):
    code, _, err = nas(project, head, *submit_words(head), RAY_AUTH_TOKEN="some-other-token-0123456789")
    assert (code, err.count("\n")) == (2, 1)
    assert f"the cluster at {head.address} wants a token that is not the one here" in err
