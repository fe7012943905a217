"""`nas search` from data to the ONNX file, and the JSON object that it prints."""

import json
import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
import yaml
from command_line import TINY, Outcome, leftovers, nas, search_arguments

from nas.cli.app import app
from nas.cli.latency import device
from nas.costs import StaticCosts
from nas.data import load
from nas.search import STRATEGIES, needs_fidelity, needs_probabilities
from nas.setup import RunFolder, resolve

RESULT = ["run", "space", "evaluator", "method", "sharing", "metric", "objective", "score", "cost", "own_costs"]
RESULT += ["best", "largest", "random", "front", "selection", "notes", "seconds"]
COSTS = list(StaticCosts.names)
FIGURES = ["accuracy", "accuracy_low", "accuracy_high", "loss"]
SELECTION = [f"selection_{name}" for name in FIGURES]
TEST = {f"test_{name}" for name in FIGURES[:3]}
ROW = {"id", "architecture", *FIGURES, *SELECTION, "optimism", *COSTS}
ROW |= {"latency_ms", "latency_spread_ms", "latency_source"}
COLUMNS = ["id", "architecture", *SELECTION, *COSTS, "latency_ms", "feasible", "pareto"]
COLUMNS += ["measured_latency_ms", "measured_spread_ms"]
FILES = [
    "best.json",
    "best.network.json",
    "best.onnx",
    "best.safetensors",
    "candidates.csv",
    "candidates.parquet",
    "checkpoints",
    "config.yaml",
    "finalists.jsonl",
    "log.jsonl",
    "random.csv",
    "random.parquet",
    "report.html",
    "run.json",
    "study.db",
]


def check_contract(result: dict[str, Any]) -> None:
    """The keys and types that scripts rely on."""
    assert list(result) == RESULT
    tested = [result["best"], result["largest"]]
    for row in [*tested, *result["front"]]:
        assert set(row) - {"file", "parity", "calibration_error"} == ROW | (TEST if row in tested else set())
        assert isinstance(row["architecture"], dict)
        assert all(isinstance(row[cost], int) and row[cost] > 0 for cost in COSTS)
        assert row["latency_source"] == "measured"
        assert row["latency_ms"] > 0 and 0 <= row["accuracy_low"] <= row["accuracy"] <= row["accuracy_high"] <= 1
    assert {"train", "search", "export"} <= set(result["seconds"])
    assert all(isinstance(value, float) for value in result["seconds"].values())
    best = result["best"]
    assert 0 <= best["calibration_error"] <= 1
    (row,) = (row for row in result["front"] if row["id"] == best["id"])
    own = {"accuracy", "accuracy_low", "accuracy_high", "loss"}
    assert {key: row[key] for key in ROW - own} == {key: best[key] for key in ROW - own}
    assert best["id"] in result["selection"]["equals"]
    assert row["optimism"] == row["selection_accuracy"] - row["accuracy"]
    assert set(result["best"]["file"]) == {"name", "dtype", "input", "answer", "bytes", "sha256"}


WHOLE = ("evolution", "tpe")
"""Strategies that run from data to network in every test run."""


@pytest.mark.parametrize(
    "name",
    [
        name if name in WHOLE else pytest.param(name, marks=pytest.mark.slow)
        for name in STRATEGIES
        if not (needs_probabilities(name) or needs_fidelity(name))
    ],
)
def test_every_strategy_goes_all_the_way(name: str, tmp_path: Path) -> None:
    outcome = nas(*search_arguments(tmp_path, "--strategy", name, "--name", "run"))
    assert outcome.code == 0, outcome.err
    check_contract(outcome.json)
    table = pd.read_csv(tmp_path / "results/run/candidates.csv")
    assert list(table.columns) == COLUMNS
    assert len(table) == table["id"].nunique() == TINY["candidates"]
    bound = 0.6 * outcome.json["largest"]["flops"]
    assert (table["flops"] <= bound).all()
    assert not leftovers(tmp_path)


