"""Images at the size that an architecture says: a choice that no module of a model reads."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from nas.data.image_size import IMAGE_SIZE
from nas.data.inputs import Inputs
from nas.data.parts import resized
from nas.errors import UsageError

__all__ = ["of_size", "resized_images", "size_in"]

_MOST = 100_000


def resized_images(images: Tensor, values: Mapping[str, Any]) -> Tensor:
    """Images ``[N, C, H, W]`` at the ``image_size`` of an architecture, bilinearly with antialiasing; else as they are.

    Whatever reads images of another size than the data are stored at gets them from here: training, evaluation,
    measurement and what evaluates the exported file.

    >>> import torch
    >>> resized_images(torch.ones(2, 1, 8, 8), {"image_size": 6}).shape
    torch.Size([2, 1, 6, 6])
    """
    size = size_in(values)
    return images if size is None else resized(images, (size, size))


def size_in(values: Mapping[str, Any]) -> int | None:
    """The size that an architecture says, None where it says none; UsageError if it is no size."""
    size = values.get(IMAGE_SIZE)
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= _MOST):
        raise UsageError(f"{IMAGE_SIZE} is {size!r} in an architecture; give whole numbers of pixels, 1 to {_MOST:,}.")
    return size


def of_size(inputs: Inputs, stored: tuple[int, ...], values: Mapping[str, Any]) -> Inputs:
    """Images in one of their forms, of which a network reads others than are stored.

    Args:
        inputs: of the shape that the network reads.
        stored: (height, width) of the images of the data.
        values: of the architecture.
    """
    about = {**inputs.about, "resized_from": list(stored), "resized_by": "bilinear with antialiasing"}
    return replace(inputs, about=about, batches=lambda split, size: inputs.batches(split.at(values), size))
