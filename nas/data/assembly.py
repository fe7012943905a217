"""From what a source has to three disjoint splits on a device."""

import torch
from torch import Tensor

from nas.data.augment import Augment
from nas.data.images import ImageData, ImageSplit
from nas.data.normalisation import Normalisation, normalisation_of
from nas.data.parts import RawData, Subset, check_memory
from nas.data.seeding import generator
from nas.data.splits import halves, sample, strata
from nas.streams import Stream

__all__ = ["assemble"]

_HELD_OUT = 0.2

Chosen = tuple[Subset, Tensor]
"""A part, and the positions in it that make up a split."""


def assemble(
    name: str,
    raw: RawData,
    augment: Augment,
    seed: int,
    limit: int | None,
    device: torch.device,
    normalisation: Normalisation | None = None,
) -> ImageData:
    """Split, limit, read and measure; the splits are a function of (raw, seed, limit).

    A source's own test images stay whole and in order; train and validation are in random order, so that
    their first batches are a fair sample. Without test images, 20 % are held out. Without validation images,
    20 % of up to 5,000 training images are held out, less of more, down to 10 % from 10,000 on.

    Raises:
        UsageError: if the task cannot be learnt from these splits, as where a class is missing in one, or the pixels
            exceed the memory.
    """
    chosen = _three(raw, seed)
    if limit is not None and limit < len(chosen["train"][1]):
        part, positions = chosen["train"]
        chosen["train"] = part, positions[sample(strata(part.labels[positions]), limit, (seed, Stream.LIMIT))]
    targets = {title: part.labels[positions] for title, (part, positions) in chosen.items()}
    notes = [*raw.notes, *raw.task.check_splits(name, targets)]
    images_in_all = sum(part.copies * len(positions) for part, positions in chosen.values())
    check_memory(images_in_all, raw.shape, raw.dtype)
    images = {title: part.read(_copied(positions, part.copies)) for title, (part, positions) in chosen.items()}
    mean, std = normalisation_of(name, images["train"], normalisation)
    splits = {
        title: ImageSplit(
            images[title].to(device),
            torch.cat([targets[title]] * part.copies).to(device),
            mean.to(device),
            std.to(device),
            positions.repeat(part.copies).to(device) if part.copies > 1 else None,
        )
        for title, (part, positions) in chosen.items()
    }
    return ImageData(name, raw.task, splits["train"], splits["validation"], splits["test"], augment, tuple(notes))


def _three(raw: RawData, seed: int) -> dict[str, Chosen]:
    labels = strata(raw.train.labels)
    names = raw.task.classes or None
    train = torch.randperm(len(labels), generator=generator(seed, Stream.TRAINING_ORDER))
    if raw.test is not None:
        test = raw.test, torch.arange(len(raw.test.labels))
        share = min(_HELD_OUT, max(0.1, 1000 / len(train)))
    else:
        held_out, rest = halves(labels[train], _HELD_OUT, (seed, Stream.TEST_SPLIT), names)
        test, train = (raw.train, train[held_out]), train[rest]
        share = _HELD_OUT / (1 - _HELD_OUT)
    if raw.validation is not None:
        order = torch.randperm(len(raw.validation.labels), generator=generator(seed, Stream.VALIDATION_SPLIT))
        validation = raw.validation, order
    else:
        held_out, rest = halves(labels[train], share, (seed, Stream.VALIDATION_SPLIT), names)
        validation, train = (raw.train, train[held_out]), train[rest]
    return {"train": (raw.train, train), "validation": validation, "test": test}


def _copied(images: Tensor, copies: int) -> Tensor:
    """Where the copies of these images are: the first of all, the second of all, and so on."""
    return (images * copies + torch.arange(copies)[:, None]).flatten()
