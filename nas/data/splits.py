"""Stratified splits: every class is shared out in proportion, by a seed, and is in every part."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from nas.data.seeding import Seed, generator
from nas.errors import UsageError
from nas.wording import counted

__all__ = ["divided", "halves", "sample", "strata"]


def halves(
    labels: Tensor, share: float, seed: Seed, names: Sequence[str] | None = None, groups: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Positions of ``round(share * N)`` images, and of all the others, each in random order.

    Every class gives in proportion, rounded up or down, but at least one image to either side; where many
    rare classes need that, the first part is larger (or smaller) than asked for.

    Args:
        labels: [N] int64 class of each image.
        share: part of the images that goes to the first half, between 0 and 1.
        seed: decides which images.
        names: class names for the error message.
        groups: [N] int64; images of one group, all of one class, stay together and count as one.

    Raises:
        UsageError: for a share outside (0, 1), or a class with a single image.
    """
    if groups is not None:
        return _by_group(labels, groups, seed, lambda alone: halves(alone, share, seed, names))
    _check_share(share)
    counts = _counts(labels)
    for label in torch.nonzero(counts == 1).flatten().tolist():
        name = names[label] if names else label
        raise UsageError(
            f"Class '{name}' has 1 image left where a split in two needs at least 2; add images or drop it."
        )
    wanted = _apportion(counts, round(share * len(labels)), (counts - 1).clamp(min=0), (counts > 0).long())
    return _deal(labels, wanted, seed)


def divided(labels: Tensor, share: float, seed: Seed, groups: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The same of images that only evaluate: a class with a single image is in one part alone.

    Raises:
        UsageError: for a share outside (0, 1), or a single image (or group).
    """
    if groups is not None:
        return _by_group(labels, groups, seed, lambda alone: divided(alone, share, seed))
    _check_share(share)
    if len(labels) < 2:
        raise UsageError(f"{len(labels)} image cannot be divided in two parts; give two or more.")
    counts = _counts(labels)
    wanted = min(max(round(share * len(labels)), 1), len(labels) - 1)
    return _deal(labels, _apportion(counts, wanted, counts, torch.zeros_like(counts)), seed)


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
        raise UsageError(f"A limit of {counted(size, 'image')} cannot hold {classes} classes; give at least {classes}.")
    return _deal(labels, _apportion(counts, size, counts, (counts > 0).long()), seed)[0]


def strata(targets: Tensor) -> Tensor:
    """[N] int64, what is shared out in proportion: labels [N] themselves; of other targets all are alike."""
    is_label = targets.ndim == 1 and not targets.is_floating_point()
    return targets if is_label else torch.zeros(len(targets), dtype=torch.long)


def _check_share(share: float) -> None:
    if not 0 < share < 1:
        raise UsageError(f"A share of {share} cannot split a set in two; give a number between 0 and 1.")


def _by_group(
    labels: Tensor, groups: Tensor, seed: Seed, cut: Callable[[Tensor], tuple[Tensor, Tensor]]
) -> tuple[Tensor, Tensor]:
    """A cut of groups, each by the label of one of its images, as positions of images in random order."""
    labels, groups = labels.cpu(), groups.cpu()
    names, members = torch.unique(groups, return_inverse=True)
    of_group = torch.empty(len(names), dtype=torch.long)
    of_group[members] = labels
    first = torch.zeros(len(names), dtype=torch.bool)
    first[cut(of_group)[0]] = True
    order = torch.randperm(len(labels), generator=generator(seed, 1))
    chosen = first[members[order]]
    return order[chosen], order[~chosen]


def _counts(labels: Tensor) -> Tensor:
    return torch.bincount(labels.cpu())


def _apportion(counts: Tensor, total: int, most: Tensor, least: Tensor) -> Tensor:
    """How many images each class gives so that they sum to ``total``, from ``least`` to ``most`` for each class."""
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
