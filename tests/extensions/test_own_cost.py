"""A cost of a user: counted, bounded, minimised and reported like those that ship."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from command import best, candidates, done, nas, search, tail_of, without_measurements

from nas import cli

HERE = Path(__file__).parent
OWN = {"costs": ["mine:bops", "mine:layers"], "costs_args": {"mine:bops": {"bits": 4}}, "cost": "bops"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with the user's module in it."""
    shutil.copy(HERE / "own_cost.py", tmp_path / "mine.py")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("mine", None)


@pytest.mark.slow
def test_a_cost_goes_all_the_way_killed_and_resumed_and_with_two_workers(folder: Path) -> None:
    asked = {**OWN, "constraints": ["bops <= 60% of largest", "layers <= 7"]}
    done(search(folder, "whole", asked))
    found = best(folder, "whole")
    assert found["cost"] == "bops" and found["own_costs"] == ["bops", "layers"]
    assert 0 < found["best"]["bops"] <= 0.6 * found["largest"]["bops"]
    assert found["best"]["bops"] == 8 * found["best"]["flops"] and found["best"]["layers"] <= 7
    table = pd.read_csv(folder / "results/whole/candidates.csv")
    assert (table["bops"] == 8 * table["flops"]).all() and table["layers"].between(1, 7).all()
    page = (folder / "results/whole/report.html").read_text()
    assert "<h3>Bops</h3>" in page and ">Layers</button>" in page and "Its bops: " in page

    assert search(folder, "cut", asked, kill_when=lambda: '"search", "event": "begin"' in tail_of(folder, "cut"))[0] < 0
    done(nas(folder, "resume", "cut"))
    done(search(folder, "two", asked, "--workers", "2", "--strategy", "random"))
    assert candidates(folder, "cut") == candidates(folder, "whole")
    assert without_measurements(best(folder, "cut")) == without_measurements(found)
    assert best(folder, "two")["best"]["bops"] <= 0.6 * found["largest"]["bops"]


@pytest.mark.slow
def test_a_ranking_is_compared_with_it(folder: Path) -> None:
    done(search(folder, "run", {"costs": ["mine:layers"], "candidates": 3, "random_baseline": 0}))
    table = pd.read_csv(folder / "results/run/candidates.csv")
    table.assign(top=range(3)).to_csv("truth.csv", index=False)
    done(nas(folder, "rank", "run", "--truth", "truth.csv", "--column", "top"))
    found = json.loads((folder / "results/run/ranking.json").read_text())
    assert list(found["costs"]) == ["flops", "params", "layers"]
    assert "layers" in pd.read_csv(folder / "results/run/ranking.csv")


@pytest.mark.slow
def test_constraints_on_it_are_checked_before_anything_is_trained(folder: Path) -> None:
    code, said = search(folder, "run", {**OWN, "constraints": ["bops <= 10"]})
    assert code == 2 and "constraint 'bops <= 10' is met by none of the" in said and "nearest has bops" in said
    assert not (folder / "results/run").exists()


@pytest.mark.slow
def test_a_profile_tells_how_much_of_the_space_it_leaves(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ("--set", "costs=[mine:layers]", "--constraint", "layers <= 4", "--set", "profile.samples=20")
    tiny = ("--set", "profile.seconds=0.5", "--samples", "6", "--set", "profile.held_out=3", "--data", "digits")
    with pytest.raises(SystemExit):
        cli.main(["profile", "chain", *given, *tiny])
    assert "layers <= 4: " in capsys.readouterr().out


def test_a_folder_of_somebody_else_imports_none_of_them(folder: Path) -> None:
    done(search(folder, "own", {**OWN, "candidates": 2}))
    shutil.move(folder / "results/own", folder / "results/theirs")
    (folder / "mine.py").write_text("raise SystemExit('it was imported')")
    (folder / "results/theirs/best.json").unlink()
    code, said = nas(folder, "resume", "theirs")
    assert code == 2 and "costs.0 'mine:bops', costs.1 'mine:layers'" in said and "imported" not in said


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("costs=[bops]", "cost 'bops' is not known; known are depth_to_width, stored_params."),
        ("costs=[nowhere:bops]", "cost 'nowhere:bops' names no importable module 'nowhere'"),
        ("costs=[mine:bop]", "cost 'mine:bop' is not there: module 'mine' has no 'bop'"),
        ("costs=[mine:Candidate]", "cost 'mine:Candidate' is the class Candidate, expected a function of a"),
        ("costs_args={'mine:bops':{bit: 4}}", "cost 'mine:bops' has no option 'bit'; did you mean 'bits'?"),
        ("costs_args={'mine:bops':{bits: four}}", "cost 'mine:bops' has bits 'four', but input should be a valid int"),
        ("costs_args={'mine:flops':{}}", "costs_args has options of 'mine:flops', which is none of costs; did you"),
        ("costs=[mine:bops,mine:bops]", "cost 'mine:bops' gives the column 'bops', but another gives it too"),
        ("costs=[mine:bops,mine:broken]", "cost 'mine:broken' fails for architecture"),
        ("costs=[mine:test_accuracy]", "cost 'mine:test_accuracy' gives the column 'test_accuracy', but another gives"),
        ("costs=[mine:bops,mine:huge]", "cost 'mine:huge' fails for architecture"),
        ("costs=[mine:bops,mine:absent]", "nas: the table of costs is not there; build it."),
        ("cost=bop", "cost 'bop' is not known; did you mean 'bops'?"),
    ],
)
def test_what_is_wrong_with_them_is_a_sentence(
    change: str, sentence: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["search", "chain", "--data", "digits", "--set", "costs=[mine:bops]", "--set", change, "--name", "run"]
    with pytest.raises(SystemExit) as ended:
        cli.main(given)
    assert ended.value.code == 2
    assert sentence in " ".join(capsys.readouterr().err.split())
    assert not (folder / "results/run").exists()
