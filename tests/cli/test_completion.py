"""What the shell completes after Tab: names of runs, and of what a run can name."""

import shutil
from pathlib import Path

import pytest
import yaml
from command_line import TINY
from typer.testing import CliRunner

from nas.cli.app import app
from nas.evaluation import EVALUATORS
from nas.methods import METHODS
from nas.search import STRATEGIES
from nas.setup.spaces import SPACES

RUNS = ["early", "early-2", "late"]


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with three runs, an import, a benchmark, and a folder that is nothing."""
    folder = tmp_path / "results"
    for name in (*RUNS, "devices/board"):
        (folder / name).mkdir(parents=True)
        (folder / name / "config.yaml").write_text(yaml.safe_dump(TINY))
    for name, file in (("compared", "question.json"), ("nothing", "notes.txt")):
        (folder / name).mkdir()
        (folder / name / file).write_text("{}")
    monkeypatch.chdir(tmp_path)
    return folder


def completed(monkeypatch: pytest.MonkeyPatch, line: str) -> list[str]:
    """What bash is told for the last word of a line."""
    words = {"_NAS_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    for name, value in words.items():
        monkeypatch.setenv(name, value)
    return CliRunner().invoke(app, [], prog_name="nas").output.split()


@pytest.mark.parametrize("command", ["export", "retrain", "controls", "compare", "compare late", "rank"])
def test_names_of_runs(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert completed(monkeypatch, f"nas {command} ") == RUNS
    assert completed(monkeypatch, f"nas {command} early") == ["early", "early-2"]


@pytest.mark.parametrize("command", ["show", "report", "resume", "watch"])
def test_names_of_runs_and_imports(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert completed(monkeypatch, f"nas {command} ") == [*RUNS, "devices/board"]


def test_what_can_be_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert completed(monkeypatch, "nas rm ") == ["compared", *RUNS, "devices/board"]


def test_runs_lie_where_the_option_or_the_variable_says(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.move(results / "late", results.with_name("others") / "late")
    assert completed(monkeypatch, "nas show --results others ") == ["late"]
    assert completed(monkeypatch, "nas search --results others --supernet ") == ["late"]
    monkeypatch.setenv("NAS_RESULTS", "others")
    assert completed(monkeypatch, "nas show ") == ["late"]
    assert completed(monkeypatch, "nas show --results no/such ") == []


def test_parts_that_a_run_can_name(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = {"method": METHODS, "strategy": STRATEGIES, "evaluator": EVALUATORS, "space": SPACES}
    for option, slot in parts.items():
        assert completed(monkeypatch, f"nas search --{option} ") == list(slot)
    assert completed(monkeypatch, "nas search ") == list(SPACES)
    assert completed(monkeypatch, "nas search chain --method sp") == ["spos"]
    assert completed(monkeypatch, "nas profile tran") == ["transformer_lm"]
    assert completed(monkeypatch, "nas benchmark --space tran") == ["transformer_lm"]
    assert "digits" in completed(monkeypatch, "nas search --task dig")
    assert completed(monkeypatch, "nas search --target onn") == ["onnxruntime"]
