"""`nas retrain`: many recipes for the best networks of a run, and the best of all in its place."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
import torch
from one_ray import address
from searched import ASKED, own_copy

from nas.data import ImageSplit, load
from nas.delivery.exported import ExportedNetwork
from nas.delivery.rebuilding import description_of, load_network
from nas.distributed import connected
from nas.errors import UsageError
from nas.evaluation import evaluate
from nas.files import write_file
from nas.report.retraining import retraining_sentence
from nas.retraining import run as retraining
from nas.retraining.run import retrain_run
from nas.runs import run_search
from nas.runs.export import export_architecture
from nas.setup import RunConfig, RunFolder, Setup
from nas.setup.config import RayConfig
from nas.training import load_checkpoint


@pytest.fixture(scope="module")
def retrained(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunFolder, dict[str, Any]]]:
    """A run with a poor file that was retrained under Ray, what was told, and which splits were read meanwhile."""
    folder = own_copy(finished, tmp_path_factory.mktemp("retrained"))
    setup = Setup(folder.load_config())
    untrained = setup.supernet.extract(setup.space.largest()).eval()
    poor = write_file(folder.onnx, ExportedNetwork(setup, untrained, folder.onnx, setup.inputs).model).read_bytes()
    read: list[int] = []
    evaluate, evaluate_file = Setup.evaluate, ExportedNetwork.evaluate

    def counted(setup: Setup, network: torch.nn.Module, split: ImageSplit, architecture: Any) -> dict[str, float]:
        read.append(len(split))
        return evaluate(setup, network, split, architecture)

    def counted_file(exported: ExportedNetwork, split: ImageSplit) -> dict[str, float]:
        read.append(len(split))
        return evaluate_file(exported, split)

    with connected(address()):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Setup, "evaluate", counted)
            patch.setattr(ExportedNetwork, "evaluate", counted_file)
            report = retrain_run(folder, folder.load_config(), **ASKED)
        yield folder, {**report, "read": read, "poor": poor}


def data_of(config: RunConfig) -> Any:
    """What confirms and tests."""
    data = load(config.task, limit=config.limit)
    return replace(data, validation=Setup(config).confirmation)


def test_the_onnx_file_is_the_network_of_the_best_trial(retrained: tuple[RunFolder, dict[str, Any]]) -> None:
    folder, report = retrained
    best, data = report["retrained"], data_of(folder.load_config())
    assert folder.read(folder.best)["retrained"] == best
    checkpoints = (folder.retraining / f"trials/trial-{best['trial']}").glob("*/network.safetensors")
    tensors, header = load_checkpoint(sorted(checkpoints)[-1])
    assert header["recipes"] == [best["recipe"]] and len(header["history"]) == best["epochs"]
    network = Setup(folder.load_config()).supernet.extract(best["architecture"])
    network.load_state_dict({name.removeprefix("model/"): t for name, t in tensors.items() if name.startswith("model")})
    x, y = next(data.validation.batches(len(data.validation)))
    pixels = data.validation.images.numpy()
    (output,) = onnxruntime.InferenceSession(folder.onnx).run(None, {"input": pixels})
    with torch.no_grad():
        expected = network.eval()(x).numpy()
    assert np.allclose(output, expected, atol=1e-4)
    assert (output.argmax(1) == y.numpy()).mean() == pytest.approx(best["accuracy"], abs=0.01)
    rebuilt = load_network(description_of(folder.onnx)).state_dict()
    assert all(torch.equal(rebuilt[name], tensor) for name, tensor in network.state_dict().items())
    tested = evaluate(network, data.test.batches(256), data.task)
    assert tested["accuracy"] == pytest.approx(best["test_accuracy"], abs=0.01)
    described = {entry.key: json.loads(entry.value) for entry in onnx.load(folder.onnx).metadata_props}
    assert described["architecture"] == best["architecture"]
    assert described["metrics"]["test_accuracy"] == best["test_accuracy"]


def test_the_test_split_is_read_once_for_the_winner_alone(retrained: tuple[RunFolder, dict[str, Any]]) -> None:
    folder, report = retrained
    data = data_of(folder.load_config())
    assert report["read"] == [*[len(data.validation)] * 3, len(data.test)], "network, file, delivered file, test"
    assert not any("test" in column for column in pd.read_csv(folder.path / "retrained.csv"))


def test_the_table_has_a_row_for_each_trial_the_best_first(retrained: tuple[RunFolder, dict[str, Any]]) -> None:
    folder, report = retrained
    table = pd.read_csv(folder.path / "retrained.csv")
    twin = pd.read_parquet(folder.path / "retrained.parquet")
    pd.testing.assert_frame_equal(table.drop(columns="error"), twin.drop(columns="error"))
    assert sorted(table["trial"]) == [0, 1, 2]
    assert table["accuracy"].is_monotonic_decreasing
    assert table["trial"][0] == report["retrained"]["trial"]
    assert set(table["state"]) <= {"finished", "stopped"} and (table["epochs"] <= table["planned_epochs"]).all()
    assert ((table["epochs"] < table["planned_epochs"]) == (table["state"] == "stopped")).all()
    front = folder.read(folder.best)["front"][: ASKED["top"]]
    assert set(table["id"]) <= {row["id"] for row in front}


def test_what_the_run_measured_stays_beside_the_new_metrics(retrained: tuple[RunFolder, dict[str, Any]]) -> None:
    folder, report = retrained
    result, best = folder.read(folder.best), report["retrained"]
    (before,) = (row for row in result["front"] if row["id"] == best["id"])
    for name in ("latency_source", "flops", "params"):
        assert best[name] == before[name]
    measured = [json.loads(line)["network"] for line in folder.finalists.read_text().splitlines()]
    assert sum(name.startswith("file ") for name in measured) == 2  # the search's and the retrained one
    assert best["shared_accuracy"] == before["accuracy"]
    assert folder.is_complete


def test_the_same_again_gives_the_same_and_trains_nothing(
    retrained: tuple[RunFolder, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, report = retrained
    monkeypatch.setattr(retraining, "run_trials", None)
    again = retrain_run(folder, folder.load_config(), **ASKED)
    assert again == {name: value for name, value in report.items() if name not in ("read", "poor")}


@pytest.mark.parametrize("change", [{"top": 1}, {"trials": 4}, {"epochs": 3}, {"seed": 7}], ids=str)
def test_another_retraining_of_the_run_is_refused(
    change: dict[str, int], retrained: tuple[RunFolder, dict[str, Any]]
) -> None:
    folder, _ = retrained
    (name,) = change
    before = folder.best.read_bytes()
    told = "architectures" if name == "top" else name
    with pytest.raises(UsageError, match=rf"retrain holds a retraining with {told}=.* delete that folder"):
        retrain_run(folder, folder.load_config(), **{**ASKED, **change})
    assert folder.best.read_bytes() == before


def test_a_kill_before_the_result_is_written_costs_no_training(
    retrained: tuple[RunFolder, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, report = retrained
    folder = own_copy(original.path, tmp_path)
    result = folder.read(folder.best)
    del result["retrained"]
    write_file(folder.best, json.dumps(result))
    folder.onnx.write_bytes(b"")
    (folder.path / "retrained.parquet").unlink()
    log = [path.stat().st_mtime_ns for path in sorted(folder.retraining.rglob("network.safetensors"))]
    again = retrain_run(folder, folder.load_config(), **ASKED)
    assert again["retrained"] == report["retrained"] and again["trials"] == report["trials"]
    assert log == [path.stat().st_mtime_ns for path in sorted(folder.retraining.rglob("network.safetensors"))]
    onnx.checker.check_model(onnx.load(folder.onnx))


def test_the_file_that_was_there_is_kept_and_the_page_tells_of_the_new_one(
    retrained: tuple[RunFolder, dict[str, Any]],
) -> None:
    folder, report = retrained
    best = report["retrained"]
    assert best["delivered"] and best["after"] > best["before"]
    assert (folder.path / best["former"]).read_bytes() == report["poor"]
    page = folder.report.read_text("utf-8")
    assert retraining_sentence("accuracy", best) in page
    assert "best.onnx (float32, " + f"{len(folder.onnx.read_bytes()):,} bytes)" in page


def test_best_json_and_export_tell_of_the_network_that_is_handed_over(
    retrained: tuple[RunFolder, dict[str, Any]], tmp_path: Path
) -> None:
    """They told of the former file, and the former network was exported."""
    folder, report = retrained
    result, content = folder.read(folder.best), folder.onnx.read_bytes()
    best, former = result["best"], result["former"]
    assert best["file"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert (best["file"]["name"], best["file"]["bytes"]) == ("best.onnx", len(content))
    assert best["accuracy"] == report["retrained"]["accuracy"] == pytest.approx(report["retrained"]["after"], abs=0.01)
    assert former["file"]["name"] == report["retrained"]["former"] and "trial" not in former
    export_architecture(folder, None, tmp_path / "again.onnx")
    mine, theirs = (
        {each.name: onnx.numpy_helper.to_array(each) for each in onnx.load(file).graph.initializer}
        for file in (folder.onnx, tmp_path / "again.onnx")
    )
    assert mine.keys() == theirs.keys() and all(np.array_equal(mine[name], theirs[name]) for name in mine)


@pytest.mark.parametrize("gone", ["report.html", "best.json", "candidates.csv", "best.onnx"])
def test_what_is_made_again_keeps_the_retrained_network(
    gone: str, retrained: tuple[RunFolder, dict[str, Any]], tmp_path: Path
) -> None:
    """The better file was overwritten with that of the search, which the advice to delete and resume led to."""
    original, _ = retrained
    folder = own_copy(original.path, tmp_path)
    content, result = folder.onnx.read_bytes(), folder.read(folder.best)
    (folder.path / gone).unlink()
    run_search(folder.load_config(), folder)
    assert folder.onnx.read_bytes() == content
    again = folder.read(folder.best)
    assert all(again[name] == result[name] for name in ("best", "former", "retrained"))
    assert retraining_sentence("accuracy", result["retrained"]) in folder.report.read_text("utf-8")


def test_a_network_that_is_as_good_is_not_replaced(
    retrained: tuple[RunFolder, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The very network that the trials find is there already."""
    original, _ = retrained
    folder = own_copy(original.path, tmp_path)
    result = folder.read(folder.best)
    del result["retrained"]
    write_file(folder.best, json.dumps(result))
    (folder.path / "delivered.json").unlink()
    for file in folder.path.glob("best-before*"):
        file.unlink()
    before = folder.onnx.read_bytes()
    read: list[int] = []
    evaluate_file = ExportedNetwork.evaluate

    def counted(exported: ExportedNetwork, split: ImageSplit) -> dict[str, float]:
        read.append(len(split))
        return evaluate_file(exported, split)

    monkeypatch.setattr(ExportedNetwork, "evaluate", counted)
    kept = retrain_run(folder, folder.load_config(), **ASKED)["retrained"]
    assert folder.onnx.read_bytes() == before and not list(folder.path.glob("best-before*"))
    assert (kept["delivered"], kept["former"], kept["before"]) == (False, None, kept["after"])
    assert len(read) == 1 and not any(name.startswith("test_") for name in kept), "a loser is not tested"
    assert folder.read(folder.best) == {**result, "retrained": kept}
    page = folder.report.read_text("utf-8")
    assert "found nothing better than the network that best.onnx holds" in page


