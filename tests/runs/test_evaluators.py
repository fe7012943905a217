"""Runs whose candidates are evaluated otherwise than with shared weights."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from killing import CHAIN, outcome, resume, run, search

from nas.delivery.checks import check_scores
from nas.errors import UsageError
from nas.evaluation import MakesNetworks
from nas.ranking.run import rank_runs
from nas.runs import run_search
from nas.runs.export import export_architecture
from nas.setup import RunFolder, Setup, resolve
from nas.space import Architecture
from nas.training import load_checkpoint

ALONE: dict[str, Any] = {
    **CHAIN,
    "evaluator": "standalone",
    "evaluator_args": {"epochs": 6},
    "retraining": {"batch_size": 25, "learning_rate": 0.1},
    "strategy": "random",
    "candidates": 6,
}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunFolder, dict[str, Any]]]:
    """A finished run in which each candidate was trained by itself."""
    folder = RunFolder(tmp_path_factory.mktemp("alone") / "run")
    yield folder, run_search(resolve(ALONE, "test"), folder)


def test_what_was_judged_alone_is_delivered(alone: tuple[RunFolder, dict[str, Any]]) -> None:
    folder, result = alone
    best = result["best"]
    files = sorted(path.name for path in folder.supernet.parent.iterdir())
    table = pd.read_csv(folder.candidates)
    draws = pd.read_csv(folder.path / "random.csv")
    trained = {*table["id"], *draws["id"], result["largest"]["id"]}
    assert files == sorted(f"alone-{name}.safetensors" for name in trained), "no supernet, and none trained twice"
    before = {name: (folder.supernet.parent / name).stat().st_mtime_ns for name in files}
    setup = Setup(resolve(ALONE, "test"), folder.path)
    assert isinstance(setup.evaluator, MakesNetworks)
    chosen = Architecture(best["architecture"])
    network = setup.evaluator.network(chosen)
    assert setup.evaluate(network, setup.data.validation, chosen)["accuracy"] == best["selection_accuracy"]
    assert setup.evaluate(network, setup.confirmation, chosen)["accuracy"] == pytest.approx(best["accuracy"], abs=0.006)
    assert setup.evaluate(network, setup.data.test, chosen)["accuracy"] == best["test_accuracy"]
    assert before == {name: (folder.supernet.parent / name).stat().st_mtime_ns for name in files}
    assert {"best", "equals", "within", "of", "differ"} == set(result["selection"]), "examples tell who is equal"
    assert "test_accuracy" in result["random"] and "shared_accuracy" not in best


def test_another_of_its_networks_is_exported_as_it_was_judged(
    alone: tuple[RunFolder, dict[str, Any]], tmp_path: Path
) -> None:
    folder, result = alone
    row = next(each for each in result["front"] if each["id"] != result["best"]["id"] or len(result["front"]) == 1)
    files = sorted(folder.supernet.parent.iterdir())
    told = export_architecture(folder, row["id"], tmp_path / "other.onnx")
    assert told["accuracy"] == pytest.approx(row["accuracy"], abs=0.006) and (tmp_path / "other.onnx").exists()
    assert sorted(folder.supernet.parent.iterdir()) == files, "nothing is trained for it"
    with pytest.raises(UsageError, match="trained no supernet: evaluator 'standalone' evaluated its candidates"):
        rank_runs([folder], tmp_path / "truth.csv", ["top"])


def test_candidates_are_trained_for_as_many_epochs_as_the_strategy_says(tmp_path: Path) -> None:
    changes = {"evaluator_args": {}, "extra": {"epochs": [1, 3]}, "strategy": "hyperband", "random_baseline": 2}
    folder = RunFolder(tmp_path / "run")
    result = run_search(resolve({**ALONE, **changes, "candidates": 4}, "test"), folder)
    table = pd.read_csv(folder.candidates)
    epochs = [json.loads(each)["epochs"] for each in table["architecture"]]
    assert epochs[:4] == [1, 1, 1, 3] and sum(epochs) <= 12
    assert table["feasible"].tolist() == [each == 3 for each in epochs]
    assert result["best"]["architecture"]["epochs"] == result["largest"]["architecture"]["epochs"] == 3
    assert {json.loads(each)["epochs"] for each in pd.read_csv(folder.path / "random.csv")["architecture"]} == {3}
    kept = folder.path / "checkpoints"
    assert {f"alone-{each}.safetensors" for each in table["id"]} <= {each.name for each in kept.iterdir()}
    short, long = (load_checkpoint(kept / f"alone-{table['id'][row]}.safetensors")[1] for row in (0, 3))
    assert (len(short["history"]), len(long["history"])) == (1, 3)


@pytest.mark.slow
def test_a_run_of_it_that_was_killed_ends_alike(alone: tuple[RunFolder, dict[str, Any]], tmp_path: Path) -> None:
    kept = tmp_path / "run/checkpoints"
    assert not run(search(tmp_path, ALONE), lambda: kept.exists() and len(list(kept.glob("alone-*"))) == 3)
    finished = {path: path.stat().st_mtime_ns for path in sorted(kept.iterdir(), key=lambda each: each.stat().st_mtime)}
    assert run(resume(tmp_path))
    assert outcome(tmp_path) == outcome(alone[0].path.parent)
    assert all(path.stat().st_mtime_ns == written for path, written in list(finished.items())[:-1])


@pytest.mark.slow
def test_two_workers_train_candidates_as_one_process_does(
    alone: tuple[RunFolder, dict[str, Any]], tmp_path: Path
) -> None:
    run_search(resolve({**ALONE, "workers": 2}, "test"), RunFolder(tmp_path / "run"))
    assert outcome(tmp_path) == outcome(alone[0].path.parent)


@pytest.mark.slow
def test_it_may_be_trained_again_for_longer(tmp_path: Path) -> None:
    asked = {**ALONE, "evaluator_args": {"epochs": 1}, "retrain": "fresh", "candidates": 3, "random_baseline": 2}
    asked["retraining"] = {**ALONE["retraining"], "epochs": 12}
    result = run_search(resolve(asked, "test"), RunFolder(tmp_path / "run"))
    assert "searched_accuracy" in result["best"] and "shared_accuracy" not in result["best"]
    assert {"test_accuracy"} < set(result["random"]["chosen"])


def test_the_method_has_no_say(tmp_path: Path) -> None:
    plain, other = (resolve({**ALONE, "method": method}, "test") for method in ("bignas", "darts"))
    assert plain == other.model_copy(update={"method": "bignas"})
    setup = Setup(other)
    assert setup.searched is setup.supernet and not setup.is_differentiable
    notes = run_search(resolve({**ALONE, "candidates": 1, "random_baseline": 0}, "test"), RunFolder(tmp_path / "run"))
    assert "Evaluator 'standalone' evaluates candidates without a supernet, so none is trained" in notes["notes"][0]


def test_another_network_than_was_judged_is_not_delivered(alone: tuple[RunFolder, dict[str, Any]]) -> None:
    folder, result = alone
    best = result["best"]
    row = {"id": best["id"], "architecture": json.dumps(best["architecture"])}
    setup = Setup(resolve(ALONE, "test"), folder.path)
    check_scores(setup, {**row, "accuracy": best["selection_accuracy"]})
    with pytest.raises(UsageError, match=f"evaluated architecture {best['id']} with accuracy .*, but the network"):
        check_scores(setup, {**row, "accuracy": best["selection_accuracy"] - 0.02})


def test_known_results_are_searched_and_the_chosen_network_is_trained(tmp_path: Path) -> None:
    space = Setup(resolve(CHAIN, "test")).space
    rows = [{"architecture": each.key, "val": len(set(each.values())) / 3, "loss": 1.0} for each in space]
    pd.DataFrame(rows).to_parquet(tmp_path / "known.parquet")
    asked = {
        **CHAIN,
        "evaluator": "table",
        "evaluator_args": {"path": str(tmp_path / "known.parquet"), "metrics": ["val", "loss"]},
        "objective": "maximise val",
        "strategy": "exhaustive",
        "candidates": 27,
        "random_baseline": 2,
        "retraining": {"epochs": 1},
    }
    result = run_search(resolve(asked, "test"), RunFolder(tmp_path / "run"))
    assert result["best"]["val"] == 1.0 and {"accuracy", "test_accuracy", "loss"} <= set(result["best"])
    assert result["random"]["chosen"] == {"val": 1.0}


@pytest.mark.slow
def test_results_are_kept_under_the_name_and_the_options(tmp_path: Path) -> None:
    first = resolve({**ALONE, "candidates": 2, "random_baseline": 0, "evaluator_args": {"epochs": 1}}, "test")
    second = first.model_copy(update={"evaluator_args": {"epochs": 2}})
    storage = f"sqlite:///{tmp_path / 'shared.db'}"
    for number, config in enumerate((first, second)):
        run_search(config.model_copy(update={"storage": storage, "study": "one"}), RunFolder(tmp_path / str(number)))
    import optuna

    trials = optuna.load_study(study_name="one", storage=storage).trials
    assert {trial.user_attrs["key"][1] for trial in trials} == {'standalone {"epochs": 1}', 'standalone {"epochs": 2}'}
