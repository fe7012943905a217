"""``load``, which turns the name of a data set into splits."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from os import PathLike
from pathlib import Path

import torch

from nas.data.custom import read_custom
from nas.data.normalisation import Normalisation
from nas.data.protocols import Data
from nas.data.source import ExampleSource, Request, TextSource
from nas.data.tasks import TASKS
from nas.errors import UsageError

__all__ = ["load"]


def load(
    name: str,
    data_dir: str | PathLike[str] | None = None,
    seed: int = 0,
    image_size: int | None = None,
    device: str | torch.device = "cpu",
    limit: int | None = None,
    length: int | None = None,
    normalisation: Normalisation | None = None,
) -> Data:
    """Load a data set and split it into train, validation and test.

    Args:
        name: one of :func:`nas.data.available`, or ``package.module:function``.
        data_dir: folder of its files; for text perhaps the file itself.
        seed: decides the splits of images; those of text are contiguous.
        image_size: height and width to which all images are resized; None keeps theirs.
        device: where the images or the text stay.
        limit: keep at most this many training images, every class in proportion; of text, this many windows.
        length: characters of a window of text; None means 64.
        normalisation: of the pixels of images; by default by the mean and spread of the training images.

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
    asked = Request(name, folder, seed, image_size, _device(device), limit, length, normalisation)
    part = TASKS[name]
    own = part if isinstance(part, ExampleSource | TextSource) else ExampleSource("", partial(read_custom, name, part))
    with _memory_of(name):
        return own.load(asked)


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