def test_a_damaged_table_is_named_and_made_again(retrained: tuple[RunFolder, dict[str, Any]], tmp_path: Path) -> None:
    original, report = retrained
    folder = own_copy(original.path, tmp_path)
    (folder.path / "retrained.parquet").write_bytes(b"no such thing")
    with pytest.raises(
        UsageError, match=r"retrained\.parquet is damaged .*; delete it and give the same command again"
    ):
        retrain_run(folder, folder.load_config(), **ASKED)
    (folder.path / "retrained.parquet").unlink()
    assert retrain_run(folder, folder.load_config(), **ASKED)["trials"] == report["trials"]
    write_file(folder.retraining / "settings.json", "{}")
    with pytest.raises(
        UsageError, match=r"settings\.json is damaged \(it has no 'begun'\); delete the folder .*retrain"
    ):
        retrain_run(folder, folder.load_config(), **ASKED)


def test_a_damaged_file_cannot_compete(retrained: tuple[RunFolder, dict[str, Any]], tmp_path: Path) -> None:
    original, _ = retrained
    folder = own_copy(original.path, tmp_path)
    result = folder.read(folder.best)
    del result["retrained"]
    write_file(folder.best, json.dumps(result))
    (folder.path / "delivered.json").unlink()
    folder.onnx.write_bytes(b"no such thing")
    with pytest.raises(UsageError, match=r"best\.onnx is damaged .*; delete it and resume the run to make it again"):
        retrain_run(folder, folder.load_config(), **ASKED)


def test_more_than_the_cluster_has_is_refused(retrained: tuple[RunFolder, dict[str, Any]], folder: RunFolder) -> None:
    config = folder.load_config()
    for place, sentence in (
        ({"workers": 4096}, "workers is 4096, which takes 4096 CPUs for 4096 workers, but the cluster has"),
        ({"ray": RayConfig(gpus_per_worker=64)}, "workers is 1, which takes 64 GPUs for 1 workers, but the cluster"),
    ):
        with pytest.raises(UsageError, match=sentence):
            retrain_run(folder, config.model_copy(update=place), **ASKED)
    assert not folder.retraining.exists(), "a mistake settles nothing"
