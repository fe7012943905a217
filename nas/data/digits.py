"""Handwritten digits that are hard to read, so that networks differ.

The plain digits are read by almost any network, and what is left of their differences is luck. Here every image is
turned, sized and shifted, partly covered and noisy.
"""

import math
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from nas.data.augment import covered
from nas.data.parts import RawData, from_arrays
from nas.data.seeding import generator
from nas.errors import UsageError
from nas.tasks import Classification
from nas.tasks.classification import check_labels

__all__ = ["corrupted", "read_digits", "read_noisy_digits"]

COPIES = 16
_CLASSES = [str(digit) for digit in range(10)]
_SEED = 1797
_TURN = math.radians(25)
_SIZE = 0.2
_SHIFT = 1.0
_COVERED = 3
_NOISE = 0.15


def read_digits(data_dir: Path | None, image_size: int | None) -> RawData:
    """The digits of scikit-learn as they are."""
    return from_arrays(Classification(_CLASSES), _digits("digits", data_dir), image_size=image_size)


def read_noisy_digits(data_dir: Path | None, image_size: int | None) -> RawData:
    """The same digits, hard to read, in :data:`COPIES` each; an epoch of training sees one copy of each, drawn anew.

    The copies of an image are the same in every run, and never in two splits.
    """
    images, labels = _digits("noisy_digits", data_dir)
    return from_arrays(
        Classification(_CLASSES), (corrupted(images, COPIES), labels), image_size=image_size, copies=COPIES
    )


def corrupted(images: Tensor, copies: int) -> Tensor:
    """Images [N, 1, H, W] from 0 to 1 in so many variants [N * copies, 1, H, W], those of one image in a row.

    Each is turned by up to 25 degrees, sized by up to 20 %, shifted by up to a pixel, loses a square of 3x3 pixels and
    gets normal noise of .15. The draws are the same in every call.
    """
    draws, count = generator(_SEED), len(images) * copies
    turned = _moved(images.repeat_interleave(copies, 0), draws)
    rows, columns = (covered(count, side, _COVERED, draws) for side in images.shape[2:])
    square = rows[:, None, :, None] & columns[:, None, None, :]
    noise = _NOISE * torch.randn(turned.shape, generator=draws)
    return (turned.masked_fill(square, 0.0) + noise).clamp(0, 1)


def _moved(images: Tensor, draws: torch.Generator) -> Tensor:
    """Each image turned, sized and shifted (bilinearly); what comes in from outside is black."""
    count, side = len(images), images.shape[-1]

    def within(most: float) -> Tensor:
        return (2 * torch.rand(count, generator=draws) - 1) * most

    turn, size, right, down = within(_TURN), 1 + within(_SIZE), within(2 * _SHIFT / side), within(2 * _SHIFT / side)
    cosine, sine = turn.cos() / size, turn.sin() / size
    rows = (torch.stack([cosine, -sine, right], 1), torch.stack([sine, cosine, down], 1))
    grid = F.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def _digits(name: str, data_dir: Path | None) -> tuple[Tensor, Tensor]:
    from sklearn.datasets import load_digits

    if data_dir is not None:
        raise UsageError(f"Data set '{name}' is built in and reads no folder '{data_dir}'; drop --data-dir.")
    digits = load_digits()
    images = torch.from_numpy(digits.images / 16).float()[:, None]
    return images, check_labels(digits.target, len(images), 10, name)
