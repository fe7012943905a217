"""The idx format of MNIST and its relatives: a magic number, the dimensions, the bytes.

Layout: two zero bytes, the type (8 for unsigned bytes), the number of dimensions, each dimension as a
big-endian 32-bit integer, then the values in row-major order. Files may be compressed with gzip.
"""

import math
import struct
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nas.data.files import find, folder_of, read_content
from nas.data.parts import RawData, from_arrays
from nas.errors import UsageError
from nas.tasks import Classification
from nas.tasks.classification import check_labels

__all__ = ["read_fashion_mnist", "read_idx"]

_FASHION = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"]
_FASHION += ["Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """The array in an idx file of unsigned bytes, plain or gzipped (told by content, not by name).

    Args:
        path: the file.
        dimensions: how many the array must have: 3 for images [N, H, W], 1 for labels [N].

    Raises:
        UsageError: for broken compression, another magic number, or a length that the header denies.
    """
    content = read_content(path)
    magic = bytes([0, 0, 8, dimensions])
    if content[:4] != magic:
        raise UsageError(
            f"File '{path}' starts with {content[:4].hex() or 'nothing'} where an idx file of {dimensions}-d "
            f"bytes starts with {magic.hex()}; check that it is the right file."
        )
    start = 4 + 4 * dimensions
    if len(content) < start:
        raise UsageError(f"File '{path}' ends inside its idx header; fetch it again.")
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    if len(content) - start != math.prod(shape):
        raise UsageError(
            f"File '{path}' holds {len(content) - start} values where its header {shape} asks for "
            f"{math.prod(shape)}; fetch it again."
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy()


def read_fashion_mnist(data_dir: Path | None, image_size: int | None) -> RawData:
    """Fashion-MNIST (Xiao et al. 2017, arXiv:1708.07747): 28 x 28 grey images of 10 kinds of clothing.

    Raises:
        UsageError: for a missing or damaged file, or labels that do not fit.
    """
    folder = folder_of("fashion_mnist", data_dir, "the four idx files of Fashion-MNIST")
    train, test = (_read_pair(folder, prefix) for prefix in ("train", "t10k"))
    return from_arrays(Classification(_FASHION), train, test=test, image_size=image_size)


def _read_pair(folder: Path, prefix: str) -> tuple[Tensor, Tensor]:
    folders = [folder, folder / "FashionMNIST" / "raw"]
    names = [f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"]
    images_path, labels_path = (find(folders, [f"{name}.gz", name]) for name in names)
    images = torch.from_numpy(read_idx(images_path, 3))[:, None]
    return images, check_labels(read_idx(labels_path, 1), len(images), len(_FASHION), f"File '{labels_path}'")
