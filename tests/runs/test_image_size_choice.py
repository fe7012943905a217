"""A run in which the size of images is a choice: trained, evaluated, measured, retrained and delivered at that size."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import torch
from killing import finish
from searched import own_copy
from torch import nn

import nas
from nas.costs import StaticCosts
from nas.data import resized_images
from nas.errors import UsageError
from nas.latency import pack_space
from nas.report.how_to_run import about_file
from nas.retraining.run import retrain_run
from nas.runs import export_architecture
from nas.setup import RunFolder, resolve
from nas.setup.run_setup import Setup

SIZES = [6, 10]
CONFIG: dict[str, Any] = {
    "space": "chain",
    "space_args": {"layers": [1, 1], "width": 4, "head": 16},
    "data": "digits",
    "extra": {"image_size": SIZES},
    "limit": 300,
    "candidates": 8,
    "random_baseline": 4,
    "constraints": ["latency_ms <= 90% of largest"],
    "training": {"epochs": 4},
    "profile": {"networks": 6, "samples": 20, "seconds": 0.5},
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished search."""
    folder = tmp_path_factory.mktemp("sizes")
    finish(folder, CONFIG)
    return folder / "run"


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> RunFolder:
    return own_copy(finished, tmp_path)


def opened(file: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])


def metadata(file: Path) -> dict[str, Any]:
    return {key: json.loads(value) for key, value in opened(file).get_modelmeta().custom_metadata_map.items()}


def accuracy(file: Path, setup: Setup, size: int) -> float:
    """Of a file on the test images, resized as its notes say."""
    (pixels, labels) = next(setup.data.test.pixels(10_000))  # type: ignore[attr-defined]
    (output,) = opened(file).run(None, {"input": resized_images(pixels, {"image_size": size}).numpy()})
    return float((np.argmax(output, 1) == labels.numpy()).mean())


def test_the_file_reads_images_of_the_chosen_size(finished: Path) -> None:
    folder = RunFolder(finished)
    best, setup = folder.read(folder.best)["best"], Setup(folder.load_config())
    size = best["architecture"]["image_size"]
    assert size in SIZES and opened(folder.onnx).get_inputs()[0].shape == ["batch", 1, size, size]
    assert best["test_accuracy"] == accuracy(folder.onnx, setup, size)
    told = metadata(folder.onnx)
    assert told["input_shape"] == [1, size, size] and told["architecture"]["image_size"] == size
    assert told["input"]["resized_from"] == [8, 8] and told["input"]["resized_by"] == "bilinear with antialiasing"
    assert about_file(best["file"]).endswith(
        f"[batch, 1, {size}, {size}]: grey pixels from 0 to 1; images of 8x8 are resized, bilinear with antialiasing."
    )
    assert f"[batch, 1, {size}, {size}]" in folder.report.read_text()


def test_every_figure_is_of_the_size(finished: Path) -> None:
    folder = RunFolder(finished)
    result, setup = folder.read(folder.best), Setup(folder.load_config())
    assert result["largest"]["architecture"]["image_size"] == max(SIZES)
    table = pd.read_csv(folder.candidates)
    architectures = list(map(json.loads, table["architecture"]))
    assert {each["image_size"] for each in architectures} == set(SIZES)
    plain = nas.Supernet(setup.supernet.model)
    costs = {size: StaticCosts(plain, (1, size, size)) for size in SIZES}
    for architecture, flops, memory in zip(architectures, table["flops"], table["peak_memory_bytes"], strict=True):
        inside = {name: value for name, value in architecture.items() if name != "image_size"}
        expected = costs[architecture["image_size"]](inside)
        assert (flops, memory) == (expected["flops"], expected["peak_memory_bytes"])


def test_a_run_goes_on_and_exports_the_other_size(folder: RunFolder) -> None:
    best = folder.read(folder.best)
    folder.best.unlink()
    finish(folder.path.parent, CONFIG)
    assert folder.read(folder.best)["best"] == best["best"]
    architecture, out = dict(best["best"]["architecture"]), folder.path / "other.onnx"
    (architecture["image_size"],) = set(SIZES) - {architecture["image_size"]}
    found = export_architecture(folder, json.dumps(architecture), out, form="bytes")
    assert opened(out).get_inputs()[0].shape[2:] == [architecture["image_size"]] * 2
    assert found["file"]["input"]["dtype"] == "uint8" and found["latency_ms"] > 0


@pytest.mark.slow
def test_networks_are_retrained_at_their_size(folder: RunFolder) -> None:
    found = retrain_run(folder, folder.load_config(), top=2, trials=2, epochs=1)
    assert found["retrained"]["accuracy"] > 0 and all(trial["error"] is None for trial in found["trials"])


def flat(input_shape: tuple[int, int, int], classes: int) -> nn.Module:
    """A model that takes images of the size alone that it is built for."""
    channels, height, width = input_shape
    kernel = nas.Choice([1, 3], name="kernel")
    layers = [
        nas.nn.Conv2d(channels, 2, kernel, padding=kernel // 2),
        nn.Flatten(),
        nn.Linear(2 * height * width, classes),
    ]
    return nn.Sequential(*layers)


def pack(config: Any) -> None:
    pack_space(config, Path("nowhere"), 4)


REFUSED: list[tuple[dict[str, Any], Callable[[Any], object], str]] = [
    (
        {"extra": {"imagesize": [6]}},
        Setup,
        "be it task 'digits', evaluator 'shared-weights' or its costs; did you mean 'image_size'?",
    ),
    ({"extra": {"image_size": [6, 0]}}, Setup, "image_size is 0 in an architecture; give whole numbers of pixels"),
    ({"extra": {"image_size": [6.5]}}, Setup, "image_size is 6.5 in an architecture; give whole numbers of pixels"),
    ({"extra": {"image_size": []}}, Setup, "a Choice has no candidates"),
    ({"extra": {"image_size": [6, 6]}}, Setup, "lists 6 twice"),
    ({"method": "darts", "space": "toy_cell", "space_args": {}}, Setup, "method 'darts' trains a mixture of all"),
    ({}, pack, "the networks of a device pack all read inputs of one shape"),
    (
        {"space": f"{__name__}:flat", "space_args": {}},
        Setup,
        f"space '{__name__}:flat' does not fit input (1, 6, 6): architecture {{'kernel': ",
    ),
]


@pytest.mark.parametrize(("changes", "act", "sentence"), REFUSED)
def test_what_cannot_be_is_refused(changes: dict[str, Any], act: Callable[[Any], object], sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        act(resolve({**CONFIG, "constraints": [], **changes}, "test"))
    assert sentence in str(refused.value)


def test_text_has_no_size(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("what is written here does not matter at all; " * 200)
    settings = {"space": "transformer_lm", "data": "text", "data_dir": tmp_path / "text.txt", "extra": CONFIG["extra"]}
    with pytest.raises(
        UsageError, match=r"extra names .image_size., a choice that nothing in this run reads, .*leave it out"
    ):
        Setup(resolve(settings, "test"))


def test_the_largest_size_is_what_a_space_is_built_for() -> None:
    setup = Setup(
        resolve({**CONFIG, "extra": {"image_size": [10]}, "space": f"{__name__}:flat", "space_args": {}}, "x")
    )
    assert setup.supernet(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
