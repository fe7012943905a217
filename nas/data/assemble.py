"""From what a source has to three disjoint splits on a device."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from nas.data.augment import Augment
from nas.data.images import ImageData, ImageSplit, channel_statistics
from nas.data.parts import Part, RawData, check_memory
from nas.data.seeding import generator
from nas.data.splits import halves, sample
from nas.errors import UsageError
from nas.streams import Stream
from nas.wording import printable

__all__ = ["assemble"]

_HELD_OUT = 0.2
_EXPECTED = 5
"""Classes of which a test split should have at least so many images are not missing by chance."""

Chosen = tuple[Part, Tensor]
"""A part, and the positions in it that make up a split."""


def assemble(
    name: str, raw: RawData, augment: Augment, seed: int, limit: int | None, device: torch.device
) -> ImageData:
    """Split, limit, read and measure; the splits are a function of (raw, seed, limit).

    A source's own test images stay whole and in order; train and validation are in random order, so that
    their first batches are a fair sample. Without test images, 20 % are held out. Without validation images,
    20 % of up to 5,000 training images are held out, less of more, down to 10 % from 10,000 on.

    Raises:
        UsageError: if there is but one class, a class has too few images or is missing in a split (a rare one may be
            missing in a small test split), or the pixels exceed the memory.
    """
    raw = replace(raw, classes=[printable(each, keep="") for each in raw.classes])  # they stand in files and sentences
    if len(raw.classes) < 2:
        raise UsageError(
            f"Data set '{name}' has a single class, '{raw.classes[0]}', so there is nothing to learn; "
            "add images of another class."
        )
    chosen = _three(raw, seed)
    if limit is not None and limit < len(chosen["train"][1]):
        part, positions = chosen["train"]
        chosen["train"] = part, positions[sample(part.labels[positions], limit, (seed, Stream.LIMIT))]
    notes = [*raw.notes, *_absences(name, raw, chosen)]
    images_in_all = sum(part.copies * len(positions) for part, positions in chosen.values())
    check_memory(images_in_all, raw.shape, raw.dtype)
    images = {title: part.read(_copied(positions, part.copies)) for title, (part, positions) in chosen.items()}
    mean, std = channel_statistics(images["train"])
    if not (mean.isfinite().all() and std.isfinite().all()):
        raise UsageError(f"Training images of '{name}' hold NaN or infinite pixels; remove those images.")
    splits = {
        title: ImageSplit(
            images[title].to(device),
            part.labels[positions].repeat(part.copies).to(device),
            mean.to(device),
            std.to(device),
            positions.repeat(part.copies).to(device) if part.copies > 1 else None,
        )
        for title, (part, positions) in chosen.items()
    }
    return ImageData(name, raw.classes, splits["train"], splits["validation"], splits["test"], augment, tuple(notes))


def _three(raw: RawData, seed: int) -> dict[str, Chosen]:
    labels = raw.train.labels
    train = torch.randperm(len(labels), generator=generator(seed, Stream.TRAINING_ORDER))
    if raw.test is not None:
        test = raw.test, torch.arange(len(raw.test.labels))
        share = min(_HELD_OUT, max(0.1, 1000 / len(train)))
    else:
        held_out, rest = halves(labels[train], _HELD_OUT, (seed, Stream.TEST_SPLIT), raw.classes)
        test, train = (raw.train, train[held_out]), train[rest]
        share = _HELD_OUT / (1 - _HELD_OUT)
    if raw.validation is not None:
        order = torch.randperm(len(raw.validation.labels), generator=generator(seed, Stream.VALIDATION_SPLIT))
        validation = raw.validation, order
    else:
        held_out, rest = halves(labels[train], share, (seed, Stream.VALIDATION_SPLIT), raw.classes)
        validation, train = (raw.train, train[held_out]), train[rest]
    return {"train": (raw.train, train), "validation": validation, "test": test}


def _copied(images: Tensor, copies: int) -> Tensor:
    """Where the copies of these images are: the first of all, the second of all, and so on."""
    return (images * copies + torch.arange(copies)[:, None]).flatten()


def _absences(name: str, raw: RawData, chosen: dict[str, Chosen]) -> Iterator[str]:
    """Refuses splits that lack a class; gives a note where chance explains that the test split does."""
    counts = {
        title: torch.bincount(part.labels[positions], minlength=len(raw.classes))
        for title, (part, positions) in chosen.items()
    }
    share = counts["train"] / counts["train"].sum()
    for title, count in counts.items():
        missing = count == 0
        names = [f"'{raw.classes[label]}'" for label in missing.nonzero().flatten().tolist()]
        if names and not (title == "test" and share[missing].sum() * count.sum() < _EXPECTED):
            raise UsageError(
                f"The {title} split of '{name}' has no image of class {names[0]}; add images or drop the class."
            )
        if names:
            yield (
                f"The {title} split of '{name}' has no image of class {', '.join(names)}, of which its figures say "
                "nothing."
            )
