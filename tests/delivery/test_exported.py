"""The file that is handed over: what it reads, what it computes in, and that what is said of it is its own."""

import json
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image
from torch import nn

from nas.cli.tables import print_result
from nas.data import load
from nas.delivery.exported import ExportedNetwork, evaluate_file
from nas.delivery.networks import broken_constraints, final_network, precision_lost, restore_trained
from nas.errors import UsageError
from nas.export import dynamic_onnx
from nas.files import write_file
from nas.runs import export_architecture, run_search
from nas.search import Constraint
from nas.setup import RunFolder, resolve
from nas.setup.progress import Silent
from nas.setup.run_setup import Setup
from nas.space import Architecture
from nas.tasks import ACCURACY, BITS_PER_CHARACTER

CONFIG: dict[str, Any] = {
    "space": "chain",
    "space_args": {"layers": [1, 1, 1], "width": 8, "head": 32},
    "data": "digits",
    "method": "spos",
    "dtype": "int8",
    "constraints": ["params >= 90% of largest"],
    "cost": "params",
    "candidates": 3,
    "random_baseline": 0,
    "training": {"epochs": 8},
    "retrain": "inherited",
    "retraining": {"epochs": 12, "learning_rate": 0.1},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, dict[str, Any]]:
    """A search in int8 whose networks have learnt something."""
    folder = RunFolder(tmp_path_factory.mktemp("results") / "small")
    result = run_search(resolve(CONFIG, "test"), folder)
    assert result["best"]["float32_accuracy"] > 0.8
    return folder, result


def opened(file: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])


def accuracy(file: Path, images: torch.Tensor, labels: torch.Tensor) -> float:
    (logits,) = opened(file).run(None, {"input": images.numpy()})
    return float((np.asarray(logits).argmax(1) == labels.numpy()).mean())


def test_what_is_said_of_the_int8_file_is_what_it_does(run: tuple[RunFolder, dict[str, Any]]) -> None:
    folder, result = run
    best, data, confirming = result["best"], load("digits"), Setup(folder.load_config()).confirmation
    assert accuracy(folder.onnx, confirming.images, confirming.labels) == best["accuracy"]
    assert accuracy(folder.onnx, data.test.images, data.test.labels) == best["test_accuracy"]
    model = onnx.load(folder.onnx)
    assert {each.data_type for each in model.graph.initializer if len(each.dims) == 4} == {onnx.TensorProto.INT8}
    content = folder.onnx.read_bytes()
    assert best["file"] == {
        "name": "best.onnx",
        "dtype": "int8",
        "input": data.inputs("unit").describe(),
        "answer": "classes[{output}.argmax()]",
        "bytes": len(content),
        "sha256": sha256(content).hexdigest(),
        "calibration_examples": 512,
    }
    told = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
    assert (told["dtype"], told["input"]) == ("int8", best["file"]["input"])
    assert told["metrics"]["test_accuracy"] == best["test_accuracy"]
    assert str(Path.cwd()).encode() not in content and str(folder.path).encode() not in content
    assert {"float32_accuracy", "test_accuracy"} <= set(result["largest"])


def test_the_latency_of_the_result_is_that_of_the_file(run: tuple[RunFolder, dict[str, Any]]) -> None:
    folder, result = run
    lines = [json.loads(line) for line in folder.finalists.read_text().splitlines()]
    (measured,) = (line["measurement"] for line in lines if line["network"].startswith("file "))
    assert measured["dtype"] == "int8"
    ratio = measured["latency_ms"] / measured["reference_ms"]
    assert result["best"]["latency_ms"] / result["largest"]["latency_ms"] == pytest.approx(ratio)
    (row,) = (row for row in result["front"] if row["id"] == result["best"]["id"])
    assert row["latency_ms"] == result["best"]["latency_ms"]


