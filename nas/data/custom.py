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

from nas.data.parts import RawData, check_memory, from_arrays, numbered_classes, resized
from nas.data.task_data import TaskData
from nas.errors import UsageError
from nas.tasks import Classification, Task

__all__ = ["read_custom"]

_LOOKS = 8
"""How often the first item is read to see whether it is the same each time."""
_MOST_CHANNELS = 4
"""Of an image whose channels come last."""


def read_custom(name: str, function: Callable[..., Any], data_dir: Path | None, image_size: int | None) -> RawData:
    """Call the function and read every item once, so a random transform in the dataset is frozen, which a note says.

    Global random generators are seeded while items are read and restored afterwards: every process reads the same.

    Args:
        name: ``package.module:function``, or what a package registers, for messages.
        function: may take ``data_dir``, and returns a ``Dataset`` or a tuple (train, test) or (train, validation, test)
            of them, each of (image [C, H, W], int label). Images are uint8 (0 to 255) or floats; images [H, W, C] of up
            to four channels are recognised where they cannot be [C, H, W]. Names of classes come from ``train.classes``
            if it exists. For another task than classification, or other inputs than images, it returns a
            :class:`~nas.data.task_data.TaskData`.
        data_dir: passed on.
        image_size: side to which images are resized; without it all must have one shape.

    Raises:
        UsageError: if it returns something else.
    """
    sets, given = _sets(name, _call(name, function, data_dir))
    wheres = {title: f"The {title} set of '{name}'" for title in sets}
    with _seeded():
        drawn = [_random_transform(dataset, wheres[title]) for title, dataset in sets.items()]
    with _seeded():
        take = _labelled_image if given is None else _input_and_target
        read = {title: _read(dataset, wheres[title], image_size, take) for title, dataset in sets.items()}
    main = next(iter(sets))
    task = given or Classification(_classes(sets[main], read[main][1], wheres[main]))
    pairs = {
        title: (inputs, task.check_targets(targets, len(inputs), wheres[title]))
        for title, (inputs, targets) in read.items()
    }
    raw = from_arrays(task, pairs[main], pairs.get("validation"), pairs.get("test"))
    return replace(raw, notes=tuple(filter(None, drawn)))


def _sets(name: str, returned: Any) -> tuple[dict[str, Any], Task | None]:
    """The data sets by title, that for training first, and the task, if the user says one."""
    if isinstance(returned, TaskData):
        sets, task = returned.sets(), returned.task
    else:
        each = returned if isinstance(returned, tuple) else (returned,)
        titles = {1: ["data"], 2: ["train", "test"], 3: ["train", "validation", "test"]}.get(len(each), [])
        sets, task = dict(zip(titles, each, strict=bool(titles))), None
    if not sets or not all(hasattr(s, "__len__") and hasattr(s, "__getitem__") for s in sets.values()):
        raise UsageError(
            f"Function '{name}' returned {_kinds(returned)}; return a torch Dataset with a length, a tuple "
            "(train, test) or (train, validation, test) of them, or nas.data.TaskData of them."
        )
    return sets, task


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
    if isinstance(returned, TaskData):
        return f"TaskData of ({', '.join(type(each).__name__ for each in returned.sets().values())})"
    if isinstance(returned, tuple):
        return f"a tuple of ({', '.join(type(item).__name__ for item in returned)})"
    return type(returned).__name__


Take = Callable[[Any, int, str], tuple[Tensor, Any]]
"""An item, its position and where it is from → its input and its target."""


def _read(dataset: Any, where: str, image_size: int | None, take: Take) -> tuple[Tensor, np.ndarray]:
    """Inputs [N, C, ...] and targets [N, ...] of all items."""
    if len(dataset) == 0:
        raise UsageError(f"{where} is empty; return a set with images.")
    first, _ = _item(dataset, 0, where, image_size, take)
    check_memory(len(dataset), tuple(first.shape), first.dtype)
    inputs = first.new_empty((len(dataset), *first.shape))
    targets = []
    for index in range(len(dataset)):
        each, target = _item(dataset, index, where, image_size, take)
        if (each.shape, each.dtype) != (first.shape, first.dtype):
            raise UsageError(
                f"{where} has images of {tuple(first.shape)} {first.dtype} and, at {index}, {tuple(each.shape)} "
                f"{each.dtype}; make them alike or give image_size."
            )
        inputs[index] = each
        targets.append(target)
    try:
        return inputs, np.asarray(targets)
    except ValueError as error:
        raise UsageError(f"{where} has targets of different shapes; make them alike.") from error


def _item(dataset: Any, index: int, where: str, image_size: int | None, take: Take) -> tuple[Tensor, Any]:
    each, target = take(dataset[index], index, where)
    each = each if each.dtype == torch.uint8 else each.float()
    return resized(each[None], (image_size, image_size))[0] if image_size else each, target


def _labelled_image(item: Any, index: int, where: str) -> tuple[Tensor, int]:
    image, label = item if isinstance(item, tuple | list) and len(item) == 2 else (item, None)
    if not _is_numbers(image) or image.ndim != 3:
        raise UsageError(
            f"{where} has no image tensor [C, H, W] of uint8 or floats at {index}; return (image, label) pairs."
        )
    if isinstance(label, Tensor) and label.numel() == 1:
        label = label.item()
    if isinstance(label, bool) or not isinstance(label, int | np.integer):
        raise UsageError(
            f"{where} has label {label!r} at {index}; return (image, label) pairs with an integer, or "
            "nas.data.TaskData for another task."
        )
    return _channels_first(image.detach().cpu()), int(label)


def _input_and_target(item: Any, index: int, where: str) -> tuple[Tensor, np.ndarray]:
    each, target = item if isinstance(item, tuple | list) and len(item) == 2 else (item, None)
    if not _is_numbers(each) or not each.ndim or target is None:
        raise UsageError(
            f"{where} has no tensor [C, ...] of uint8 or floats with its target at {index}; return (input, target) "
            "pairs."
        )
    each = each.detach().cpu()
    values = target.detach().cpu().numpy() if isinstance(target, Tensor) else np.asarray(target)
    return _channels_first(each) if each.ndim == 3 else each, values


def _is_numbers(each: Any) -> bool:
    return isinstance(each, Tensor) and (each.dtype == torch.uint8 or each.is_floating_point())


def _channels_first(image: Tensor) -> Tensor:
    """[C, H, W], also of an image [H, W, C] with up to four channels and more rows and columns than that."""
    rows, columns, channels = image.shape
    return image.permute(2, 0, 1) if channels <= _MOST_CHANNELS < min(rows, columns) else image


def _classes(dataset: Any, labels: np.ndarray, where: str) -> list[str]:
    names = getattr(dataset, "classes", None)
    if isinstance(names, list | tuple):
        return [str(name) for name in names]
    return numbered_classes(labels, where)
