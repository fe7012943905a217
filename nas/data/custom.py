"""A user's own data set: ``package.module:function`` that returns torch datasets."""

import inspect
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nas.data.parts import RawData, check_labels, check_memory, from_arrays, numbered_classes, resized
from nas.errors import UsageError
from nas.parts import Slot

__all__ = ["read_custom"]

_LOOKS = 8
"""How often the first item is read to see whether it is the same each time."""
_MOST_CHANNELS = 4
"""Of an image whose channels come last."""

OWN: Slot[Callable[..., Any]] = Slot("data set", "nas.tasks", {}, callable, "a function that returns torch Datasets")
"""Data that other packages register, or that a user wrote."""


def read_custom(name: str, data_dir: Path | None, image_size: int | None) -> RawData:
    """Call the function and read every item once, so a random transform in the dataset is frozen, which a note says.

    Global random generators are seeded while items are read and restored afterwards: every process reads the same.

    Args:
        name: ``package.module:function``, or what a package registers. The function may take ``data_dir``, and returns
            a ``Dataset`` or a tuple (train, test) or (train, validation, test) of them, each of (image [C, H, W], int
            label). Images are uint8 (0 to 255) or floats; images [H, W, C] of up to four channels are recognised where
            they cannot be [C, H, W]. Names of classes come from ``train.classes`` if it exists.
        data_dir: passed on.
        image_size: side to which images are resized; without it all must have one shape.

    Raises:
        UsageError: if there is no such function, or it returns something else.
    """
    returned = _call(name, OWN[name], data_dir)
    sets = returned if isinstance(returned, tuple) else (returned,)
    if len(sets) > 3 or not sets or not all(hasattr(s, "__len__") and hasattr(s, "__getitem__") for s in sets):
        raise UsageError(
            f"Function '{name}' returned {_kinds(returned)}; return a torch Dataset with a length, or a tuple "
            "(train, test) or (train, validation, test) of them."
        )
    titles = {1: ["data"], 2: ["train", "test"], 3: ["train", "validation", "test"]}[len(sets)]
    wheres = [f"The {title} set of '{name}'" for title in titles]
    with _seeded():
        drawn = [_random_transform(dataset, where) for dataset, where in zip(sets, wheres, strict=True)]
    with _seeded():
        read = [_read(dataset, where, image_size) for dataset, where in zip(sets, wheres, strict=True)]
    classes = _classes(sets[0], read[0][1], wheres[0])
    pairs = [
        (images, check_labels(labels, len(images), len(classes), where))
        for (images, labels), where in zip(read, wheres, strict=True)
    ]
    test = pairs[-1] if len(pairs) > 1 else None
    raw = from_arrays(classes, pairs[0], pairs[1] if len(pairs) == 3 else None, test)
    return replace(raw, notes=tuple(filter(None, drawn)))


@contextmanager
def _seeded() -> Iterator[None]:
    """Fixed seeds of the global random generators, whose states are put back afterwards."""
    before, numpy_before = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        random.seed(0)
        np.random.seed(0)
        torch.manual_seed(0)
        try:
            yield
        finally:
            random.setstate(before)
            np.random.set_state(numpy_before)


def _random_transform(dataset: Any, where: str) -> str | None:
    """A note if the first item is not the same each time that it is read."""
    items = [dataset[0] for _ in range(_LOOKS)] if len(dataset) else []
    images = [item[0] for item in items if isinstance(item, tuple | list) and len(item) == 2]
    if all(not isinstance(image, Tensor) or _same(image, images[0]) for image in images):
        return None
    return (
        f"{where} draws its images at random each time they are read; the first draw is kept for the whole run, "
        "so leave augmentation to the recipe (training.flip, training.cutout)."
    )


def _same(image: Tensor, other: Any) -> bool:
    return isinstance(other, Tensor) and image.shape == other.shape and torch.equal(image, other)


def _call(name: str, function: Callable[..., Any], data_dir: Path | None) -> Any:
    parameter = inspect.signature(function).parameters.get("data_dir")
    if parameter is None:
        if data_dir is not None:
            raise UsageError(f"Function '{name}' takes no data_dir; add that argument or drop --data-dir.")
        return function()
    if data_dir is None and parameter.default is parameter.empty:
        raise UsageError(f"Function '{name}' needs a folder; give --data-dir (data_dir).")
    return function() if data_dir is None else function(data_dir=data_dir)


def _kinds(returned: Any) -> str:
    if isinstance(returned, tuple):
        return f"a tuple of ({', '.join(type(item).__name__ for item in returned)})"
    return type(returned).__name__


def _read(dataset: Any, where: str, image_size: int | None) -> tuple[Tensor, list[int]]:
    """Images [N, C, H, W] and labels of all items."""
    if len(dataset) == 0:
        raise UsageError(f"{where} is empty; return a set with images.")
    first, _ = _item(dataset, 0, where, image_size)
    check_memory(len(dataset), tuple(first.shape), first.dtype)
    images = first.new_empty((len(dataset), *first.shape))
    labels = []
    for index in range(len(dataset)):
        image, label = _item(dataset, index, where, image_size)
        if (image.shape, image.dtype) != (first.shape, first.dtype):
            raise UsageError(
                f"{where} has images of {tuple(first.shape)} {first.dtype} and, at {index}, {tuple(image.shape)} "
                f"{image.dtype}; make them alike or give image_size."
            )
        images[index] = image
        labels.append(label)
    return images, labels


def _item(dataset: Any, index: int, where: str, image_size: int | None) -> tuple[Tensor, int]:
    item = dataset[index]
    image, label = item if isinstance(item, tuple | list) and len(item) == 2 else (item, None)
    if (
        not isinstance(image, Tensor)
        or image.ndim != 3
        or not (image.dtype == torch.uint8 or image.is_floating_point())
    ):
        raise UsageError(
            f"{where} has no image tensor [C, H, W] of uint8 or floats at {index}; return (image, label) pairs."
        )
    if isinstance(label, Tensor) and label.numel() == 1:
        label = label.item()
    if isinstance(label, bool) or not isinstance(label, int | np.integer):
        raise UsageError(f"{where} has label {label!r} at {index}; return (image, label) pairs with an integer.")
    image = _channels_first(image.detach().cpu())
    image = image if image.dtype == torch.uint8 else image.float()
    return resized(image[None], (image_size, image_size))[0] if image_size else image, int(label)


def _channels_first(image: Tensor) -> Tensor:
    """[C, H, W], also of an image [H, W, C] with up to four channels and more rows and columns than that."""
    rows, columns, channels = image.shape
    return image.permute(2, 0, 1) if channels <= _MOST_CHANNELS < min(rows, columns) else image


def _classes(dataset: Any, labels: list[int], where: str) -> list[str]:
    names = getattr(dataset, "classes", None)
    if isinstance(names, list | tuple):
        return [str(name) for name in names]
    return numbered_classes(labels, where)
