"""The data sets that have a name, and ``load``, which turns a name into splits."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import torch

from nas.data.custom import read_custom
from nas.data.protocols import Data
from nas.data.source import ExampleSource, Request, TextSource
from nas.errors import UsageError
from nas.parts import Slot

__all__ = ["TASKS", "available", "load", "require"]

_NAMES = ("digits", "noisy_digits", "fashion_mnist", "cifar10", "folder", "npz", "text")

TASKS: Slot[ExampleSource | TextSource | Callable[..., Any]] = Slot(
    "task",
    "nas.tasks",
    {name: f"nas.data.shipped:{name.upper()}" for name in _NAMES},
    lambda part: isinstance(part, ExampleSource | TextSource) or callable(part),
    "a function that returns torch Datasets, or nas.data.TaskData of them",
)
"""Data with their tasks: what ships, what other packages register, and what a user wrote."""


def available() -> dict[str, str]:
    """Name and one-line summary of everything ``load`` takes.

    >>> list(available())
    ['digits', 'noisy_digits', 'fashion_mnist', 'cifar10', 'folder', 'npz', 'text', 'package.module:function']
    """
    own = "your function, which returns torch Datasets of (image, label), or nas.data.TaskData"
    return {each.name: each.summary for each in TASKS.listing()} | {"package.module:function": own}


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
    asked = Request(name, folder, seed, image_size, _device(device), limit, length)
    part = TASKS[name]
    own = part if isinstance(part, ExampleSource | TextSource) else ExampleSource("", partial(read_custom, name, part))
    with _memory_of(name):
        return own.load(asked)


def require(name: str) -> None:
    """Refuses a name of no data set; a function of the user is not looked for.

    Raises:
        UsageError: it is none.
    """
    TASKS.require(name)


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