def test_a_search_under_measured_latency(tmp_path: Path) -> None:
    constraint = "latency_ms <= 99% of largest"
    changes = {"constraints": [constraint], "random_baseline": 4, "evaluation": {"batch_size": 128}}
    outcome = nas(*search_arguments(tmp_path, "--name", "run", **changes))
    assert outcome.code == 0, outcome.err
    result = outcome.json
    check_contract(result)
    assert all(row["latency_ms"] <= 0.99 * result["largest"]["latency_ms"] for row in result["front"])
    folder = tmp_path / "results/run"
    measurements = [json.loads(line) for line in (folder / "measurements.jsonl").read_text().splitlines()]
    assert len({line["network"] for line in measurements}) == len(measurements)
    assert 6 + 4 < len(measurements) <= 6 + 5 + 5, "to learn from, to judge by and of the front"
    table = pd.read_csv(folder / "candidates.csv")
    assert list(table.columns) == COLUMNS
    measured = table[table["id"].isin([row["id"] for row in result["front"]])]
    assert measured["measured_latency_ms"].notna().all()
    assert re.search(r"Measuring up to 1[1-6] networks on onnxruntime", outcome.err)


@pytest.mark.parametrize(("method", "retrain"), [("spos", "fresh"), ("fairnas", "inherited")])
def test_methods_that_retrain(method: str, retrain: str, tmp_path: Path) -> None:
    settings = ["--set", "retraining.epochs=2", "--set", f"retrain={retrain}"]
    outcome = nas(*search_arguments(tmp_path, "--method", method, "--name", "run", *settings))
    assert outcome.code == 0, outcome.err
    best, largest = outcome.json["best"], outcome.json["largest"]
    assert outcome.json["method"] == method
    for row in (best, largest):
        assert (tmp_path / f"results/run/checkpoints/retrained-{row['id']}.safetensors").exists()
    log = [json.loads(line) for line in (tmp_path / "results/run/log.jsonl").read_text().splitlines()]
    assert [entry["epoch"] for entry in log if entry["stage"] == "retrain"] == [0, 1, 0, 1]
    table = pd.read_parquet(tmp_path / "results/run/candidates.parquet").set_index("id")
    assert best["selection_loss"] == table.loc[best["id"], "selection_loss"]
    (before,) = (row for row in outcome.json["front"] if row["id"] == best["id"])
    assert best["shared_accuracy"] == before["accuracy"]
    stays = any(note.startswith(f"{best['id']} keeps the weights of the supernet") for note in outcome.json["notes"])
    assert (best["loss"] == pytest.approx(before["loss"], rel=1e-5)) == stays, "what is said is what is delivered"


def test_a_bound_on_accuracy_that_no_random_candidate_reaches(finished: tuple[Path, Outcome], tmp_path: Path) -> None:
    table = pd.read_parquet(finished[0] / "tiny/candidates.parquet")
    best = table["selection_accuracy"].max()
    constraints = [*TINY["constraints"], f"accuracy >= {best}"]
    outcome = nas(*search_arguments(tmp_path, "--name", "run", constraints=constraints, random_baseline=1))
    assert outcome.code == 0, outcome.err
    assert [row["selection_accuracy"] for row in outcome.json["front"]] == [best]
    assert "Evaluating 1 random candidate" in outcome.err


def test_standard_output_is_one_json_object(finished: tuple[Path, Outcome]) -> None:
    _, outcome = finished
    assert outcome.out.count("\n") == 1
    check_contract(outcome.json)
    asked = {"run": "tiny", "space": "chain", "evaluator": "shared-weights", "method": "bignas"}
    assert {key: outcome.json[key] for key in RESULT[:4]} == asked


def test_the_folder_holds_what_was_promised(finished: tuple[Path, Outcome]) -> None:
    results, outcome = finished
    folder = results / "tiny"
    assert sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock")) == FILES
    stored = json.loads((folder / "best.json").read_text())
    assert {**stored, "seconds": outcome.json["seconds"]} == outcome.json
    assert "<html" in (folder / "report.html").read_text()
    assert not leftovers(results)


def test_the_tables_agree(finished: tuple[Path, Outcome]) -> None:
    folder = finished[0] / "tiny"
    table = pd.read_csv(folder / "candidates.csv")
    assert list(table.columns) == COLUMNS
    assert all(table[cost].dtype == "int64" for cost in COSTS)
    pd.testing.assert_frame_equal(pd.read_parquet(folder / "candidates.parquet"), table, check_dtype=False)
    front = table[table["pareto"]]
    assert set(front["id"]) == {row["id"] for row in finished[1].json["front"]}
    assert front["measured_latency_ms"].notna().all()
    assert front.sort_values("selection_accuracy")["flops"].is_monotonic_increasing


