"""Stratified splits: every class is shared out in proportion, by a seed, and is in every part."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nas.data.seeding import Seed, generator
from nas.errors import UsageError

__all__ = ["halves", "sample"]


def halves(labels: Tensor, share: float, seed: Seed, names: Sequence[str] | None = None) -> tuple[Tensor, Tensor]:
    """Positions of ``round(share * N)`` images, and of all the others, each in random order.

    Every class gives in proportion, rounded up or down, but at least one image to either side; where many
    rare classes need that, the first part is larger (or smaller) than asked for.

    Args:
        labels: [N] int64 class of each image.
        share: part of the images that goes to the first half, between 0 and 1.
        seed: decides which images.
        names: class names for the error message.

    Raises:
        UsageError: for a share outside (0, 1), or a class with a single image.
    """
    if not 0 < share < 1:
        raise UsageError(f"A share of {share} cannot split a set in two; give a number between 0 and 1.")
    counts = _counts(labels)
    for label in torch.nonzero(counts == 1).flatten().tolist():
        name = names[label] if names else label
        raise UsageError(
            f"Class '{name}' has 1 image left where a split in two needs at least 2; add images or drop it."
        )
    return _deal(labels, _apportion(counts, round(share * len(labels)), (counts - 1).clamp(min=0)), seed)


def sample(labels: Tensor, size: int, seed: Seed) -> Tensor:
    """Positions of exactly ``size`` images that hold every class in its proportion, in random order.

    Args:
        labels: [N] int64 class of each image.
        size: how many to keep, at most N.
        seed: decides which images.

    Raises:
        UsageError: if there are more classes than ``size``.
    """
    counts = _counts(labels)
    classes = int((counts > 0).sum())
    if size < classes:
        raise UsageError(f"A limit of {size} images cannot hold {classes} classes; give at least {classes}.")
    return _deal(labels, _apportion(counts, size, counts), seed)[0]


def _counts(labels: Tensor) -> Tensor:
    return torch.bincount(labels.cpu())


def _apportion(counts: Tensor, total: int, most: Tensor) -> Tensor:
    """How many images each class gives so that they sum to ``total``, from 1 to ``most`` for each class."""
    least = (counts > 0).long()
    total = min(max(total, int(least.sum())), int(most.sum()))
    images = counts.sum()
    ends = (2 * total * counts.cumsum(0) + images) // (2 * images)
    given = torch.minimum(torch.maximum(ends.diff(prepend=ends.new_zeros(1)), least), most)
    while given.sum() > total:
        given[(given - least).argmax()] -= 1
    while given.sum() < total:
        given[(most - given).argmax()] += 1
    return given


def _deal(labels: Tensor, given: Tensor, seed: Seed) -> tuple[Tensor, Tensor]:
    labels = labels.cpu()
    order = torch.randperm(len(labels), generator=generator(seed))
    by_class = order[labels[order].argsort(stable=True)]
    counts = _counts(labels)
    rank = torch.arange(len(labels)) - (counts.cumsum(0) - counts)[labels[by_class]]
    first = torch.zeros(len(labels), dtype=torch.bool)
    first[by_class[rank < given[labels[by_class]]]] = True
    return order[first[order]], order[~first[order]]
