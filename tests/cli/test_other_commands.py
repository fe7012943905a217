"""`nas resume`, `nas export`, `nas profile` and `nas list`."""

import json
from pathlib import Path
from typing import Any

import onnx
import pandas as pd
import pytest
from command_line import TINY, Outcome, leftovers, nas, write_config

from nas.costs import StaticCosts
from nas.data import available
from nas.delivery.networks import restore_trained
from nas.hardware import available_targets
from nas.methods import METHODS
from nas.search import STRATEGIES
from nas.setup import RunFolder, Setup
from nas.space import Architecture

EXPORTED = ["onnx", "architecture", "metric", "accuracy", "accuracy_low", "accuracy_high", "loss", "params", "flops"]
EXPORTED += ["peak_memory_bytes", "weight_bytes", "weight_bytes_int8", "latency_ms", "latency_spread_ms"]
EXPORTED += ["latency_source", "file", "parity"]


def metadata(file: str | Path) -> dict[str, Any]:
    return {entry.key: json.loads(entry.value) for entry in onnx.load(file).metadata_props}


def test_resuming_a_finished_run_gives_the_same_object(finished: tuple[Path, Outcome]) -> None:
    outcome = nas("resume", "tiny", "--results", finished[0], "--json")
    assert outcome.json == finished[1].json
    assert outcome.err == ""


@pytest.mark.parametrize("missing", ["report.html", "best.json"])
def test_what_is_missing_is_made_again(missing: str, copied: Path, finished: tuple[Path, Outcome]) -> None:
    (copied / "tiny" / missing).unlink()
    outcome = nas("resume", "tiny", "--results", copied, "--json")
    assert (copied / "tiny" / missing).exists()
    for key, value in finished[1].json["best"].items():
        assert key.startswith("latency") or outcome.json["best"][key] == value


def test_export_of_the_best(copied: Path, finished: tuple[Path, Outcome]) -> None:
    outcome = nas("export", "tiny", "--results", copied, "--json")
    best, report = finished[1].json["best"], outcome.json
    assert list(report) == EXPORTED
    assert report["onnx"] == str(copied / "tiny" / f"{best['id']}.onnx")
    assert report["architecture"] == best["architecture"] == metadata(report["onnx"])["architecture"]
    assert {key: report[key] for key in ("params", "flops")} == {key: best[key] for key in ("params", "flops")}
    assert report["accuracy"] == pytest.approx(best["accuracy"], abs=0.003)
    assert report["parity"]["label_agreement"] >= 0.99
    assert outcome.out.count("\n") == 1


def test_export_for_nni_can_be_read_again(copied: Path, tmp_path: Path) -> None:
    run = ["tiny", "--results", copied]
    outcome = nas("export", *run, "--format", "nni", "--out", tmp_path / "best.nni.json", "--json")
    space, best = (json.loads(Path(outcome.json[key]).read_text()) for key in ("search_space", "architecture_file"))
    assert best == outcome.json["architecture"] and list(best) == list(space)
    assert all(best[name] in described["_value"] for name, described in space.items())
    again = nas("export", *run, "--architecture", tmp_path / "best.nni.json", "--json")
    assert again.json["architecture"].items() <= best.items()


def test_export_for_nni_has_no_input_form_and_a_missing_file_is_told(copied: Path, tmp_path: Path) -> None:
    run = ["export", "tiny", "--results", copied]
    refused = nas(*run, "--format", "nni", "--input", "bytes")
    assert refused.code == 2 and "--input says what an ONNX file reads" in refused.complaint
    refused = nas(*run, "--architecture", tmp_path / "none.json")
    assert refused.code == 2 and f"architecture file {tmp_path / 'none.json'} cannot be read" in refused.complaint


