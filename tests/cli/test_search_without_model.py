"""``nas search`` where there is no model: a space, a function or a table, a strategy."""

import json
from pathlib import Path

import pandas as pd
import pytest
from command_line import nas

import nas as own_library

OWN = """
import math, time
import nas

SPACE = nas.Space({"a": list(range(6)), "b": [1, 2, 3]})
broken = True

def space(): return SPACE
def score(architecture): return architecture["a"] * architecture["b"]
def simulate(architecture): return {"ipc": score(architecture), "area": 2 * architecture["a"] + architecture["b"]}
def sometimes_nan(architecture): return math.nan if architecture["a"] > 2 else score(architecture)
def slow(architecture):
    if architecture["a"] == 5: time.sleep(3600)
    return score(architecture)
def fails(architecture):
    if broken and architecture["a"] == 3: raise RuntimeError("no licence")
    return score(architecture)
def exits(architecture): raise SystemExit(5)
class Class:
    def __init__(self, problem): ...
    def __call__(self, architectures): ...
"""
SCORED = ("--evaluator", "own_chip:score")
SPACE = "choices: {depth: [1, 2, 3], kernel: [3, 5, 7]}\n"


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_chip.py").write_text(OWN)
    (tmp_path / "space.yaml").write_text(SPACE)
    rows = [
        {"depth": depth, "kernel": kernel, "val": 0.1 * depth + 0.01 * kernel, "test": depth, "ms": kernel}
        for depth in (1, 2, 3)
        for kernel in (3, 5, 7)
    ]
    pd.DataFrame(rows).to_csv("t.csv", index=False)
    return tmp_path


