"""NumPy archives of images ``x`` and labels or other targets ``y``."""

import math
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np
import torch
from torch import Tensor

from nas.data.files import find, folder_of
from nas.data.parts import MEMORY_BUDGET, RawData, from_arrays, numbered_classes
from nas.errors import UsageError
from nas.tasks import Classification, MultiLabel, Regression, Task

__all__ = ["as_images", "read_npz", "read_npz_folder"]


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an archive; pickled objects are refused.

    Raises:
        UsageError: if the file is damaged, holds objects, or more than :data:`~nas.data.parts.MEMORY_BUDGET`.
    """
    try:
        _check_sizes(path)
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"File '{path}' is no readable npz archive of plain arrays; save it again.") from error


def _check_sizes(path: Path) -> None:
    """Compares the size of each array with what the archive holds of it, before any memory is taken."""
    with zipfile.ZipFile(path) as archive:
        total = sum(entry.file_size for entry in archive.infolist())
        if total > MEMORY_BUDGET:
            raise UsageError(
                f"File '{path}' unpacks to {total / 2**30:.1f} GiB where {MEMORY_BUDGET / 2**30:g} GiB are allowed; "
                "store fewer or smaller images."
            )
        for entry in archive.infolist():
            with archive.open(entry) as file:
                shape, dtype = _header(file)
                values = entry.file_size - file.tell()
            if math.prod(shape) * dtype.itemsize != values and not dtype.hasobject:
                raise UsageError(
                    f"File '{path}' holds {values} bytes of '{entry.filename}' where its header {shape} of {dtype} "
                    f"asks for {math.prod(shape) * dtype.itemsize}; save it again."
                )


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type that a npy file tells."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def as_images(x: np.ndarray, where: str) -> Tensor:
    """Images [N, C, H, W] of 1 or 3 channels from NHW, NHWC or NCHW; uint8 stays, floats become float32.

    Raises:
        UsageError: for another shape or type.
    """
    if x.dtype != np.uint8 and x.dtype.kind != "f":
        raise UsageError(f"{where} holds images of type {x.dtype}; give uint8 (0 to 255) or floats.")
    if x.ndim == 3:
        x = x[:, None]
    elif x.ndim == 4 and x.shape[1] not in (1, 3) and x.shape[3] in (1, 3):
        x = x.transpose(0, 3, 1, 2)
    if x.ndim != 4 or x.shape[1] not in (1, 3) or 0 in x.shape[2:]:
        raise UsageError(
            f"{where} holds images of shape {x.shape}; give [N, H, W], [N, H, W, C] or [N, C, H, W] "
            "with 1 or 3 channels."
        )
    return torch.from_numpy(np.ascontiguousarray(x if x.dtype == np.uint8 else x.astype(np.float32)))


def as_inputs(x: np.ndarray, where: str) -> Tensor:
    """Images as :func:`as_images` has them, or float vectors [N, C] of features as they are, in float32.

    Raises:
        UsageError: for another shape or type.
    """
    if x.ndim == 2 and x.dtype.kind == "f" and x.shape[1]:
        return torch.from_numpy(x.astype(np.float32))
    return as_images(x, where)


def read_npz_folder(data_dir: Path | None, image_size: int | None) -> RawData:
    """A folder with train.npz and perhaps validation.npz and test.npz, each with ``x`` and ``y``.

    The type of ``y`` says the task: integers [N] are classes, floats [N] or [N, k] numbers to predict, and booleans
    [N, k] whether each of k labels is there.

    Raises:
        UsageError: for a missing or damaged file, or arrays that do not fit.
    """
    folder = folder_of("npz", data_dir, "train.npz (arrays x and y), and perhaps validation.npz and test.npz")
    train = _arrays(find([folder], ["train.npz"]))
    task = _task(train["y"], f"File '{folder / 'train.npz'}'")
    pairs = {"train": _pair(folder / "train.npz", train, task)}
    for part in ("validation", "test"):
        path = folder / f"{part}.npz"
        if path.is_file():
            pairs[part] = _pair(path, _arrays(path), task)
    raw = from_arrays(task, pairs["train"], pairs.get("validation"), pairs.get("test"), image_size)
    return replace(raw, notes=_doubts(train["y"]))


def _arrays(path: Path) -> dict[str, np.ndarray]:
    arrays = read_npz(path)
    if not {"x", "y"} <= arrays.keys():
        raise UsageError(f"File '{path}' holds arrays {sorted(arrays)}; it must hold x and y.")
    return arrays


def _task(y: np.ndarray, where: str) -> Task:
    if y.dtype.kind == "f":
        return Regression()
    if y.dtype.kind == "b" and y.ndim == 2:
        return MultiLabel()
    return Classification(numbered_classes(y, where))


def _doubts(y: np.ndarray) -> tuple[str, ...]:
    """A note where numbers look like classes."""
    if y.dtype.kind != "f" or y.ndim != 1 or not (y == np.floor(y)).all():
        return ()
    return (
        "The targets y are whole numbers stored as floats, so they are predicted as numbers; store classes as "
        "integers.",
    )


def _pair(path: Path, arrays: dict[str, np.ndarray], task: Task) -> tuple[Tensor, Tensor]:
    images = as_inputs(arrays["x"], f"File '{path}'")
    return images, task.check_targets(arrays["y"], len(images), f"File '{path}'")
