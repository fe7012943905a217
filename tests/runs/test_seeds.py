"""Several seeds side by side: each is the run that it would be alone."""

from pathlib import Path
from statistics import mean, stdev

import pytest
from killing import CHAIN, outcome

from nas.errors import UsageError
from nas.runs import run_search, run_seeds
from nas.setup import RunFolder, resolve

SETTINGS = {**CHAIN, "strategy": "random", "candidates": 10, "random_baseline": 0, "training": {"epochs": 1}}


@pytest.mark.slow
def test_each_seed_is_the_run_that_it_would_be_alone(tmp_path: Path) -> None:
    report = run_seeds(resolve({**SETTINGS, "seed": 4}, "test"), 2, tmp_path, "run")
    assert [run["run"] for run in report["runs"]] == ["run-seed4", "run-seed5"]
    tested = [run["best"]["test_accuracy"] for run in report["runs"]]
    assert (report["mean"], report["spread"]) == (mean(tested), stdev(tested))
    run_search(resolve({**SETTINGS, "seed": 5}, "test"), RunFolder(tmp_path / "alone/run"))
    (tmp_path / "beside").mkdir()
    (tmp_path / "run-seed5").rename(tmp_path / "beside/run")
    assert outcome(tmp_path / "beside")[0] == outcome(tmp_path / "alone")[0]


@pytest.mark.parametrize("place", [{"train_workers": 2}, {"measure_on": "board"}])
def test_a_search_that_needs_several_processes_is_not_one_of_several(place: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="drop --measure-on and --train-workers"):
        run_seeds(resolve({**SETTINGS, "ray": place}, "test"), 2, tmp_path / "new", "run")
    assert not (tmp_path / "new").exists()
