"""What a source hands over before it is split: labels, and pixels that are read when asked for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nas.errors import UsageError
from nas.tasks import Task
from nas.wording import counted

__all__ = ["MEMORY_BUDGET", "RawData", "Subset", "check_memory", "from_arrays", "numbered_classes", "resized"]

MEMORY_BUDGET = 4 * 2**30
"""Bytes of pixels that a data set may hold in memory."""


@dataclass(frozen=True, eq=False)
class Subset:
    """Labelled images, or other arrays of numbers, of which any subset can be read.

    Attributes:
        labels: [N, ...], the targets of the task.
        read: positions [n] int64 -> images [n, C, H, W], uint8 (value / 255) or float32 (as it is); or [n, C, ...].
        copies: of each image, at positions ``copies * image`` and after.
    """

    labels: Tensor
    read: Callable[[Tensor], Tensor]
    copies: int = 1


@dataclass(frozen=True, eq=False)
class RawData:
    """The parts a source has; those it lacks are taken out of ``train`` later.

    Attributes:
        task: what networks must do.
        shape: (C, H, W) of every image, or (C, ...).
        dtype: torch.uint8 or torch.float32.
        notes: sentences that the user should read.
    """

    task: Task
    shape: tuple[int, ...]
    dtype: torch.dtype
    train: Subset
    validation: Subset | None = None
    test: Subset | None = None
    notes: tuple[str, ...] = ()


def from_arrays(
    task: Task,
    train: tuple[Tensor, Tensor],
    validation: tuple[Tensor, Tensor] | None = None,
    test: tuple[Tensor, Tensor] | None = None,
    image_size: int | None = None,
    copies: int = 1,
) -> RawData:
    """Wrap (images [N * copies, C, H, W], labels [N, ...]) pairs that are in memory, resized when read.

    Raises:
        UsageError: if the parts differ in image shape or type.
    """
    images = train[0]
    for other in (validation, test):
        if other is not None and (other[0].shape[1:], other[0].dtype) != (images.shape[1:], images.dtype):
            raise UsageError(
                f"Training images are {_describe(images)} but others are {_describe(other[0])}; "
                "store all of them alike."
            )
    size = (image_size, image_size) if image_size else tuple(images.shape[2:])

    def part(pair: tuple[Tensor, Tensor]) -> Subset:
        return Subset(pair[1], lambda positions: resized(pair[0][positions], size), copies)

    return RawData(
        task,
        (images.shape[1], *size),
        images.dtype,
        part(train),
        part(validation) if validation else None,
        part(test) if test else None,
    )


def resized(images: Tensor, size: tuple[int, ...]) -> Tensor:
    """Images [N, C, H, W] bilinearly (antialiased) to ``size`` (height, width); the type stays.

    Raises:
        UsageError: these are no images, but of another number of dimensions.
    """
    if tuple(images.shape[2:]) == size:
        return images
    if images.ndim != 4:
        raise UsageError(
            f"image_size is {size[0]}, but inputs of shape {list(images.shape[1:])} are no images [C, H, W]; drop it."
        )
    result = images.new_empty((*images.shape[:2], *size))
    for old, new in zip(torch.split(images, 1024), torch.split(result, 1024), strict=True):
        scaled = F.interpolate(old.float(), size, mode="bilinear", antialias=True)
        new.copy_(scaled if images.is_floating_point() else scaled.round().clamp(0, 255))
    return result


def numbered_classes(labels: np.ndarray | Sequence[int], where: str) -> list[str]:
    """Names of classes that have only numbers: "0" to the largest label.

    Args:
        labels: one integer for each image.
        where: the file or object they come from, for the message.

    Raises:
        UsageError: a label is so large that some class must lack an image.
    """
    values = np.asarray(labels)
    if not values.size or values.dtype.kind not in "iu":
        return []
    largest = int(values.max())
    if largest >= values.size:
        raise UsageError(
            f"{where} holds label {largest} for {counted(values.size, 'image')}; number the classes from 0 without "
            "gaps."
        )
    return [str(label) for label in range(largest + 1)]


def check_memory(images: int, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    """Refuse (UsageError) a set that would not fit :data:`MEMORY_BUDGET`."""
    size = images * int(np.prod(shape)) * dtype.itemsize
    if size > MEMORY_BUDGET:
        raise UsageError(
            f"{images} images of {'x'.join(map(str, shape))} take {size / 2**30:.1f} GiB of memory where "
            f"{MEMORY_BUDGET / 2**30:g} GiB are allowed; give a smaller image_size or a limit on the images."
        )


def _describe(images: Tensor) -> str:
    return f"{'x'.join(map(str, images.shape[1:]))} {str(images.dtype).removeprefix('torch.')}"