def test_the_ranges_are_those_of_training_images(
    run: tuple[RunFolder, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, result = run
    seen: list[np.ndarray] = []

    def keep(model: bytes, dtype: str, batches: Iterator[np.ndarray]) -> bytes:
        seen.extend(batches)
        return model

    monkeypatch.setattr("nas.delivery.exported.lowered", keep)
    exported(folder, result)
    images = load("digits").train.images
    assert np.array_equal(np.concatenate(seen[-8:]), images[:512].numpy()), "of the last file made"


def exported(folder: RunFolder, result: dict[str, Any], form: str = "unit", **changes: Any) -> ExportedNetwork:
    """The chosen network of the run again, with other settings."""
    setup = Setup(folder.load_config().model_copy(update=changes))
    restore_trained(setup, folder)
    network = final_network(setup, folder, Architecture(result["best"]["architecture"]), Silent(), str)
    return ExportedNetwork(setup, network, folder.path / "other.onnx", setup.data.inputs(form))


@pytest.mark.parametrize(("dtype", "form"), [("float16", "unit"), ("float32", "bytes"), ("int8", "normalised")])
def test_each_type_and_input_gives_the_right_class(
    dtype: str, form: str, run: tuple[RunFolder, dict[str, Any]]
) -> None:
    folder, result = run
    made = exported(folder, result, form, dtype=dtype)
    about = made.write(result["best"]["architecture"], {"accuracy": 1.0, "latency_ms": 3.0})
    assert about["input"]["form"] == form and about["dtype"] == dtype
    validation = made.setup.confirmation
    images = {
        "unit": validation.images,
        "bytes": (255 * validation.images).round().to(torch.uint8),
        "normalised": next(validation.batches(1000))[0],
    }[form]
    found = accuracy(made.path, images, validation.labels)
    assert found == made.evaluate(validation)["accuracy"]
    assert found == pytest.approx(result["best"]["float32_accuracy"], abs=0.02)
    assert "latency_ms" not in json.loads(opened(made.path).get_modelmeta().custom_metadata_map["metrics"])


def test_the_lines_of_the_report_classify_images(run: tuple[RunFolder, dict[str, Any]]) -> None:
    folder, _ = run
    page = folder.report.read_text(encoding="utf-8")
    lines = unescape(page[page.index("import json\n") : page.index("</code>", page.index("import json\n"))])
    assert right_answers(lines, folder.path) >= 8


def test_the_lines_of_the_first_page_classify_images(run: tuple[RunFolder, dict[str, Any]]) -> None:
    page = (Path(__file__).parents[2] / "docs/start.md").read_text(encoding="utf-8")
    lines = page[page.index("import json\n") :]
    lines = lines[: lines.index("```")].replace("results/mobilenet-noisy_digits-bignas/", "")
    assert right_answers(lines, run[0].path) >= 8


def right_answers(lines: str, folder: Path) -> int:
    """How many of ten images of the validation split, stored as a user's file, some lines classify rightly."""
    validation = load("digits").validation
    program = "import sys\nfor number in range(10):\n    import shutil; shutil.copy(f'{number}.png', 'image.png')\n"
    program += "".join(f"    {line}\n" for line in lines.splitlines())
    for number in range(10):
        pixels = (validation.images[number, 0] * 255).round().to(torch.uint8).numpy()
        Image.fromarray(pixels).save(folder / f"{number}.png")
    command = [sys.executable, "-c", program]
    said = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.split()
    return sum(int(a) == b for a, b in zip(said, validation.labels[:10].tolist(), strict=True))


def test_a_run_exports_for_another_input(run: tuple[RunFolder, dict[str, Any]], tmp_path: Path) -> None:
    folder, result = run
    report = export_architecture(folder, None, tmp_path / "other.onnx", form="bytes")
    validation = Setup(folder.load_config()).confirmation
    images = (255 * validation.images).round().to(torch.uint8)
    assert accuracy(tmp_path / "other.onnx", images, validation.labels) == report["accuracy"]
    assert (report["file"]["dtype"], report["file"]["input"]["dtype"]) == ("int8", "uint8")
    assert report["float32_accuracy"] == result["best"]["float32_accuracy"]


def test_a_file_that_answers_otherwise_is_not_written(
    run: tuple[RunFolder, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, result = run

    def wrong(network: nn.Module, shape: tuple[int, ...], dtype: torch.dtype) -> bytes:
        model = onnx.load_from_string(dynamic_onnx(network, shape, dtype=dtype))
        bias = next(each for each in model.graph.initializer if each.name.endswith("classifier.2.bias"))
        changed = onnx.numpy_helper.to_array(bias) + np.eye(10, dtype=np.float32)[3]
        bias.CopyFrom(onnx.numpy_helper.from_array(changed, bias.name))
        return bytes(model.SerializeToString())

    (folder.path / "other.onnx").unlink(missing_ok=True)
    monkeypatch.setattr("nas.delivery.exported.dynamic_onnx", wrong)
    with pytest.raises(UsageError, match=r"\.onnx was not written, .* from module 'classifier.2' on, "):
        exported(folder, result)
    assert not (folder.path / "other.onnx").exists()


def test_what_the_file_breaks_is_said() -> None:
    best = {"latency_ms": 2.5, "accuracy": 0.91, "file": {"name": "best.onnx"}}
    constraints = [Constraint.parse(text) for text in ("latency_ms <= 60% of largest", "accuracy >= 0.9")]
    assert broken_constraints(constraints, best, {"latency_ms": 4.0}) == [
        "As handed over, best.onnx breaks 'latency_ms <= 60% of largest': latency_ms is 2.5, where latency_ms <= 2.4 "
        "was asked for."
    ]
    assert broken_constraints(constraints, {**best, "latency_ms": 2.4}, {"latency_ms": 4.0}) == []


def test_what_the_type_costs_is_said_beyond_chance() -> None:
    best = {"accuracy": 0.6, "accuracy_low": 0.55, "accuracy_high": 0.65, "float32_accuracy": 0.64}
    best |= {"file": {"name": "best.onnx", "dtype": "int8"}}
    assert precision_lost(ACCURACY, best) == precision_lost(ACCURACY, {**best, "float32_accuracy": 0.3}) == []
    assert precision_lost(ACCURACY, {**best, "float32_accuracy": 0.9}) == [
        "In int8 best.onnx has accuracy 60.00%, where the network has 90.00% in float32; leave dtype out, or retrain."
    ]
    bits = {"bits_per_character": 3.0, "bits_per_character_low": 2.9, "bits_per_character_high": 3.1}
    bits |= {"file": best["file"], "float32_bits_per_character": 2.0}
    assert len(precision_lost(BITS_PER_CHARACTER, bits)) == 1
    assert precision_lost(BITS_PER_CHARACTER, {**bits, "float32_bits_per_character": 4.0}) == []


def test_bfloat16_can_be_measured_but_not_handed_over(tmp_path: Path) -> None:
    config = resolve({**CONFIG, "target": "cpu", "dtype": "bfloat16"}, "test")
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(UsageError, match=r"dtype is 'bfloat16', in which networks can be measured \(nas profile\)"):
        run_search(config, folder)
    assert not folder.path.exists()


def test_the_form_of_the_input_is_checked_before_anything_else(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"export.input is 'byte', but input should be 'unit', 'bytes' or"):
        resolve({**CONFIG, "export": {"input": "byte"}}, "test")


NOISY: dict[str, Any] = {**CONFIG, "data": "noisy_digits", "limit": 160, "dtype": "float32", "retrain": "no"}
NOISY |= {"training": {"epochs": 1}, "cost": "flops", "candidates": 4, "export": {"input": "bytes"}}


def test_figures_of_a_float32_file_that_reads_bytes_are_those_of_rounded_pixels(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    best = run_search(resolve(NOISY, "test"), folder)["best"]
    setup = Setup(folder.load_config())
    confirmed = evaluate_file(setup, folder.onnx, setup.inputs, setup.confirmation)
    assert {name: best[name] for name in confirmed} == confirmed
    assert best["test_accuracy"] == evaluate_file(setup, folder.onnx, setup.inputs, setup.data.test)["accuracy"]


@pytest.mark.slow
def test_latency_that_pytorch_took_is_not_said_to_be_that_of_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = RunFolder(tmp_path / "run")
    result = run_search(resolve({**NOISY, "target": "cpu", "cost": "latency_ms"}, "test"), folder)
    assert {row["latency_source"] for row in (*result["front"], result["best"])} == {"measured in PyTorch"}
    print_result(result, folder)
    assert capsys.readouterr().out.splitlines()[0].rstrip() == "Pareto front of run, latency measured in PyTorch"
    page = folder.report.read_text("utf-8")
    assert "Latency is measured in PyTorch for the front" in page and ", measured in PyTorch</small>" in page
    assert export_architecture(folder, None, tmp_path / "again.onnx")["latency_source"] == "measured in PyTorch"


def test_intervals_of_the_file_do_not_count_copies_of_an_image_as_several(tmp_path: Path) -> None:
    setup = Setup(resolve({**NOISY, "export": {"input": "unit"}}, "test"))
    network = setup.supernet.extract(setup.space.largest()).eval()
    made = ExportedNetwork(setup, network, tmp_path / "file.onnx", setup.inputs)
    file, own = made.evaluate(setup.confirmation), setup.evaluate(network, setup.confirmation, setup.space.largest())
    assert setup.confirmation.groups is not None
    assert (file["accuracy_low"], file["accuracy_high"]) == (own["accuracy_low"], own["accuracy_high"])
    path = write_file(made.path, made.model)
    assert evaluate_file(setup, path, setup.inputs, setup.confirmation) == file
