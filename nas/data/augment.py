"""Random crops, flips and cutout for a whole batch at once, on its own device."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nas.errors import UsageError

__all__ = ["Augment", "covered"]


@dataclass(frozen=True)
class Augment:
    """What training does to an image: shift it, perhaps mirror it, cover a square of it.

    ``move`` works on raw pixels, so that what comes in from outside is black, as in He et al. 2016
    (arXiv:1512.03385); ``erase`` works on normalised pixels, so that the square is the mean colour, as in
    DeVries and Taylor 2017 (arXiv:1708.04552).

    Attributes:
        crop: pixels of black border on each side, of which a random window of the old size is kept.
        flip: mirror half of the images left to right.
        cutout: side in pixels of the covered square, whose centre is any pixel; it may stick out.
    """

    crop: int = 0
    flip: bool = False
    cutout: int = 0

    def __post_init__(self) -> None:
        for field in ("crop", "cutout"):
            if getattr(self, field) < 0:
                raise UsageError(f"Augment {field} is {getattr(self, field)}; give 0 (off) or more pixels.")

    def move(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Crop and flip raw images [B, C, H, W] of any dtype; the draws come from the CPU generator."""
        if not (self.crop or self.flip):
            return images
        batch, _, height, width = images.shape
        rows = self._window(batch, height, generator)
        columns = self._window(batch, width, generator)
        if self.flip:
            mirrored = torch.rand(batch, 1, generator=generator) < 0.5
            columns = torch.where(mirrored, columns.flip(1), columns)
        rows, columns = rows.to(images.device), columns.to(images.device)
        channels_last = F.pad(images, [self.crop] * 4).permute(0, 2, 3, 1)
        which = torch.arange(batch, device=images.device)[:, None, None]
        return channels_last[which, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)

    def erase(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Set a random square of each normalised image [B, C, H, W] to zero."""
        if not self.cutout:
            return images
        batch, _, height, width = images.shape
        rows, columns = (covered(batch, side, self.cutout, generator).to(images.device) for side in (height, width))
        return images.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0.0)

    def _window(self, batch: int, size: int, generator: torch.Generator) -> Tensor:
        start = torch.randint(0, 2 * self.crop + 1, (batch, 1), generator=generator)
        return start + torch.arange(size)


def covered(count: int, side: int, length: int, draws: torch.Generator) -> Tensor:
    """Which rows (or columns) of each image ``[count, side]`` a square covers, centred anywhere; it may stick out."""
    start = torch.randint(0, side, (count, 1), generator=draws) - length // 2
    position = torch.arange(side)
    return (position >= start) & (position < start + length)
