"""Input resolution as a choice on a model of a user, through the command, with two workers, to ONNX and report."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from nas.cli import main

HERE = Path(__file__).parent
TINY: dict[str, Any] = {
    "space": "beside_me:build",
    "data": "digits",
    "extra": {"image_size": [6, 8, 12]},
    "limit": 200,
    "candidates": 8,
    "random_baseline": 0,
    "constraints": ["flops <= 60% of largest"],
    "training": {"epochs": 2},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with the user's module in it."""
    shutil.copy(HERE / "own_sizes.py", tmp_path / "beside_me.py")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.yaml").write_text(json.dumps(TINY))
    yield tmp_path
    sys.modules.pop("beside_me", None)


def nas(*arguments: str) -> int:
    """The exit code."""
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)


@pytest.mark.parametrize("workers", [[], pytest.param(["--workers", "2"], marks=pytest.mark.slow)])
def test_the_network_is_delivered_at_the_size_that_was_chosen(workers: list[str], folder: Path) -> None:
    assert nas("search", "--config", "run.yaml", "--name", "own", *workers) == 0
    run = folder / "results/own"
    best = json.loads((run / "best.json").read_text())["best"]
    size = best["architecture"]["image_size"]
    session = onnxruntime.InferenceSession(run / "best.onnx", providers=["CPUExecutionProvider"])
    assert session.run(None, {"input": np.zeros((2, 1, size, size), "float32")})[0].shape == (2, 10)
    assert f"reads float32 [batch, 1, {size}, {size}]" in (run / "report.html").read_text()
    sizes = {json.loads(row)["image_size"] for row in _architectures(run / "candidates.csv")}
    assert size in sizes and len(sizes) > 1
    (run / "best.json").unlink()
    assert nas("resume", "own") == 0 and json.loads((run / "best.json").read_text())["best"] == best


def _architectures(file: Path) -> list[str]:
    import pandas as pd

    return list(pd.read_csv(file)["architecture"])
