"""Whatever is wrong with the input: exit code 2, one sentence that names it, nothing half-written."""

import gzip
import json
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_line import TINY, Outcome, leftovers, nas, search_arguments, write_config
from one_ray import address
from PIL import Image

from nas.distributed import connected

NOTHING_BEGAN = {
    "unknown option": (["--epoch", 3], r"No such option: --epoch"),
    "unknown key": (["--set", "candidats=3"], r"unknown key 'candidats'; did you mean 'candidates'\?"),
    "unknown nested key": (["--set", "training.epoch=3"], r"unknown key 'training.epoch'; did you mean 'epochs'\?"),
    "unknown key of a group without a close name": (
        ["--set", "profile.xyz=3"],
        r"'profile.xyz'; known are held_out, known,",
    ),
    "wrong type": (["--set", "training.epochs=many"], r"training.epochs is 'many', but .*integer"),
    "wrong type of a flag": (["--candidates", "many"], r"'--candidates': .*(not a valid int|valid integer)"),
    "a value where a group belongs": (["--set", "training=3"], r"training is 3, expected a mapping"),
    "a key of a value": (["--set", "seed.x=3", "--seed", 1], r"'seed.x' goes into 'seed', which has no keys"),
    "unknown space": (["mobilnet"], r"space 'mobilnet' is not known; did you mean 'mobilenet'\?"),
    "unknown method": (["--method", "bignass"], r"method 'bignass' is not known; did you mean 'bignas'\?"),
    "unknown strategy": (["--strategy", "evolve"], r"strategy 'evolve' is not known"),
    "unknown option of a strategy": (["--set", "strategy_args.size=3"], r"strategy 'evolution' has no option 'size'"),
    "wrong kind of option": (
        ["--set", "strategy_args.population=x"],
        r"'evolution' has population 'x', but input should be a valid integer",
    ),
    "impossible option": (["--set", "strategy_args.mutation=2"], r"evolution has mutation 2.0; give a probability"),
    "weights that nobody trained": (
        ["--method", "relaxed-tying", "--set", "sharing_args.start=average"],
        r"sharing_args.start is 'average', which begins with weights that are trained already, but the model has none",
    ),
    "unknown target": (["--target", "onnxrt"], r"target 'onnxrt' is not known; did you mean 'onnxruntime'\?"),
    "two tasks": (
        ["--task", "digits", "--data", "cifar10"],
        "the task is given twice, as --task digits and as --data cifar10, its old name; drop --data",
    ),
    "unknown data": (["--data", "digit"], r"task 'digit' is not known; did you mean 'digits'\?"),
    "unknown device": (["--set", "device=gpu"], r"device is 'gpu', expected 'auto', 'cpu' or 'cuda'"),
    "a device without values": (["--set", "device=meta"], r"device is 'meta', expected 'auto', 'cpu' or 'cuda'"),
    "two spaces": (["chain", "--space", "mobilenet"], r"the space is given twice, as 'chain' and as --space mobilenet"),
    "unknown space argument": (["--set", "space_args.widht=3"], r"no option 'widht'; did you mean 'width'\?"),
    "wrong space argument": (
        ["--set", "space_args.layers=3"],
        r"space 'chain' has layers 3, but input should be a valid",
    ),
    "infeasible flops": (["--constraint", "flops <= 10"], r"'flops <= 10' is met by none .* nearest has flops 9024"),
    "infeasible together": (
        ["--constraint", "flops <= 20% of largest", "--constraint", "params >= 90% of largest"],
        r"'flops <= 18969.6\d*' and 'params >= 10611' are met together by none .* nearest has flops",
    ),
    "a cluster that is not there": (
        ["--ray", "127.0.0.1:9"],
        r"ray.address is '127.0.0.1:9', where nothing answers \(.*\); start the cluster, or correct the address",
    ),
    "an address that is none": (["--ray", "there"], r"ray.address is 'there', expected host:port, such as head:6379"),
    "a machine to measure on without a cluster": (
        ["--measure-on", "jetson"],
        r"ray.measure_on is 'jetson', the mark of a machine of a cluster, but ray.address names no cluster",
    ),
    "an unknown kind of storage": (["--storage", "nosql://here/nas"], r"'nosql://here/nas'"),
    "a storage that is not there": (["--storage", "postgresql://nobody@127.0.0.1:9/nas"], r"'postgresql://\*\*\*@"),
    "unreadable constraint": (["--constraint", "be fast"], r"constraint 'be fast' cannot be read; write a metric"),
    "unknown metric": (["--constraint", "latency <= 3"], r"unknown metric 'latency'; did you mean 'latency_ms'\?"),
    "unknown cost": (["--set", "cost=flop"], r"cost 'flop' is not known; did you mean 'flops'\?"),
    "negative epochs": (["--epochs", -1], r"training.epochs is -1, but .*greater than or equal to 1"),
    "zero candidates": (["--candidates", 0], r"candidates is 0, but .*greater than or equal to 1"),
    "too large a seed": (["--seed", 10**20], "seed is an integer of more than 64 bits"),
    "not a number": (["--set", "training.learning_rate=.nan"], r"training.learning_rate is nan, but .*finite"),
    "a setting without =": (["--set", "seed"], r"setting 'seed' is not of the form key=value"),
    "a setting that is not YAML": (["--set", "seed=[1"], r"setting 'seed=\[1' has a value that is not YAML"),
    "missing config": (["--config", "no/such.yaml"], r"no/such.yaml cannot be read: No such file or directory"),
    "config is a folder": (["--config", "."], r"config file \. cannot be read: Is a directory"),
    "missing data folder": (["--data", "folder", "--data-dir", "no/such"], r"Data folder 'no/such' does not exist"),
    "no data folder": (["--data", "npz"], r"'npz' needs a folder; give --data-dir"),
    "folder for built-in data": (["--data-dir", "."], r"'digits' is built in and reads no folder"),
    "limit below the classes": (["--set", "limit=3"], r"limit of 3 images cannot hold 10 classes"),
    "space module missing": (["no_such_module:net"], r"space 'no_such_module:net' names no importable module"),
    "space function missing": (["json:net"], r"space 'json:net' .* module 'json' has no 'net'"),
    "space is no function": (["json:__name__"], r"space 'json:__name__' is of type str, expected a function"),
    "no run name of a config": (["--set", "=3"], r"setting '=3' is not of the form key=value"),
}


