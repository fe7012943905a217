"""The data sets that have a name, and ``load``, which turns a name into splits."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import torch

from nas.data.assemble import assemble
from nas.data.augment import Augment
from nas.data.cifar import read_cifar10
from nas.data.custom import TASKS, read_custom
from nas.data.digits import read_digits, read_noisy_digits
from nas.data.folder import read_folder
from nas.data.idx import read_fashion_mnist
from nas.data.npz import read_npz_folder
from nas.data.parts import RawData
from nas.data.protocols import Data
from nas.data.text_source import read_text, split_text
from nas.errors import UsageError, did_you_mean

__all__ = ["available", "load", "require"]


@dataclass(frozen=True)
class _Source:
    summary: str
    read: Callable[[Path | None, int | None], RawData]
    crop: float = 0.0
    """Border of the random crop as a share of the image's smaller side."""
    flip: bool = False


_SOURCES = {
    "digits": _Source("1,797 grey 8x8 handwritten digits, built in", read_digits, crop=1 / 8),
    "noisy_digits": _Source(
        "the same digits turned, shifted, partly covered and noisy, built in", read_noisy_digits, crop=1 / 8
    ),
    "fashion_mnist": _Source(
        "70,000 grey 28x28 images of clothing; --data-dir with the four idx files",
        read_fashion_mnist,
        crop=1 / 14,
        flip=True,
    ),
    "cifar10": _Source(
        "60,000 colour 32x32 images of 10 classes; --data-dir with the batches (python, .bin or .npz)",
        read_cifar10,
        crop=1 / 8,
        flip=True,
    ),
    "folder": _Source(
        "your images; --data-dir with a sub-folder for each class, perhaps below train/, val/, test/",
        read_folder,
        crop=1 / 8,
    ),
    "npz": _Source(
        "your arrays; --data-dir with train.npz and perhaps test.npz, each with x and y (classes, numbers or labels)",
        read_npz_folder,
    ),
}

_TEXT = {"text": "one file of text, character by character; --data-dir with the file or a folder with input.txt(.gz)"}

_WINDOW = 64
"""Characters of a window, unless another length is asked for."""


def available() -> dict[str, str]:
    """Name and one-line summary of everything ``load`` takes.

    >>> list(available())
    ['digits', 'noisy_digits', 'fashion_mnist', 'cifar10', 'folder', 'npz', 'text', 'package.module:function']
    """
    shipped = {name: source.summary for name, source in _SOURCES.items()} | _TEXT
    installed = {each.name: each.summary for each in TASKS.listing()}
    own = "your function, which returns torch Datasets of (image, label), or nas.data.TaskData"
    return shipped | installed | {"package.module:function": own}


def load(
    name: str,
    data_dir: str | PathLike[str] | None = None,
    seed: int = 0,
    image_size: int | None = None,
    device: str | torch.device = "cpu",
    limit: int | None = None,
    length: int | None = None,
) -> Data:
    """Load a data set and split it into train, validation and test.

    Args:
        name: one of :func:`available`, or ``package.module:function``.
        data_dir: folder of its files; for text perhaps the file itself.
        seed: decides the splits of images; those of text are contiguous.
        image_size: height and width to which all images are resized; None keeps theirs.
        device: where the images or the text stay.
        limit: keep at most this many training images, every class in proportion; of text, this many windows.
        length: characters of a window of text; None means 64.

    Returns:
        An :class:`~nas.data.ImageData`, or a :class:`~nas.data.TextData` for text.

    Raises:
        UsageError: for an unknown name, missing or damaged files, sets that cannot be split, bad numbers.

    >>> data = load("digits")
    >>> data.input_shape, data.output_shape, len(data.train), len(data.validation), len(data.test)
    ((1, 8, 8), (10,), 1078, 360, 359)
    """
    given = ("seed", seed, 0), ("image_size", image_size, 1), ("limit", limit, 1), ("length", length, 1)
    for field, value, least in given:
        if value is not None and value < least:
            raise UsageError(f"{field} is {value}; give an integer of {least} or more.")
    folder = Path(data_dir) if data_dir is not None else None
    with _memory_of(name):
        return _load(name, folder, seed, image_size, device, limit, length)


def _load(
    name: str,
    folder: Path | None,
    seed: int,
    image_size: int | None,
    device: str | torch.device,
    limit: int | None,
    length: int | None,
) -> Data:
    if name in _TEXT:
        if image_size is not None:
            raise UsageError(f"image_size is {image_size}, but data set '{name}' has no images; give length instead.")
        return split_text(name, read_text(folder), length or _WINDOW, limit, _device(device))
    source = _named(name)
    if length is not None:
        raise UsageError(f"length is {length}, but data set '{name}' holds images; drop it, or give image_size.")
    target = _device(device)
    raw = source.read(folder, image_size)
    crop = round(source.crop * min(raw.shape[1:], default=0))
    return assemble(name, raw, Augment(crop=crop, flip=source.flip), seed, limit, target)


def require(name: str) -> None:
    """Refuses a name of no data set; a function of the user is not looked for.

    Raises:
        UsageError: it is none.
    """
    if ":" not in name and name not in (known := available()):
        raise UsageError(f"task '{name}' is not known; {did_you_mean(name, known)}")


def _named(name: str) -> _Source:
    require(name)
    own = _Source("", lambda data_dir, image_size: read_custom(name, data_dir, image_size))
    return _SOURCES.get(name, own)


@contextmanager
def _memory_of(name: str) -> Iterator[None]:
    """Says in a sentence that memory, of the machine or of its device, does not suffice."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "memory" not in str(error):
            raise
        raise UsageError(
            f"Data set '{name}' does not fit into memory; give a smaller image_size or a limit on the images, "
            "or free some memory."
        ) from error


def _device(name: str | torch.device) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"Device '{name}' is not usable here; give cpu, or a device that torch finds.") from error
    return device
