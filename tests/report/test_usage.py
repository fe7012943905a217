"""How to run a file: in words, and in Python that runs."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from nas.data import Augment, ImageData, ImageSplit
from nas.data.folder import read_folder
from nas.data.inputs import Inputs, token_inputs
from nas.export import dynamic_onnx, reading, with_metadata
from nas.files import write_file
from nas.report.how_to_run import about_file, code, usage
from nas.tasks import Classification

CLASSES = '["left", "right", "<b>"]'


class Sides(nn.Module):
    """Says on which side an image is brighter, from images normalised by a mean of .5: both sides below it is <b>."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        left, right = x[..., : x.shape[3] // 2].mean((1, 2, 3)), x[..., x.shape[3] // 2 :].mean((1, 2, 3))
        return torch.stack([left, right, torch.zeros_like(left)], dim=1)


def images(channels: int, low: float = 0.0, high: float = 1.0) -> Callable[[str], Inputs]:
    pixels = torch.tensor([low, high]).repeat_interleave(channels * 24).reshape(2, channels, 4, 6)
    split = ImageSplit(pixels, torch.arange(2), torch.full((channels,), 0.5), torch.full((channels,), 0.25))
    return ImageData("mine", Classification(["a", "b"]), split, split, split, Augment()).inputs


def file_of(inputs: Inputs, size: int = 84112) -> dict[str, Any]:
    return {"name": "best.onnx", "dtype": "int8", "input": inputs.describe(), "bytes": size}


EXPORTED: dict[tuple[Any, ...], bytes] = {}


def exported(inputs: Inputs) -> bytes:
    """Once for each kind of inputs: exporting takes much longer than running the lines."""
    kind = (inputs.shape, inputs.dtype, inputs.mean, inputs.std)
    if kind not in EXPORTED:
        model = dynamic_onnx(reading(Sides(), inputs), inputs.shape, dtype=inputs.dtype)
        EXPORTED[kind] = with_metadata(model, {"classes": CLASSES})
    return EXPORTED[kind]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What the lines print in the test's folder; the names that they give go into ``names``."""
    monkeypatch.chdir(tmp_path)

    def start(file: dict[str, Any], names: dict[str, Any] | None = None) -> str:
        exec(code(file), {} if names is None else names)
        return capsys.readouterr().out.strip()

    return start


@pytest.mark.parametrize(("channels", "form"), [(1, "unit"), (3, "unit"), (1, "bytes"), (3, "normalised")])
def test_the_lines_classify_an_image(channels: int, form: str, tmp_path: Path, run: Callable[..., str]) -> None:
    inputs = images(channels)(form)
    write_file(tmp_path / "best.onnx", exported(inputs))
    found = []
    for bright in (slice(0, 6), slice(6, 12), slice(0, 0)):
        pixels = np.full((8, 12, 3), 30, np.uint8)
        pixels[:, bright] = 220
        Image.fromarray(pixels).save(tmp_path / "image.png")
        found.append(run(file_of(inputs)))
    assert found == ["left", "right", "<b>"]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB", "L", "large JPEG"])
def test_the_lines_read_a_picture_as_training_does(mode: str, tmp_path: Path, run: Callable[..., str]) -> None:
    """Turned as its EXIF says, and on white where it is transparent; a large JPEG at a fraction of its size."""
    exif, rows = Image.Exif(), np.random.default_rng(0).integers(0, 256, (12, 8, 4), np.uint8)
    exif[0x0112] = 6  # to be turned by a quarter
    picture = Image.fromarray(rows).convert("RGB" if mode == "large JPEG" else mode)
    size, options = None, {"transparency": 3} if mode == "P" else {}
    if mode == "large JPEG":
        picture, size, options = picture.resize((320, 480)), 8, {"format": "jpeg"}
    (tmp_path / "train" / "a").mkdir(parents=True)
    for path in ("image.png", "train/a/image.png"):
        picture.save(tmp_path / path, exif=exif, **options)
    images = read_folder(tmp_path, size).train.read(torch.tensor([0]))
    split = ImageSplit(images, torch.arange(1), torch.zeros(images.shape[1]), torch.ones(images.shape[1]))
    inputs = ImageData("mine", Classification(["a"]), split, split, split, Augment()).inputs("bytes")
    write_file(tmp_path / "best.onnx", exported(inputs))
    found: dict[str, Any] = {}
    run(file_of(inputs), found)
    np.testing.assert_array_equal(found["pixels"], images.numpy())


@pytest.mark.whole
def test_the_lines_read_an_array_of_another_scale(tmp_path: Path) -> None:
    """In a process of its own, as whoever copies them has it."""
    inputs = images(1, -2.0, 3.0)("unit")
    write_file(tmp_path / "best.onnx", exported(inputs))
    np.save(tmp_path / "example.npy", np.tile([2.0, 2, 2, -1, -1, -1], (4, 1)))
    command = [sys.executable, "-c", code(file_of(inputs))]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert said.strip() == "left"


def test_the_lines_continue_a_text(tmp_path: Path, run: Callable[..., str]) -> None:
    class Next(nn.Module):
        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return nn.functional.one_hot((ids + 1) % 3, 3).float().transpose(1, 2)

    inputs = token_inputs("unit", "text", 4)
    model = dynamic_onnx(Next(), inputs.shape, dtype=inputs.dtype)
    write_file(tmp_path / "best.onnx", with_metadata(model, {"classes": '["a", "b", "é"]'}))
    (tmp_path / "text.txt").write_text("éaabbab", encoding="utf-8")
    assert run(file_of(inputs)) == "é"


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (images(3)("unit"), "float32 [batch, 3, 4, 6]: RGB pixels from 0 to 1."),
        (images(1)("bytes"), "uint8 [batch, 1, 4, 6]: grey pixels from 0 to 255."),
        (
            images(1)("normalised"),
            "float32 [batch, 1, 4, 6]: grey pixels from 0 to 1, less the mean [0.5] and divided by [0.25] channel by "
            "channel.",
        ),
        (images(1, -2, 3)("unit"), "float32 [batch, 1, 4, 6]: numbers as the data set gives them (-2 to 3)."),
        (token_inputs("unit", "text", 4), "int64 [batch, 4]: token ids, each the place of a character in the"),
    ],
)
def test_what_is_read_in_words(inputs: Inputs, words: str) -> None:
    sentence = about_file(file_of(inputs))
    assert sentence.startswith(f"best.onnx (int8, 84,112 bytes) reads {words}")


def test_the_page_escapes_both() -> None:
    file = {**file_of(images(1)("unit")), "name": "<b>.onnx"}
    assert "<b>" not in usage(file).replace("&lt;b&gt;", "") and "&lt;b&gt;.onnx" in usage(file)