def check(outcome: Outcome, expected: str, folder: Path) -> None:
    assert outcome.code == 2, outcome.err
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    assert outcome.complaint.startswith("nas: ")
    assert outcome.err.count("nas: ") == 1
    assert re.search(expected, outcome.complaint, re.IGNORECASE), outcome.complaint
    assert re.fullmatch(r"nas: .{20,600}([.?]|[a-z-]+)", outcome.complaint), outcome.complaint
    assert not leftovers(folder)


@pytest.mark.parametrize(("arguments", "expected"), NOTHING_BEGAN.values(), ids=NOTHING_BEGAN)
def test_nothing_begins(arguments: list[Any], expected: str, tmp_path: Path) -> None:
    outcome = nas(*search_arguments(tmp_path, *arguments))
    check(outcome, expected, tmp_path)
    assert not (tmp_path / "results").exists()
    assert len(outcome.err.splitlines()) == 1


def test_more_gpus_than_there_are(tmp_path: Path) -> None:
    with connected(address()):
        outcome = nas(*search_arguments(tmp_path, "--workers", 2, "--gpus-per-worker", 64))
    check(outcome, "workers is 2, which takes 128 GPUs for 2 workers, but the cluster has 4; ask for fewer", tmp_path)
    assert not (tmp_path / "results").exists()


