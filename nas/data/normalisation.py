"""By what the pixels of images are normalised."""

from dataclasses import dataclass

import torch
from torch import Tensor

from nas.data.images import channel_statistics
from nas.errors import UsageError
from nas.wording import counted

__all__ = ["Normalisation", "normalisation_of"]


@dataclass(frozen=True)
class Normalisation:
    """Mean and standard deviation of each channel, or one of all, in the units of the pixels (bytes count as 0 to 1).

    >>> Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # what models that saw ImageNet expect
    Normalisation(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]


def normalisation_of(name: str, images: Tensor, given: Normalisation | None) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation [C] float32: those that are given, else those of training images [N, C, ...].

    Args:
        name: of the data set.

    Raises:
        UsageError: images hold NaN or infinite pixels, or what is given is of another number of channels.
    """
    mean, std = channel_statistics(images)
    if not (mean.isfinite().all() and std.isfinite().all()):
        raise UsageError(f"Training images of '{name}' hold NaN or infinite pixels; remove those images.")
    if given is None:
        return mean, std
    channels = images.shape[1]
    for field, values in (("mean", given.mean), ("std", given.std)):
        if len(values) not in (1, channels):
            raise UsageError(
                f"normalisation.{field} has {counted(len(values), 'number')}, but the images of '{name}' have "
                f"{counted(channels, 'channel')}; give one number for each, or one for all."
            )
    return torch.tensor(given.mean).expand(channels).clone(), torch.tensor(given.std).expand(channels).clone()
