"""Evaluators of a user: a zero-cost score, a simulation, a number; evaluated, bounded, delivered, reported."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from command import TINY, best, candidates, done, nas, search, tail_of, without_measurements

from nas import cli

HERE = Path(__file__).parent


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with the user's module in it."""
    shutil.copy(HERE / "own_evaluators.py", tmp_path / "mine.py")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("mine", None)


def whole_killed_and_with_two_workers(folder: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """The result of a run, after it was also killed in its search and continued, and done by two workers."""
    done(search(folder, "whole", settings))
    begun = '"search", "event": "begin"'
    code, _ = search(folder, "cut", settings, kill_when=lambda: begun in tail_of(folder, "cut"))
    assert code < 0
    done(nas(folder, "resume", "cut"))
    done(search(folder, "two", settings, "--workers", "2"))
    found = best(folder, "whole")
    for other in ("cut", "two"):
        assert candidates(folder, other) == candidates(folder, "whole")
        assert without_measurements(best(folder, other)) == without_measurements(found)
    return found


@pytest.mark.slow
def test_a_zero_cost_score_goes_all_the_way(folder: Path) -> None:
    asked = {"evaluator": "mine:Synflow", "evaluator_args": {"power": 0.5}, "strategy": "random"}
    found = whole_killed_and_with_two_workers(folder, asked)
    assert (found["evaluator"], found["objective"], found["score"]) == ("mine:Synflow", "maximise synflow", "synflow")
    assert found["method"] is None and not (folder / "results/whole/checkpoints/supernet.safetensors").exists()
    front = found["front"]
    assert found["best"]["synflow"] == max(row["synflow"] for row in front)
    assert found["selection"] == {"best": found["best"]["id"], "of": len(front), "by": "synflow"}
    assert 0 < found["best"]["accuracy"] < 1 and 0 < found["best"]["test_accuracy"] < 1, "of the trained network"
    assert not any(key.startswith(("shared", "selection", "searched")) for key in found["best"])
    assert found["random"]["synflow"] > 0 and "test_accuracy" not in found["random"]
    page = (folder / "results/whole/report.html").read_text()
    assert "<b>evaluator</b> mine:Synflow" in page and "<b>method</b>" not in page and "shared weights" not in page
    assert "with the weights that the search evaluated" not in page.lower()


@pytest.mark.slow
def test_a_simulation_is_bounded_by_what_it_gives(folder: Path) -> None:
    asked = {"evaluator": "mine:simulate", "constraints": ["energy_mj <= 40% of largest"], "strategy": "random"}
    found = whole_killed_and_with_two_workers(folder, asked)
    assert found["best"]["energy_mj"] <= 0.4 * found["largest"]["energy_mj"]
    table = pd.read_csv(folder / "results/whole/candidates.csv")
    assert {"selection_accuracy", "energy_mj"} <= set(table)
    assert found["best"]["selection_accuracy"] == table[table["feasible"]]["selection_accuracy"].max()
    assert found["best"]["accuracy"] != found["best"]["selection_accuracy"], "confirmed by the network that was trained"
    kept = folder / "results/whole/checkpoints"
    trained = {f"retrained-{found[each]['id']}.safetensors" for each in ("best", "largest")}
    assert {path.name for path in kept.iterdir()} == trained


@pytest.mark.slow
def test_a_number_alone_is_what_is_searched_for(folder: Path) -> None:
    done(search(folder, "run", {"evaluator": "mine:depth", "objective": "minimise depth", "candidates": 5}))
    found = best(folder, "run")
    assert found["best"]["depth"] == min(row["depth"] for row in found["front"])


@pytest.mark.slow
def test_commands_that_read_a_run_work_or_say_why_not(folder: Path) -> None:
    done(search(folder, "run", {"evaluator": "mine:depth", "candidates": 4, "random_baseline": 0}))
    other = pd.read_csv(folder / "results/run/candidates.csv")["id"].iloc[-1]
    done(nas(folder, "export", "run", "--architecture", other))
    assert (folder / f"results/run/{other}.onnx").exists()
    pd.DataFrame({"architecture": ["{}"], "top": [0.5]}).to_csv(folder / "truth.csv")
    code, said = nas(folder, "rank", "run", "--truth", "truth.csv", "--column", "top")
    assert code == 2 and "run 'run' trained no supernet: evaluator 'mine:depth' evaluated its candidates" in said
    done(nas(folder, "retrain", "run", "--top", "1", "--trials", "2", "--epochs", "2"))
    assert best(folder, "run")["retrained"]["start"] == "fresh"
    shutil.move(folder / "results/run", folder / "results/theirs")
    (folder / "mine.py").write_text("raise SystemExit('it was imported')")
    code, said = nas(folder, "export", "theirs")
    assert code == 2 and "names evaluator 'mine:depth'" in said and "imported" not in said.replace("would import", "")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["--evaluator", "shared"], "evaluator 'shared' is not known; did you mean 'shared-weights'?"),
        (["--evaluator", "nowhere:it"], "evaluator 'nowhere:it' names no importable module 'nowhere'"),
        (["--evaluator", "mine:it"], "evaluator 'mine:it' is not there: module 'mine' has no 'it'"),
        (["--evaluator", "mine:Any"], "evaluator 'mine:Any' is"),
        (["--evaluator", "mine:HERE"], "evaluator 'mine:HERE' is of type str, expected a function of an architecture"),
        (["--set", "evaluator_args.powr=2"], "evaluator 'mine:Synflow' has no option 'powr'; did you mean 'power'?"),
        (["--set", "evaluator_args.power=a"], "evaluator 'mine:Synflow' has power 'a', but input should be a valid"),
        (["--set", "objective=synflow"], "objective 'synflow' cannot be read; write maximise or minimise and a metric"),
        (["--set", "objective=minimise flops"], "objective 'minimise flops' is of the cost that is minimised too"),
        (["--set", "retrain=no"], "retrain is 'no', but evaluator 'mine:Synflow' makes no network that could be deli"),
        (["--set", "retrain=inherited"], "but evaluator 'mine:Synflow' trains no supernet whose weights a network"),
        (["--strategy", "derived"], "strategy 'derived' proposes what a method has learnt, but evaluator 'mine:Syn"),
        (["--constraint", "synflw <= 3"], "constraint 'synflw <= 3' bounds the unknown metric 'synflw'; did you mean"),
        (
            ["--evaluator", "standalone", "--set", "evaluator_args.epochs=0"],
            "evaluator 'standalone' has epochs 0; give",
        ),
        (["--evaluator", "mine:Empty"], "evaluator 'mine:Empty' has batch 0; expected how many architectures"),
        (
            ["--evaluator", "shared-weights", "--set", "objective=maximise top5"],
            "evaluator 'shared-weights' gives accuracy, accuracy_low, accuracy_high, loss, but the objective is",
        ),
        (["--evaluator", "table"], "evaluator 'table' needs an option 'path'; give it in evaluator_args."),
        (["--evaluator", "table", "--set", "evaluator_args.path=no.csv"], "table 'no.csv' is no file"),
    ],
)
def test_what_is_wrong_with_them_is_a_sentence(
    given: list[str], sentence: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "mine.py").write_text((folder / "mine.py").read_text() + "\nHERE = 'here'\n")
    common = ["search", "chain", "--data", "digits", "--evaluator", "mine:Synflow", "--name", "run"]
    with pytest.raises(SystemExit) as ended:
        cli.main([*common, "--constraint", "flops <= 80% of largest", *given])
    assert ended.value.code == 2
    assert sentence in " ".join(capsys.readouterr().err.split())
    assert not (folder / "results/run").exists()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"evaluator": "mine:nonsense"}, "evaluator 'mine:nonsense' gave 'good' for architecture"),
        (
            {"evaluator": "mine:Promises"},
            "evaluator 'mine:Promises' says that it gives 'quality', but its table has numbers in other alone",
        ),
        (
            {"evaluator": "mine:tested"},
            "evaluator 'mine:tested' gives 'test_accuracy', but results call something else so",
        ),
        ({"evaluator": "mine:Twice"}, "evaluator 'mine:Twice' gave several columns 'accuracy'; give each another name"),
        ({"evaluator": "mine:Nothing"}, "evaluator 'mine:Nothing' gave a NoneType as the network of architecture"),
        ({"evaluator": "mine:NoExamples"}, "evaluator 'mine:NoExamples' tallied no examples of"),
        (
            {"evaluator": "mine:diverged"},
            "fix the evaluator, and search under another name, since what it gave is kept",
        ),
        ({"evaluator": "mine:Short"}, "evaluator 'mine:Short' gave 0 rows for 1 architecture; expected a row each"),
        (
            {"evaluator": "mine:simulate", "objective": "minimise energy"},
            "gives accuracy, energy_mj, but the objective is 'minimise energy'; set objective to maximise or minimise",
        ),
        (
            {"evaluator": "mine:simulate", "constraints": ["energy <= 3"]},
            "constraint 'energy <= 3' bounds the unknown metric 'energy'; did you mean 'energy_mj'?",
        ),
    ],
)
def test_nonsense_is_refused_when_the_first_is_judged(
    settings: dict[str, Any], sentence: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "run.yaml").write_text(json.dumps({**TINY, **settings}))
    with pytest.raises(SystemExit) as ended:
        cli.main(["search", "--config", "run.yaml", "--name", "run"])
    assert ended.value.code == 2
    assert sentence in " ".join(capsys.readouterr().err.split())