@pytest.mark.parametrize("by", ["id", "JSON"])
def test_export_of_another_architecture(by: str, copied: Path, tmp_path: Path) -> None:
    folder = RunFolder(copied / "tiny")
    row, setup = pd.read_csv(folder.candidates).iloc[-1], Setup(folder.load_config())
    restore_trained(setup, folder)
    (tally,) = setup.evaluator.tallies([Architecture.from_json(row["architecture"])], setup.confirmation)
    wanted, out = row["id"] if by == "id" else row["architecture"], tmp_path / "new" / "network.onnx"
    outcome = nas("export", "tiny", "--architecture", wanted, "--out", out, "--results", copied, "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json["architecture"] == json.loads(row["architecture"]) == metadata(out)["architecture"]
    assert outcome.json["accuracy"] == pytest.approx(tally.metrics()["accuracy"], abs=0.006)
    assert not leftovers(tmp_path)


def test_export_without_json_is_two_lines(copied: Path) -> None:
    outcome = nas("export", "tiny", "--results", copied)
    assert len(outcome.out.splitlines()) == 2
    assert " reads float32 [batch, 1, 8, 8]: grey pixels from 0 to 1." in outcome.out
    assert "agrees with PyTorch" in outcome.err


def test_export_into_a_folder_is_refused(copied: Path) -> None:
    outcome = nas("export", "tiny", "--results", copied, "--out", copied)
    assert outcome.code == 2
    assert outcome.complaint == f"nas: {copied} cannot be read or written: Is a directory."


def test_profile_tells_costs_and_trains_nothing(tmp_path: Path) -> None:
    config = write_config(tmp_path, constraints=["latency_ms <= 99% of largest", "params <= 1"])
    outcome = nas("profile", "--config", config, "--results", tmp_path / "results", "--json")
    assert outcome.code == 0, outcome.err
    report = outcome.json
    assert list(report) == ["space", "target", "input_shape", "predictor", "feasibility"]
    assert (report["space"], report["target"]) == ("chain", "onnxruntime")
    names = ["kind", "samples", "within_5pct", "within_10pct", "spearman", "mape", "noise_floor"]
    assert list(report["predictor"]) == names and report["predictor"]["kind"] in ("linear", "regression")
    assert report["predictor"]["samples"] == TINY["profile"]["networks"]
    feasibility = report["feasibility"]
    assert feasibility["architectures"] == 27
    assert set(feasibility["costs"]) == {*StaticCosts.names, "latency_ms"}
    for row in map(feasibility["costs"].__getitem__, StaticCosts.names):
        assert row["smallest"] <= row["median"] <= row["largest"]
    assert feasibility["satisfied"]["params <= 1"] == 0
    assert 0 < feasibility["satisfied"]["latency_ms <= 99% of largest"] <= 1
    (folder,) = (tmp_path / "results").iterdir()
    assert folder.name == "profile-chain-onnxruntime"
    assert json.loads((folder / "profile.json").read_text()) == report
    assert not (folder / "checkpoints").exists()
    again = nas("profile", "--config", config, "--results", tmp_path / "results", "--name", folder.name)
    assert again.code == 0 and "; input 1x8x8; target onnxruntime" in again.out
    assert report["input_shape"] == [1, 8, 8] and "predictor:" in again.out and "Measuring" not in again.err


def test_resuming_a_profile_ends_as_the_profile(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    first = nas("profile", "--config", config, "--results", tmp_path / "results", "--json").json
    (folder,) = (tmp_path / "results").iterdir()
    (folder / "profile.json").unlink()
    outcome = nas("resume", folder.name, "--results", tmp_path / "results", "--json")
    assert outcome.json == first == json.loads((folder / "profile.json").read_text())
    assert not (folder / "best.json").exists() and not (folder / "checkpoints").exists()


@pytest.mark.parametrize(
    ("command", "told", "untold"),
    [
        (["profile"], ["by default profile-space-target", "a column of it", "--table"], ["space-data-method"]),
        (["search"], ["by default space-data-method", "--table", "--column", "an imported device has its own"], []),
        (["device", "pack"], ["NAME@PLATFORM"], ["column"]),
        (["device", "import"], ["NAME@PLATFORM"], ["column"]),
        (["resume"], ["search or a profile, or devices/NAME"], []),
    ],
    ids=" ".join,
)
def test_help_tells_what_the_command_does(command: list[str], told: list[str], untold: list[str]) -> None:
    text = " ".join(nas(*command, "--help").out.split()).replace("- ", "-")
    assert all(each in text for each in told), text
    assert not any(each in text for each in untold), text


@pytest.mark.parametrize(
    ("what", "names"),
    [
        ("spaces", ["chain", "mobilenet", "nasbench201"]),
        ("methods", METHODS),
        ("strategies", STRATEGIES),
        ("evaluators", ["shared-weights", "standalone", "table"]),
        ("costs", ["flops", "latency_ms"]),
        ("targets", available_targets()),
        ("tasks", available()),
        ("data", available()),
    ],
)
def test_everything_is_listed(what: str, names: list[str]) -> None:
    rows = nas("list", what, "--json").json
    assert {row["name"] for row in rows} >= set(names)
    assert all(isinstance(value, str) and value for row in rows for value in row.values())
    table = nas("list", what)
    assert table.code == 0
    assert len(table.out.splitlines()) > len(rows)