CONFIGS = {
    "not YAML": ("space: [chain", r"is not YAML"),
    "binary": (b"\xff\xfe\x00", r"is not YAML"),
    "a list": ("- space: chain", r"holds list, expected a mapping"),
    "empty": ("", r"holds NoneType, expected a mapping"),
    "unknown key": ("spaces: chain", r"unknown key 'spaces'; did you mean 'space'\?"),
    "unknown nested key": ("evaluation: {batch: 3}", r"unknown key 'evaluation.batch'; did you mean 'batch_size'\?"),
    "a key that is no text": ("3: chain", r"key"),
    "a group that is a number": ("training: 3", r"training is 3, expected a mapping"),
    "a group that is nothing": ("training:", r"training is None, expected a mapping"),
    "constraints that are a text": ("constraints: flops <= 3", r"constraints is 'flops <= 3', but .*list"),
    "method that is a list": ("method: [bignas]", r"method is \['bignas'\], but input should be a valid string"),
}


@pytest.mark.parametrize(("content", "expected"), CONFIGS.values(), ids=CONFIGS)
def test_a_config_file_that_is_wrong(content: str | bytes, expected: str, tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    outcome = nas("search", "--config", file, "--epochs", 1, "--results", tmp_path / "results")
    check(outcome, expected, tmp_path)
    assert not (tmp_path / "results").exists()


def idx(values: list[int], *shape: int) -> bytes:
    return bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + bytes(values)


def fashion(folder: Path, label: int = 9, cut: int = 0) -> None:
    """Twenty images of each class in the layout of Fashion-MNIST."""
    labels = [*(number % 10 for number in range(199)), label]
    for part in ("train", "t10k"):
        images = idx([7] * 200 * 784, 200, 28, 28)
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images[: len(images) - cut]))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels, 200))


def classes(folder: Path, **counts: int) -> None:
    """A folder of grey images for each class."""
    for name, count in counts.items():
        (folder / name).mkdir()
        for number in range(count):
            Image.new("L", (8, 8), number).save(folder / name / f"{number}.png")


def spoil(folder: Path) -> None:
    """One of the images is none."""
    classes(folder, cat=9, dog=9)
    (folder / "dog/0.png").write_bytes(b"no image")


DATA: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "empty folder": ("folder", lambda folder: None, r"has no sub-folders"),
    "a class without images": ("folder", lambda folder: classes(folder, cat=9, dog=0), r"dog' holds no image"),
    "a class with one image": ("folder", lambda folder: classes(folder, cat=9, dog=1), r"Class 'dog' has 1 image"),
    "an image that is none": ("folder", spoil, r"dog/0.png' cannot be read"),
    "no idx files": ("fashion_mnist", lambda folder: None, r"has no file train-images-idx3-ubyte"),
    "truncated idx file": ("fashion_mnist", lambda folder: fashion(folder, cut=9), r"train-images.*holds 156791"),
    "idx label out of range": ("fashion_mnist", lambda folder: fashion(folder, label=10), r"label.* 10"),
    "no npz files": ("npz", lambda folder: None, r"train.npz"),
    "npz that is none": ("npz", lambda folder: (folder / "train.npz").write_bytes(b"PK no zip"), r"train.npz"),
}


