"""`nas retrain`: many recipes for the best networks of a run, and the best of all in its place."""

import hashlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
import torch
from killing import CHAIN, finish

from nas.data import Augment, ImageSplit, load
from nas.distributed import connected
from nas.distributed.trials import Outcome
from nas.errors import UsageError
from nas.evaluation import evaluate
from nas.files import write_file
from nas.report.retraining import retraining_sentence
from nas.runs import Bench, RunConfig, RunFolder, competing, resolve, retraining, run_search
from nas.runs.config import RayConfig
from nas.runs.deliver import export_architecture
from nas.runs.exported import ExportedNetwork
from nas.runs.retraining import retrain_run
from nas.runs.trial_plans import Plan, draw_plans
from nas.runs.trial_training import Trainer, packed
from nas.training import Recipe, load_checkpoint

SETTINGS = {**CHAIN, "candidates": 8, "random_baseline": 0, "training": {"epochs": 2}}
ASKED: dict[str, Any] = {"top": 2, "trials": 3, "epochs": 2}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("finished")
    finish(folder, SETTINGS)
    return folder / "run"


def own_copy(run: Path, there: Path) -> RunFolder:
    """The folder of a run elsewhere, which its owner says is still theirs."""
    folder = RunFolder(Path(shutil.copytree(run, there / "run")))
    folder.trust()
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> RunFolder:
    return own_copy(finished, tmp_path)


@pytest.fixture(scope="module")
def retrained(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunFolder, dict[str, Any]]]:
    """A run with a poor file that was retrained under Ray, what was told, and which splits were read meanwhile."""
    folder = own_copy(finished, tmp_path_factory.mktemp("retrained"))
    bench = Bench(folder.load_config())
    untrained = bench.supernet.extract(bench.space.largest()).eval()
    poor = write_file(folder.onnx, ExportedNetwork(bench, untrained, folder.onnx).model).read_bytes()
    read: list[int] = []
    judge, judge_file = Bench.judge, ExportedNetwork.judge

    def counted(bench: Bench, network: torch.nn.Module, split: ImageSplit) -> dict[str, float]:
        read.append(len(split))
        return judge(bench, network, split)

    def counted_file(exported: ExportedNetwork, split: ImageSplit) -> dict[str, float]:
        read.append(len(split))
        return judge_file(exported, split)

    with connected(cpus=2):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Bench, "judge", counted)
            patch.setattr(ExportedNetwork, "judge", counted_file)
            report = retrain_run(folder, folder.load_config(), **ASKED)
        yield folder, {**report, "read": read, "poor": poor}


def data_of(config: RunConfig) -> Any:
    """What confirms and tests."""
    data = load(config.data, limit=config.limit)
    return replace(data, validation=Bench(config).confirmation)


def test_the_onnx_file_is_the_network_of_the_best_trial(retrained: tuple[RunFolder, dict[str, Any]]) -> None:
    folder, report = retrained
    best, data = report["retrained"], data_of(folder.load_config())
    assert folder.read(folder.best)["retrained"] == best
    checkpoints = (folder.retraining / f"trials/trial-{best['trial']}").glob("*/network.safetensors")
    tensors, header = load_checkpoint(sorted(checkpoints)[-1])
    assert header["recipe"] == best["recipe"] and len(header["history"]) == best["epochs"]
    network = Bench(folder.load_config()).supernet.extract(best["architecture"])
    network.load_state_dict({name.removeprefix("model/"): t for name, t in tensors.items() if name.startswith("model")})
    x, y = next(data.validation.batches(len(data.validation)))
    pixels = data.validation.images.numpy()
    (output,) = onnxruntime.InferenceSession(folder.onnx).run(None, {"input": pixels})
    with torch.no_grad():
        expected = network.eval()(x).numpy()
    assert np.allclose(output, expected, atol=1e-4)
    assert (output.argmax(1) == y.numpy()).mean() == pytest.approx(best["accuracy"], abs=0.01)
    assert evaluate(network, data.test, 256)["accuracy"] == pytest.approx(best["test_accuracy"], abs=0.01)
    described = {entry.key: json.loads(entry.value) for entry in onnx.load(folder.onnx).metadata_props}
    assert described["architecture"] == best["architecture"]
    assert described["metrics"]["test_accuracy"] == best["test_accuracy"]


def test_the_test_split_is_read_once_for_the_winner_alone(retrained: tuple[RunFolder, dict[str, Any]]) -> None:
    folder, report = retrained
    data = data_of(folder.load_config())
    assert report["read"] == [*[len(data.validation)] * 3, len(data.test)], "judged, its file, that delivered, tested"
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


