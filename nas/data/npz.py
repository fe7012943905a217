"""NumPy archives of images ``x`` and labels ``y``."""

import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nas.data.files import find, folder_of
from nas.data.parts import RawData, check_labels, from_arrays
from nas.errors import UsageError

__all__ = ["as_images", "read_npz", "read_npz_folder"]


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an archive; pickled objects are refused.

    Raises:
        UsageError: if the file is damaged or holds objects.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise UsageError(f"File '{path}' is no readable npz archive of plain arrays; save it again.") from error


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


def read_npz_folder(data_dir: Path | None, image_size: int | None) -> RawData:
    """A folder with train.npz and perhaps validation.npz and test.npz, each with ``x`` and ``y``.

    Raises:
        UsageError: for a missing or damaged file, or arrays that do not fit.
    """
    folder = folder_of("npz", data_dir, "train.npz (arrays x and y), and perhaps validation.npz and test.npz")
    train = _arrays(find([folder], ["train.npz"]))
    labels = train["y"]
    classes = int(labels.max()) + 1 if labels.size and labels.dtype.kind in "iu" else 0
    pairs = {"train": _pair(folder / "train.npz", train, classes)}
    for part in ("validation", "test"):
        path = folder / f"{part}.npz"
        if path.is_file():
            pairs[part] = _pair(path, _arrays(path), classes)
    return from_arrays([str(label) for label in range(classes)], **pairs, image_size=image_size)


def _arrays(path: Path) -> dict[str, np.ndarray]:
    arrays = read_npz(path)
    if not {"x", "y"} <= arrays.keys():
        raise UsageError(f"File '{path}' holds arrays {sorted(arrays)}; it must hold x and y.")
    return arrays


def _pair(path: Path, arrays: dict[str, np.ndarray], classes: int) -> tuple[Tensor, Tensor]:
    images = as_images(arrays["x"], f"File '{path}'")
    return images, check_labels(arrays["y"], len(images), classes, f"File '{path}'")
