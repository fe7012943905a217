"""CIFAR-10 (Krizhevsky 2009) in any of its three layouts: python pickles, binary records, npz archives."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nas.data.files import find, folder_of
from nas.data.npz import as_images, read_npz
from nas.data.parts import RawData, from_arrays
from nas.data.safe_pickle import read_array_pickle
from nas.errors import UsageError
from nas.tasks import Classification
from nas.tasks.classification import check_labels

__all__ = ["decode_delta", "read_binary_batch", "read_cifar10", "read_npz_batch", "read_python_batch"]

_CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
_TRAIN = [f"data_batch_{number}" for number in range(1, 6)]


def read_cifar10(data_dir: Path | None, image_size: int | None) -> RawData:
    """CIFAR-10: 32 x 32 colour images of 10 classes, from whichever layout the folder holds.

    Raises:
        UsageError: for a missing or damaged file, or labels out of range.
    """
    folder = folder_of("cifar10", data_dir, "the CIFAR-10 batches (python, .bin or .npz)")
    folders = [folder, folder / "cifar-10-batches-py", folder / "cifar-10-batches-bin"]
    readers: dict[str, Callable[[Path], tuple[Tensor, Tensor]]] = {
        "": read_python_batch,
        ".bin": read_binary_batch,
        ".npz": read_npz_batch,
    }
    suffix = find(folders, [f"{_TRAIN[0]}{suffix}" for suffix in readers]).suffix
    batches = [readers[suffix](find(folders, [f"{name}{suffix}"])) for name in (*_TRAIN, "test_batch")]
    images, labels = zip(*batches[:-1], strict=True)
    return from_arrays(Classification(_CLASSES), (torch.cat(images), torch.cat(labels)), None, batches[-1], image_size)


def read_python_batch(path: Path) -> tuple[Tensor, Tensor]:
    """Images [N, 3, 32, 32] uint8 and labels [N] of an official python batch.

    Raises:
        UsageError: if the pickle is damaged, asks for anything but arrays, or holds other fields.
    """
    batch = read_array_pickle(path)
    if not isinstance(batch, dict) or not {b"data", b"labels"} <= batch.keys():
        raise UsageError(f"File '{path}' has no fields data and labels; fetch the official python batch.")
    data = np.asarray(batch[b"data"])
    if data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != 3072:
        raise UsageError(f"File '{path}' holds {data.dtype} data of shape {data.shape}; expected uint8 [N, 3072].")
    return _pair(data.reshape(-1, 3, 32, 32), np.asarray(batch[b"labels"]), path)


def read_binary_batch(path: Path) -> tuple[Tensor, Tensor]:
    """Images [N, 3, 32, 32] uint8 and labels [N] of an official binary batch: 1 + 3072 bytes an image.

    Raises:
        UsageError: if the file is no whole number of records.
    """
    content = np.fromfile(path, np.uint8)
    if len(content) % 3073:
        raise UsageError(
            f"File '{path}' has {len(content)} bytes, no whole number of 3073-byte records; fetch it again."
        )
    records = content.reshape(-1, 3073)
    return _pair(records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0], path)


def read_npz_batch(path: Path) -> tuple[Tensor, Tensor]:
    """Images [N, 3, 32, 32] uint8 and labels [N] of an archive with ``y`` and either ``x`` or ``delta``.

    Raises:
        UsageError: if the archive is damaged or its arrays are not those of CIFAR images.
    """
    arrays = read_npz(path)
    if "y" not in arrays or not {"x", "delta"} & arrays.keys():
        raise UsageError(f"File '{path}' holds arrays {sorted(arrays)}; it must hold y, and x or delta.")
    where = f"File '{path}'"
    images = as_images(arrays["x"], where).numpy() if "x" in arrays else decode_delta(arrays["delta"], where)
    if images.dtype != np.uint8 or images.shape[1:] != (3, 32, 32):
        raise UsageError(f"{where} holds {images.dtype} images of {images.shape[1:]}; expected uint8 (3, 32, 32).")
    return _pair(images, arrays["y"], path)


def decode_delta(planes: np.ndarray, where: str) -> NDArray[np.uint8]:
    """Images [N, 3, H, W] from difference-coded planes [3, N, H, W] of G, R - G and B - G, modulo 256.

    Each plane holds horizontal and vertical differences, which sums over both axes undo exactly.

    Raises:
        UsageError: if the planes are no uint8 array of that shape.
    """
    if planes.dtype != np.uint8 or planes.ndim != 4 or len(planes) != 3:
        raise UsageError(f"{where} holds {planes.dtype} delta of shape {planes.shape}; expected uint8 [3, N, H, W].")
    planes = planes.cumsum(2, dtype=np.uint8).cumsum(3, dtype=np.uint8)
    green = planes[0]
    return np.stack([planes[1] + green, green, planes[2] + green], axis=1)


def _pair(images: NDArray[np.uint8], labels: np.ndarray, path: Path) -> tuple[Tensor, Tensor]:
    checked = check_labels(labels, len(images), len(_CLASSES), f"File '{path}'")
    return torch.from_numpy(np.ascontiguousarray(images)), checked