def test_a_single_image_does_not_decide(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(RunFolder(finished).load_config())
    count = len(bench.data.validation)

    def pretend(bench: Bench, file: bytes) -> SimpleNamespace:
        return SimpleNamespace(results=np.arange(count) < int(file))

    monkeypatch.setattr(competing, "_judged", pretend)
    assert not competing.is_better(bench, b"11", b"10") and not competing.is_better(bench, b"9", b"10")
    assert competing.is_better(bench, b"15", b"10")


def test_a_network_that_is_as_good_is_not_replaced(
    retrained: tuple[RunFolder, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The very network that the trials find is there already."""
    original, report = retrained
    folder = own_copy(original.path, tmp_path)
    result = folder.read(folder.best)
    del result["retrained"]
    write_file(folder.best, json.dumps(result))
    (folder.path / "delivered.json").unlink()
    (folder.path / report["retrained"]["former"]).unlink()
    before = folder.onnx.read_bytes()
    read: list[int] = []
    judge_file = ExportedNetwork.judge

    def counted(exported: ExportedNetwork, split: ImageSplit) -> dict[str, float]:
        read.append(len(split))
        return judge_file(exported, split)

    monkeypatch.setattr(ExportedNetwork, "judge", counted)
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


def test_where_every_trial_fails_nothing_is_replaced(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    before = folder.best.read_bytes(), folder.onnx.read_bytes()
    failed = [Outcome(number, "failed", 0, 0.0, error="training diverged in epoch 1") for number in range(3)]
    monkeypatch.setattr(retraining._Retraining, "train", lambda self: failed)
    with pytest.raises(UsageError, match="every trial failed, the first with: training diverged in epoch 1"):
        retrain_run(folder, folder.load_config(), **ASKED)
    assert (folder.best.read_bytes(), folder.onnx.read_bytes()) == before
    assert pd.read_csv(folder.path / "retrained.csv")["error"].tolist() == ["training diverged in epoch 1"] * 3


def test_runs_that_cannot_be_retrained_are_refused(folder: RunFolder, tmp_path: Path) -> None:
    config = folder.load_config()
    for asked, sentence in (({"top": 0}, "top is 0; give 1 or more"), ({"trials": 0}, "trials is 0; give 1")):
        with pytest.raises(UsageError, match=sentence):
            retrain_run(folder, config, **asked)
    with pytest.raises(UsageError, match=r"run 'rum' does not exist in .*; did you mean 'run'\?"):
        retrain_run(RunFolder(tmp_path / "rum"), config)
    folder.report.unlink()
    with pytest.raises(UsageError, match="run 'run' has no result yet; finish it with: nas resume run"):
        retrain_run(folder, config)
    profile = RunFolder(tmp_path / "profile")
    profile.create(config, "profile")
    with pytest.raises(UsageError, match="run 'profile' is a profile, which has no networks to train; name a search"):
        retrain_run(profile, config)
    assert not folder.retraining.exists()


def test_more_than_the_cluster_has_is_refused(retrained: tuple[RunFolder, dict[str, Any]], folder: RunFolder) -> None:
    config = folder.load_config()
    for place, sentence in (
        ({"workers": 4096}, "workers is 4096, which takes 4096 CPUs for 4096 workers, but the cluster has"),
        ({"ray": RayConfig(gpus_per_worker=64)}, "workers is 1, which takes 64 GPUs for 1 workers, but the cluster"),
    ):
        with pytest.raises(UsageError, match=sentence):
            retrain_run(folder, config.model_copy(update=place), **ASKED)
    assert not folder.retraining.exists(), "a mistake settles nothing"


ARCHITECTURES = [{"layer": number} for number in range(3)]
RECIPE = Recipe(epochs=8, learning_rate=0.1, weight_decay=3e-4, final_learning_rate=0.05)


def plans(count: int = 60, seed: int = 0, **changes: Any) -> list[Plan]:
    data = load("digits")
    given: dict[str, Any] = {"recipe": RECIPE, "data": data, "can_inherit": True, **changes}
    return draw_plans(ARCHITECTURES, count=count, seed=seed, **given)


def test_plans_are_a_function_of_the_seed_alone() -> None:
    assert plans() == plans() != plans(seed=1)
    assert plans(60)[:10] == plans(10)


def test_the_first_plan_is_the_recipe_of_the_run_and_the_others_lie_around_it() -> None:
    first, *others = plans()
    assert first == Plan(architecture=ARCHITECTURES[0], start="inherited", recipe=RECIPE)
    for plan in others:
        recipe = plan.recipe
        assert 0.025 <= recipe.learning_rate <= 0.4 and 7.5e-5 <= recipe.weight_decay <= 1.2e-3
        assert recipe.final_learning_rate <= recipe.learning_rate and recipe.warmup_epochs <= recipe.epochs / 4
        assert (recipe.cutout == 4) == (plan.augmentation == "cutout")
        assert plan.augment == (Augment() if plan.augmentation == "none" else None)
    for seen, wanted in (
        ({plan.architecture["layer"] for plan in others}, {0, 1, 2}),
        ({plan.start for plan in others}, {"inherited", "fresh"}),
        ({plan.recipe.epochs for plan in others}, {2, 4, 8}),
        ({plan.augmentation for plan in others}, {"default", "cutout", "none"}),
        ({plan.distillation for plan in others}, {0.0, 0.5, 0.9}),
    ):
        assert seen == wanted


def test_networks_that_cannot_inherit_begin_with_fresh_weights() -> None:
    assert {plan.start for plan in plans(can_inherit=False)} == {"fresh"}


def test_images_that_have_cutout_get_no_second_one() -> None:
    data = load("digits")
    own = replace(data, augment=replace(data.augment, cutout=2))
    assert {plan.augmentation for plan in plans(data=own)} == {"default", "none"}


class KilledError(Exception):
    """Stands for a kill between two epochs."""


@pytest.mark.parametrize("kind", ["images", "text"])
def test_a_trial_goes_on_bit_for_bit_where_it_was(kind: str, tmp_path: Path) -> None:
    settings: dict[str, Any] = SETTINGS
    if kind == "text":
        (tmp_path / "input.txt").write_text("a search finds the best of all small networks. " * 100)
        space = {"widths": [8, 16], "depths": [1, 2], "heads": [1, 2], "head_dim": 4, "ratios": [1, 2]}
        settings = {"space": "transformer_lm", "space_args": space, "data": "text", "data_dir": str(tmp_path)}
    config = resolve(settings, "test")
    bench = Bench(config)
    recipe = config.retraining.model_copy(update={"epochs": 2, "warmup_epochs": 0.0})
    plan = Plan(architecture=dict(bench.space.largest()), start="inherited", recipe=recipe, distillation=0.5)
    train = Trainer(config, packed(bench.searched), [plan], 3)
    told: dict[str, list[Any]] = {"whole": [], "again": []}
    train(0, tmp_path / "whole", lambda done, metrics: told["whole"].append((done, metrics)))

    def killed(done: int, metrics: Any) -> None:
        told["again"].append((done, metrics))
        raise KilledError

    with pytest.raises(KilledError):
        train(0, tmp_path / "again", killed)
    train(0, tmp_path / "again", lambda done, metrics: told["again"].append((done, metrics)))
    assert told["again"] == told["whole"] and [done for done, _ in told["whole"]] == [1, 2]
    assert bench.metric.name in told["whole"][0][1]
    train(0, tmp_path / "again", lambda done, metrics: told["again"].append((done, metrics)))
    assert told["again"] == [*told["whole"], told["whole"][-1]], "what had ended tells its metrics again"


PROGRAM = """
import sys
from pathlib import Path
from nas.runs import RunFolder
from nas.runs.config import RayConfig
from nas.runs.exported import ExportedNetwork
from nas.runs.retraining import retrain_run
folder = RunFolder(Path(sys.argv[1]))
retrain_run(folder, folder.load_config(), top=2, trials=6, epochs=40, seed=1)
"""


@pytest.mark.slow
def test_killed_again_and_again_it_comes_to_its_end(folder: RunFolder) -> None:
    command = [sys.executable, "-c", PROGRAM, str(folder.path)]
    seen = 0
    for _ in range(3):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while process.poll() is None:
            time.sleep(0.05)
            now = len(list(folder.retraining.glob("trials/*/checkpoint_*")))
            if now > seen:
                time.sleep(1)
                seen = now + 1
                break
        process.kill()
        process.communicate()
        assert process.returncode == -9 and not folder.read(folder.best).get("retrained")
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert len(pd.read_csv(folder.path / "retrained.csv")) == 6
    assert folder.read(folder.best)["retrained"]["trials"] == 6
    assert not list(folder.path.rglob(".*.tmp"))
