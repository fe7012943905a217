"""What an exported network reads: pixels as users have them, what it was trained on, or token ids."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from nas.errors import UsageError

__all__ = ["Inputs", "Pixels", "pixel_inputs", "token_inputs"]

_COLOURS = {1: "grey", 3: "RGB"}

Batches = Iterator[tuple[Tensor, Tensor]]


class Pixels(Protocol):
    """A split of images that also gives them as they were before they are normalised."""

    def batches(self, batch_size: int) -> Batches:
        """Normalised images and labels."""

    def pixels(self, batch_size: int) -> Batches:
        """Float32 pixels as the data set has them, and labels."""


@dataclass(frozen=True, eq=False)
class Inputs:
    """The form in which examples come to an exported network.

    Attributes:
        form: an `nas.data.InputForm`, or "ids".
        shape: of one example.
        dtype: of a batch.
        mean: of each channel, which the exported network subtracts; None where it reads what it was trained on.
        std: of each channel, by which it then divides; likewise.
        about: what else a user must know, in plain values: of images the range of their ``values`` and their
            ``colours`` (None for other numbers of channels than 1 and 3), of normalised ones also ``mean`` and ``std``.
        batches: a split and a batch size → every example once in this form, and its label.
    """

    form: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    about: dict[str, Any]
    batches: Callable[[Any, int], Batches]

    def describe(self) -> dict[str, Any]:
        """Plain values: ``form``, ``dtype``, ``shape`` (the batch first) and what ``about`` holds."""
        dtype = str(self.dtype).removeprefix("torch.")
        return {"form": self.form, "dtype": dtype, "shape": ["batch", *self.shape], **self.about}


def pixel_inputs(
    form: str,
    name: str,
    shape: tuple[int, ...],
    values: tuple[float, float],
    mean: tuple[float, ...],
    std: tuple[float, ...],
) -> Inputs:
    """Images, or other arrays of numbers, in one of the forms.

    Args:
        form: an `nas.data.InputForm`.
        name: of the data set.
        shape: (channels, height, width), or (channels, ...).
        values: the smallest and the largest pixel; those from 0 to 1 stand for bytes.
        mean: of each channel, in the units of the pixels.
        std: likewise.

    Raises:
        UsageError: bytes are asked for, but the pixels are no shares of 255.
    """
    low, high = values
    are_shares = low >= 0 and high <= 1
    colours = _COLOURS.get(shape[0]) if len(shape) == 3 else None
    about = {"values": [0.0, 1.0] if are_shares else [low, high], "colours": colours}
    if form == "normalised":
        about |= {"mean": list(mean), "std": list(std)}
        return Inputs(form, shape, torch.float32, None, None, about, lambda split, size: split.batches(size))
    if form == "unit":
        return Inputs(form, shape, torch.float32, mean, std, about, lambda split, size: split.pixels(size))
    if not are_shares:
        raise UsageError(
            f"export.input is 'bytes', but the pixels of data set '{name}' reach from {low:g} to {high:g}, not from 0 "
            "to 1 or as bytes from 0 to 255; use 'unit', which takes them as they are."
        )
    mean, std = (tuple(255 * each for each in part) for part in (mean, std))
    return Inputs(form, shape, torch.uint8, mean, std, {**about, "values": [0, 255]}, _as_bytes)


def token_inputs(form: str, name: str, length: int) -> Inputs:
    """Windows of text as token ids, the only form of it; UsageError where a form of images is asked for."""
    if form != "unit":
        raise UsageError(
            f"export.input is '{form}', but data set '{name}' is text, which is read as token ids; leave it out."
        )
    return Inputs("ids", (length,), torch.int64, None, None, {}, lambda split, size: split.batches(size))


def _as_bytes(split: Pixels, size: int) -> Batches:
    return (((255 * pixels).round().to(torch.uint8), labels) for pixels, labels in split.pixels(size))