@pytest.mark.parametrize(("source", "prepare", "expected"), DATA.values(), ids=DATA)
def test_data_that_is_wrong(source: str, prepare: Callable[[Path], object], expected: str, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    prepare(tmp_path / "images")
    arguments = search_arguments(tmp_path, "--data", source, "--data-dir", tmp_path / "images", limit=None)
    check(nas(*arguments), expected, tmp_path)
    assert not (tmp_path / "results").exists()


SPACES = """
import torch
import nas

def nothing(classes):
    return None

def unfit(classes):
    return torch.nn.Sequential(torch.nn.Flatten(), nas.nn.Linear(64, nas.Choice([classes + 1, classes + 2])))

def fixed(classes):
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, classes))

def other_input(classes):
    return torch.nn.Sequential(torch.nn.Flatten(), nas.nn.Linear(63, nas.Choice([4, 8])), torch.nn.Linear(8, classes))

def broken(classes):
    return classes.no_such_attribute

def single(classes):
    width = nas.Choice([4, 8])
    layers = [torch.nn.Flatten(), nas.nn.Linear(64, width), torch.nn.BatchNorm1d(8), nas.nn.Linear(width, classes)]
    return torch.nn.Sequential(*layers)
"""


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("nothing", r"space 'own_spaces:nothing' returned NoneType, expected a torch.nn.Module"),
        ("unfit", r"gives outputs of shape \[1[12]\], but task 'digits' has 10 classes"),
        ("fixed", r"Sequential holds no choice"),
        ("other_input", r"does not fit input \(1, 8, 8\): architecture .* fails"),
        ("single", r"does not fit input \(1, 8, 8\): architecture .* fails"),
        ("broken", r"space 'own_spaces:broken' cannot be built"),
    ],
)
def test_a_space_that_is_wrong(function: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_spaces.py").write_text(SPACES)
    monkeypatch.syspath_prepend(tmp_path)
    check(nas(*search_arguments(tmp_path, f"own_spaces:{function}", space_args={})), expected, tmp_path)
    assert not (tmp_path / "results").exists()


def test_a_latency_that_no_network_reaches_is_told_before_training(tmp_path: Path) -> None:
    outcome = nas(*search_arguments(tmp_path, "--name", "run", constraints=["latency_ms <= 0.0001"]))
    check(outcome, r"'latency_ms <= 0.0001' is met by none of .* nearest has latency_ms 0\.0", tmp_path)
    assert not (tmp_path / "results/run/checkpoints").exists()


def test_an_accuracy_that_no_network_reaches(tmp_path: Path) -> None:
    outcome = nas(*search_arguments(tmp_path, "--name", "run", constraints=["accuracy >= 0.999"]))
    check(outcome, r"'accuracy >= 0.999' is met by none of the 8 .* nearest has accuracy 0", tmp_path)


def test_training_that_diverges(tmp_path: Path) -> None:
    arguments = search_arguments(tmp_path, "--set", "training.learning_rate=1e30", "--epochs", 2, "--name", "run")
    expected = r"training diverged in epoch [12]: the loss .* lower training.learning_rate"
    check(nas(*arguments), expected, tmp_path)


def test_batches_that_batch_norm_cannot_take(tmp_path: Path) -> None:
    check(nas(*search_arguments(tmp_path, "--set", "training.batch_size=1")), r"training.batch_size", tmp_path)


@pytest.mark.parametrize("name", ["evaluation.batch_size", "evaluation.calibration_images"])
def test_calibration_that_batch_norm_cannot_take(name: str, tmp_path: Path) -> None:
    check(nas(*search_arguments(tmp_path, "--set", f"{name}=1")), rf"{name} is 1, but", tmp_path)


def test_a_results_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("not a folder")
    for more in ([], ["--name", "run"]):
        check(
            nas(*search_arguments(tmp_path, *more)), r"results.* cannot be .*: (Not a directory|File exists)", tmp_path
        )
    check(nas("resume", "run", "--results", tmp_path / "results"), r"run 'run' does not exist", tmp_path)


def damage(results: Path, name: str) -> None:
    file = results / "tiny" / name
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def unfinish(results: Path) -> None:
    """Makes the finished run one that still has to export."""
    for name in ("best.json", "report.html"):
        (results / "tiny" / name).unlink()


@pytest.mark.parametrize(
    ("name", "unfinished"),
    [
        ("best.json", False),
        ("run.json", False),
        ("config.yaml", False),
        ("run.json", True),
        ("study.db", True),
        ("checkpoints/supernet.safetensors", True),
    ],
)
def test_a_truncated_file_of_a_run_is_named(name: str, unfinished: bool, copied: Path) -> None:
    if unfinished:
        unfinish(copied)
    damage(copied, name)
    check(nas("resume", "tiny", "--results", copied), re.escape(name), copied)


def test_damaged_files_can_be_deleted_and_are_made_again(copied: Path, finished: tuple[Path, Outcome]) -> None:
    unfinish(copied)
    for name in ("run.json", "study.db", "checkpoints/supernet.safetensors"):
        (copied / "tiny" / name).unlink()
    outcome = nas("resume", "tiny", "--results", copied, "--json")
    assert outcome.code == 0, outcome.err
    assert json.loads((copied / "tiny/run.json").read_text())["seconds"].keys() >= {"train", "search"}
    assert outcome.json["best"]["architecture"] == finished[1].json["best"]["architecture"]


def test_a_study_that_is_no_database(copied: Path) -> None:
    unfinish(copied)
    (copied / "tiny/study.db").write_bytes(b"no database at all " * 100)
    check(
        nas("resume", "tiny", "--results", copied),
        r"study.db' is damaged \(file is not a database\); delete .*study\.db and go on with `nas resume`",
        copied,
    )


def test_a_checkpoint_of_another_model(copied: Path) -> None:
    unfinish(copied)
    config = yaml.safe_load((copied / "tiny/config.yaml").read_text())
    config["space_args"]["width"] = 8
    (copied / "tiny/config.yaml").write_text(yaml.safe_dump(config))
    edited = r"config\.yaml says space_args\.width=8 now, but the run was started with 4"
    for command in (["resume", "tiny"], ["export", "tiny"], ["retrain", "tiny"]):
        check(nas(*command, "--results", copied), edited, copied)
    origin = json.loads((copied / "tiny/run.json").read_text())
    (copied / "tiny/run.json").write_text(json.dumps({**origin, "config": config}))
    check(nas("resume", "tiny", "--results", copied), r"was trained with other code: parameter .* is .* now", copied)


def test_a_damaged_table_or_architecture_cannot_be_exported(copied: Path) -> None:
    export = ["export", "tiny", "--results", copied, "--architecture"]
    check(nas(*export, "0123456789"), r"architecture '0123456789' is not in .*candidates.csv", copied)
    check(nas(*export, "{layer0: x"), r"is not JSON", copied)
    check(nas(*export, json.dumps({"layer0": "mb9"})), r"layer0.*mb9", copied)
    (copied / "tiny/candidates.csv").write_bytes(b"\xff\x00\n")
    check(nas(*export, "0123456789"), r"candidates.csv", copied)


def test_a_run_that_does_not_exist(copied: Path) -> None:
    for command in (["resume", "tinny"], ["export", "tinny"]):
        check(nas(*command, "--results", copied), r"run 'tinny' does not exist in .*; did you mean 'tiny'\?", copied)
    check(nas("resume", "x", "--results", copied / "no"), r"run 'x' does not exist in .*no run there", copied)


def test_a_name_that_belongs_to_another_configuration(copied: Path) -> None:
    config = copied / "tiny/config.yaml"
    arguments = ["search", "--config", config, "--results", copied, "--name", "tiny", "--seed", 5]
    check(nas(*arguments), r"holds a run with seed=0, but 5 is asked for; choose another --name", copied)


def test_a_name_that_belongs_to_something_else(tmp_path: Path) -> None:
    (tmp_path / "results/run").mkdir(parents=True)
    (tmp_path / "results/run/notes.txt").write_text("mine")
    check(nas(*search_arguments(tmp_path, "--name", "run")), r"run is no run but holds other files", tmp_path)
    assert [path.name for path in (tmp_path / "results/run").iterdir()] == ["notes.txt"]


def test_a_run_that_is_not_trained_yet_cannot_be_exported(copied: Path) -> None:
    for name in ("best.json", "report.html", "checkpoints/supernet.safetensors"):
        (copied / "tiny" / name).unlink()
    check(nas("export", "tiny", "--results", copied), r"no trained supernet yet.*nas resume tiny", copied)


def test_a_run_without_a_result_has_no_best_to_export(copied: Path) -> None:
    unfinish(copied)
    check(nas("export", "tiny", "--results", copied), r"no result yet.*nas resume tiny", copied)


def test_unwanted_arguments(tmp_path: Path) -> None:
    check(nas("searhc"), r"No such command 'searhc'", tmp_path)
    check(nas("list", "modules"), r"nas list does not know 'modules'; known are costs, .*, runs, ", tmp_path)
    check(nas("resume"), r"Missing argument 'run'", tmp_path)
    config = write_config(tmp_path, **{**TINY, "candidates": -1})
    check(nas("profile", "--config", config, "--results", tmp_path / "results"), r"candidates is -1", tmp_path)