def test_the_configuration_can_be_used_again(finished: tuple[Path, Outcome], tmp_path: Path) -> None:
    folder = RunFolder(finished[0] / "tiny")
    config = folder.load_config()
    assert resolve(yaml.safe_load(folder.config.read_text()), "test") == config
    assert (
        config.model_dump(mode="json").items() >= {key: TINY[key] for key in ("space", "space_args", "limit")}.items()
    )
    outcome = nas("search", "--config", folder.config, "--results", tmp_path, "--name", "again", "--json")
    for key in ("best", "largest"):
        ours, theirs = (
            {name: value for name, value in result[key].items() if not name.startswith("latency")}
            for result in (outcome.json, finished[1].json)
        )
        assert ours == theirs


def test_the_network_runs_without_us_and_says_what_it_is(finished: tuple[Path, Outcome]) -> None:
    file, best = finished[0] / "tiny/best.onnx", finished[1].json["best"]
    metadata = {entry.key: json.loads(entry.value) for entry in onnx.load(file).metadata_props}
    assert metadata["architecture"] == best["architecture"]
    assert metadata["classes"] == [str(digit) for digit in range(10)]
    assert metadata["input_shape"] == [1, 8, 8]
    assert metadata["metrics"]["test_accuracy"] == best["test_accuracy"]
    assert "torch" in metadata["versions"]
    assert metadata["input"] == best["file"]["input"]
    content, data = file.read_bytes(), load("digits", limit=200)
    assert (len(content), sha256(content).hexdigest()) == (best["file"]["bytes"], best["file"]["sha256"])
    assert str(Path.cwd()).encode() not in content and str(file.parent).encode() not in content
    (logits,) = onnxruntime.InferenceSession(file).run(None, {"input": data.test.images.numpy()})
    correct = (np.asarray(logits).argmax(1) == data.test.labels.numpy()).mean()
    assert correct == best["test_accuracy"]


def test_the_same_search_under_one_name_is_the_same_run(copied: Path, finished: tuple[Path, Outcome]) -> None:
    before = {path: path.stat().st_mtime_ns for path in copied.rglob("*") if path.is_file()}
    config = copied / "tiny/config.yaml"
    outcome = nas("search", "--config", config, "--results", copied, "--name", "tiny", "--json")
    assert outcome.json == finished[1].json
    assert outcome.err == ""
    after = {path: path.stat().st_mtime_ns for path in copied.rglob("*") if path.is_file()}
    assert {path for path in after if before.get(path) != after[path]} <= {copied / "tiny/.lock"}


def test_a_name_is_found_where_none_is_given(copied: Path) -> None:
    config = copied / "tiny/config.yaml"
    (copied / "chain-digits-bignas").mkdir()
    assert nas("search", "--config", config, "--results", copied, "--json").json["run"] == "chain-digits-bignas-2"


def test_without_json_there_are_tables(copied: Path) -> None:
    outcome = nas("resume", "tiny", "--results", copied)
    assert outcome.code == 0
    assert "Pareto front" in outcome.out and "best.onnx" in outcome.out


def test_every_command_has_help() -> None:
    commands = [command.name or command.callback.__name__ for command in app.registered_commands if command.callback]
    known = [
        "benchmark",
        "compare",
        "controls",
        "export",
        "fetch",
        "init",
        "list",
        "parcel",
        "profile",
        "rank",
        "report",
        "resume",
        "retrain",
        "rm",
        "search",
        "show",
        "space-study",
        "submit",
        "watch",
    ]
    assert sorted(commands) == known
    below = [command.name or command.callback.__name__ for command in device.registered_commands if command.callback]
    assert sorted(below) == ["import", "pack"]
    for words in ([], *([command] for command in commands), ["device"], *(["device", command] for command in below)):
        outcome = nas(*words, "--help")
        assert outcome.code == 0 and "Usage" in outcome.out


def test_a_share_of_the_largest_accuracy_is_known_when_the_search_begins(tmp_path: Path) -> None:
    outcome = nas(*search_arguments(tmp_path, "--constraint", "accuracy >= 1% of largest", "--name", "run"))
    assert outcome.code == 0, outcome.err
    bound = 0.01 * outcome.json["largest"]["selection_accuracy"]
    assert all(row["selection_accuracy"] >= bound for row in outcome.json["front"])


def test_a_window_that_no_sample_meets_is_found(tmp_path: Path) -> None:
    """One of 27 architectures has these parameters; the smallest, the largest and one random one do not."""
    window = ["params <= 6700", "params >= 6600"]
    outcome = nas(*search_arguments(tmp_path, "--name", "run", constraints=window, profile={"samples": 1}))
    assert outcome.code == 0, outcome.err
    assert [row["params"] for row in outcome.json["front"]] == [6642]