def best(name: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(Path("results", name, "best.json").read_text())["best"]
    return found


def test_a_function_is_searched(files: Path) -> None:
    arguments = ["search", "own_chip:space", "--evaluator", "own_chip:score", "--strategy", "tpe", "--name", "chip"]
    outcome = nas(*arguments, "--candidates", 18)
    assert outcome.code == 0 and "maximise score, since no other objective is given" in outcome.out.replace("\n", " ")
    assert best("chip")["architecture"] == {"a": 5, "b": 3} and best("chip")["score"] == 15
    folder = files / "results" / "chip"
    assert {each.name for each in folder.iterdir()} >= {"report.html", "candidates.csv", "candidates.parquet"}
    again = nas(*arguments, "--candidates", 18)
    assert again.code == 0 and len(pd.read_csv(folder / "candidates.csv")) == 18


def test_its_runs_are_listed_shown_loaded_compared_and_written_anew(files: Path) -> None:
    for name, seed in (("one", 1), ("two", 2)):
        settings = ["--set", "objective=maximise ipc", "--set", "cost=area", "--seed", seed, "--name", name]
        arguments = ["search", "own_chip:SPACE", "--evaluator", "own_chip:simulate", *settings, "--candidates", 8]
        assert nas(*arguments).code == 0
    row = nas("list", "runs", "--json").json[0]
    assert row["state"] == "finished" and row["method"] == "own_chip:simulate" and row["score"] == best("two")["ipc"]
    assert "ipc" in nas("show", "one").out and nas("show", "one", "--json").json == nas("resume", "one", "--json").json
    found = own_library.load("one")
    assert found.best.metrics["ipc"] == best("one")["ipc"] and "area" in found._repr_html_().lower()
    with pytest.raises(own_library.UsageError, match="searched without a model, so it has neither networks nor data"):
        found.best.network()
    page = files / "results" / "one" / "report.html"
    page.unlink()
    assert nas("show", "one", "--json").json["state"] == "interrupted"
    page.write_text("old")
    assert nas("report", "one").code == 0 and found.best.architecture.id in page.read_text()
    compared = nas("compare", "one", "two")
    assert compared.code == 0 and "ipc" in compared.out and "latency" not in compared.out and "seed" in compared.out


def test_two_objectives_and_a_bound_on_what_the_function_tells() -> None:
    settings = ["--set", "objective=maximise ipc", "--set", "cost=area", "--constraint", "area <= 9", "--seed", 3]
    outcome = nas(
        "search", "own_chip:SPACE", "--evaluator", "own_chip:simulate", *settings, "--candidates", 18, "--json"
    )
    front = [(row["ipc"], row["area"]) for row in outcome.json["front"]]
    every = {(a * b, 2 * a + b) for a in range(6) for b in (1, 2, 3) if 2 * a + b <= 9}
    best_of = {point for point in every if not any(x >= point[0] and y <= point[1] for x, y in every - {point})}
    assert set(front) == best_of and front[0][0] == 9


def test_a_table_is_searched_by_validation_and_its_test_column_read_for_the_best() -> None:
    table = ["--evaluator", "table", "--set", "evaluator_args.path=t.csv", "--name", "t", "--json"]
    columns = ["--set", "evaluator_args.metrics=[val]", "--set", "evaluator_args.test=test"]
    found = nas("search", "space.yaml", *table, *columns, "--candidates", 9).json
    assert found["best"]["test_val"] == 3 and found["best"]["val"] == pytest.approx(0.37)
    assert "test" not in "".join(pd.read_csv("results/t/candidates.csv").columns)


def test_a_table_of_several_numbers_of_epochs_is_searched_by_halving() -> None:
    levels = [pd.read_csv("t.csv").assign(epochs=epochs) for epochs in (1, 3)]
    pd.concat(levels).to_csv("epochs.csv", index=False)
    table = ["--evaluator", "table", "--set", "evaluator_args={path: epochs.csv, metrics: [val], test: test}"]
    search = ["search", "space.yaml", *table, "--set", "extra.epochs=[1,3]", "--strategy", "hyperband"]
    outcome = nas(*search, "--candidates", 5, "--name", "h")
    assert outcome.code == 0 and "15 epochs (hyperband)" in outcome.out + outcome.err
    rows = pd.read_csv("results/h/candidates.csv")
    epochs = [json.loads(each)["epochs"] for each in rows["architecture"]]
    assert epochs[:5] == [1, 1, 1, 3, 3] and sum(epochs) <= 15
    assert rows["feasible"].tolist() == [each == 3 for each in epochs]
    assert best("h")["architecture"]["epochs"] == 3 and "test_val" in best("h")
    page = Path("results/h/report.html").read_text()
    assert "hyperband" in page and nas("report", "h").code == 0


def test_a_result_that_is_no_number_cannot_be_used() -> None:
    assert (
        nas("search", "own_chip:SPACE", "--evaluator", "own_chip:sometimes_nan", "--name", "n", "--candidates", 18).code
        == 0
    )
    rows = pd.read_csv("results/n/candidates.csv")
    assert rows["feasible"].sum() == 9 and best("n")["score"] == 6


def test_a_function_that_fails_names_the_architecture_and_resume_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    run = ["search", "own_chip:SPACE", "--evaluator", "own_chip:fails", "--candidates", 18, "--name", "f"]
    outcome = nas(*run)
    assert outcome.code == 2
    assert "fails for architecture" in outcome.complaint and "RuntimeError: no licence" in outcome.complaint
    monkeypatch.setattr("own_chip.broken", False)
    asked: list[object] = []
    monkeypatch.setattr("own_chip.score", lambda architecture: asked.append(architecture) or 1.0)
    assert nas("resume", "f").code == 0
    assert 0 < len(asked) < 18 and len(pd.read_csv("results/f/candidates.csv")) == 18


def test_a_function_that_would_end_the_program_fails_as_others_do() -> None:
    outcome = nas("search", "own_chip:SPACE", "--evaluator", "own_chip:exits", "--name", "e")
    assert outcome.code == 2
    assert "fails for architecture" in outcome.complaint and "SystemExit: 5" in outcome.complaint


def test_a_function_that_hangs_is_ended() -> None:
    limit = ["--set", "evaluation.seconds=1", "--candidates", 5, "--set", "strategy=exhaustive", "--name", "h"]
    Path("own_chip.py").write_text(OWN.replace("== 5", "== 0 and architecture['b'] == 2"))
    assert nas("search", "own_chip:SPACE", "--evaluator", "own_chip:slow", *limit).code == 0
    assert pd.read_csv("results/h/candidates.csv")["feasible"].tolist() == [True, False, True, True, True]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["space.yaml"], "name what tells how good its architectures are: --evaluator table or module:function"),
        (["space.yaml", "--evaluator", "table"], "needs an option 'path'; give it in evaluator_args"),
        (["space.yaml", "--evaluator", "table", "--method", "darts"], "method is given, but a search without a model"),
        (["no.yaml", "--evaluator", "own_chip:score"], "space file no.yaml cannot be read"),
        (["own_chip:SPACE", "--evaluator", "own_chip:Class"], "is made of a nas.problem.Problem"),
        (["own_chip:SPACE", "--task", "digits"], "is a nas.Space, which has no model to train"),
        (["space.yaml", "--evaluator", "own_chip:score", "--constraint", "ms <= 5% of largest"], "write a number in"),
        (["space.yaml", "--evaluator", "own_chip:score", "--seeds", "3"], "by `nas benchmark`"),
        (["space.yaml", *SCORED, "--strategy", "asha"], "needs trainings of several lengths; give their epochs, such"),
        (["space.yaml", *SCORED, "--set", "extra.epochs=[a]"], "epochs are ['a']; give whole numbers of epochs"),
        (["space.yaml", *SCORED, "--set", "extra.depth=[1]"], "two spaces of a product have a choice 'depth'"),
        (["chain", "--set", "evaluation.seconds=3"], "evaluation.seconds bounds own functions"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(arguments: list[str], sentence: str) -> None:
    outcome = nas("search", *arguments)
    assert outcome.code == 2 and sentence in outcome.complaint
    assert not Path("results").exists()