def test_its_own_exception_comes_with_its_lines_and_its_name(folder: Path) -> None:
    code, said = search(folder, "run", {"evaluator": "mine:Failing"})
    assert code == 1 and 'raise KeyError("weights")' in said
    lines = (folder / "mine.py").read_text().splitlines()
    (line,) = (number for number, text in enumerate(lines, 1) if 'raise KeyError("weights")' in text)
    assert said.endswith(f"error of evaluator 'mine:Failing', in Failing.__call__ ({folder}/mine.py, line {line}).")


@pytest.mark.slow
def test_random_draws_that_cannot_be_used_end_no_search(folder: Path) -> None:
    asked = {"evaluator": "mine:rarely", "strategy": "exhaustive", "candidates": 27, "random_baseline": 1, "seed": 1}
    done(search(folder, "run", {**asked, "constraints": []}))
    found = best(folder, "run")
    assert found["random"] is None and "Not one random draw can be used" in " ".join(found["notes"])
    assert "random draw under" not in (folder / "results/run/report.html").read_text()


@pytest.mark.slow
def test_latency_may_be_what_is_searched_for(folder: Path) -> None:
    asked = {"evaluator": "mine:simulate", "objective": "minimise latency_ms", "cost": "params", "candidates": 4}
    done(search(folder, "run", {**asked, "profile": {"networks": 6, "held_out": 4, "seconds": 1, "samples": 20}}))
    assert best(folder, "run")["score"] == "latency_ms"
