"""Regression and multi-label from a module outside the package, through the command, to ONNX and report."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from nas.cli import main
from nas.data import load
from nas.report.how_to_run import code

HERE = Path(__file__).parent
TINY: dict[str, Any] = {
    "space": "chain",
    "space_args": {"layers": [1, 1, 1], "width": 4, "head": 16},
    "candidates": 6,
    "random_baseline": 0,
    "strategy": "random",
    "constraints": ["flops <= 90% of largest"],
    "training": {"epochs": 3, "batch_size": 32},
    "target": "beside_me:Simulated",
    "profile": {"networks": 6, "samples": 20, "seconds": 0.3},
}
DARTS: dict[str, Any] = {"strategy": "derived", "candidates": 1, "constraints": []}
COLUMNS = {
    "where": ["rmse", "rmse_low", "rmse_high", "mae", "r2", "loss"],
    "curve": ["rmse", "rmse_low", "rmse_high", "mae", "r2", "loss"],
    "kinds": [*(f"mean_average_precision{bound}" for bound in ("", "_low", "_high")), "f1", "loss"],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with the user's module in it."""
    shutil.copy(HERE / "own_tasks.py", tmp_path / "my_tasks.py")
    shutil.copy(HERE / "own_parts.py", tmp_path / "beside_me.py")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in ("my_tasks", "beside_me"):
        sys.modules.pop(name, None)


def nas(*arguments: str) -> int:
    """The exit code."""
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)


def settings(data: str, **more: Any) -> list[str]:
    """The arguments of a search called ``own``, whose settings are in a file."""
    Path("run.yaml").write_text(json.dumps({**TINY, "task": f"my_tasks:{data}", **more}))
    return ["search", "--config", "run.yaml", "--name", "own"]


def result(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "results/own/best.json").read_text())
    return found


def answers(folder: Path, data: str) -> tuple[np.ndarray, np.ndarray]:
    """What the delivered file says of the test split, and what is true."""
    session = onnxruntime.InferenceSession(folder / "results/own/best.onnx")
    split = load(f"my_tasks:{data}").test
    x, y = next(split.pixels(len(split)))
    return session.run(None, {"input": x.numpy()})[0], y.numpy()


@pytest.mark.parametrize(
    ("data", "method"), [("where", "bignas"), ("kinds", "bignas"), ("kinds", "spos"), ("where", "darts")]
)
def test_every_kind_of_method_learns_the_task(
    data: str, method: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert nas(*settings(data, method=method, **(DARTS if method == "darts" else {}))) == 0
    found, page = result(folder), (folder / "results/own/report.html").read_text()
    metric, agreement = COLUMNS[data][0], "ONNX agrees with PyTorch on 100.00% of "
    assert agreement in " ".join(capsys.readouterr().err.split())
    assert found["metric"] == metric and [name for name in found["best"] if name in COLUMNS[data]] == COLUMNS[data]
    assert (
        found["best"][f"test_{metric}_low"] <= found["best"][f"test_{metric}"] <= found["best"][f"test_{metric}_high"]
    )
    said, true = answers(folder, data)
    if data == "where":
        assert found["best"]["test_rmse"] == pytest.approx(float(((said - true) ** 2).mean() ** 0.5), rel=1e-4)
        assert "Test RMSE" in page and "less is better" in page
    else:
        assert "Test mean average precision" in page
    assert "accuracy" not in found["best"] and "test_accuracy" not in page


def test_a_vector_becomes_a_number_in_the_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert nas(*settings("curve", space="my_tasks:perceptron", space_args={}, dtype="int8")) == 0
    assert "computes in int8, with numbers within 1% as in float32 for" in " ".join(capsys.readouterr().err.split())
    file = result(folder)["best"]["file"]
    assert file["input"]["shape"] == ["batch", 4]
    said, true = answers(folder, "curve")
    assert said.shape == true.shape == (60, 1)
    np.save(folder / "results/own/example.npy", load("my_tasks:curve").test.images[0].numpy())
    ran = subprocess.run(
        [sys.executable, "-c", code(file)], cwd=folder / "results/own", capture_output=True, text=True, check=True
    )
    assert float(ran.stdout.strip("[]\n")) == pytest.approx(float(said[0, 0]), rel=1e-3)


@pytest.mark.parametrize("data", ["where", pytest.param("kinds", marks=pytest.mark.slow)])
def test_what_was_interrupted_ends_as_if_it_had_not_been(
    data: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nas.training import loop

    arguments = settings(data)
    assert nas(*arguments) == 0
    whole = result(folder)
    shutil.rmtree(folder / "results")
    save = loop.save_checkpoint

    def interrupted(*given: Any, **more: Any) -> None:
        save(*given, **more)
        raise KeyboardInterrupt

    with monkeypatch.context() as once:
        once.setattr(loop, "save_checkpoint", interrupted)
        assert nas(*arguments) == 130, "in training, after the first epoch"
    assert not (folder / "results/own/best.json").exists()
    assert nas("resume", "own") == 0
    assert result(folder)["best"]["architecture"] == whole["best"]["architecture"]
    figures = ("id", *COLUMNS[data], f"test_{COLUMNS[data][0]}")
    assert [result(folder)["best"][name] for name in figures] == [whole["best"][name] for name in figures]


def test_constraints_name_figures_of_the_task(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert nas(*settings("where", constraints=["accuracy >= 0.9"])) == 2
    assert "constraint 'accuracy >= 0.9' bounds the unknown metric 'accuracy'" in capsys.readouterr().err
    assert nas(*settings("where", constraints=["r2 >= -10", "rmse <= 100", "flops <= 90% of largest"])) == 0


def test_arrays_of_floats_and_booleans_say_their_task(folder: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 6)).astype(np.float32)
    for name, y in (("numbers", x[:, :2] + x[:, 2:4]), ("labels", x[:, :3] > 0)):
        Path(name).mkdir()
        np.savez(f"{name}/train.npz", x=x, y=y)
        data = load("npz", name)
        assert (data.task.name, data.output_shape) == {
            "numbers": ("regression", (2,)),
            "labels": ("multi-label", (3,)),
        }[name]
        assert [len(split) for split in (data.train, data.validation, data.test)] == [72, 24, 24]
        assert len(load("npz", name, limit=10).train) == 10
