"""Labelled images, or other arrays of numbers, in three splits that give normalised batches."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from nas.data.augment import Augment
from nas.data.batching import check_batch_size, full_batches
from nas.data.image_size import IMAGE_SIZE
from nas.data.inputs import Inputs, pixel_inputs
from nas.data.protocols import Batch
from nas.data.resolution import of_size, resized_images, size_in
from nas.data.seeding import Seed, generator
from nas.data.splits import divided, halves, strata
from nas.errors import UsageError
from nas.tasks import Task

__all__ = ["ImageData", "ImageSplit", "channel_statistics", "per_channel"]


@dataclass(frozen=True, eq=False, repr=False)
class ImageSplit:
    """Labelled images held on one device; batches are normalised images [B, C, H, W] float32 and labels [B] int64.

    Images may be other arrays of numbers, such as vectors of features, and labels other targets.

    Attributes:
        images: [N, C, H, W] or [N, C, ...], either uint8 (read as value / 255) or float32 (read as it is).
        labels: [N] int64, or [N, ...], of the type that the losses of the task take.
        mean: [C] float32, subtracted from each channel.
        std: [C] float32, by which each channel is then divided.
        groups: [N] int64, equal for images that are copies of one; None where every image is one of its own. What
            evaluates sees all copies, an epoch of training one of each image.
        size: height and width of the images in batches, None for those that are stored; they are resized last, after
            all that training does to them.
        memory_format: of images in batches.
    """

    images: Tensor
    labels: Tensor
    mean: Tensor
    std: Tensor
    groups: Tensor | None = None
    size: int | None = None
    memory_format: torch.memory_format = torch.contiguous_format

    @property
    def device(self) -> torch.device:
        return self.labels.device

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        shape = "x".join(map(str, self.images.shape[1:]))
        return f"ImageSplit({len(self)} images of {shape}, {self.images.dtype} on {self.images.device})"

    def batches(self, batch_size: int) -> Iterator[Batch]:
        check_batch_size(batch_size)
        positions = torch.split(torch.arange(len(self), device=self.labels.device), batch_size)
        return (self._batch(chosen) for chosen in positions)

    def pixels(self, batch_size: int) -> Iterator[Batch]:
        """As `batches`, but before images are normalised; what is stored as bytes is from 0 to 1."""
        plain = replace(self, mean=torch.zeros_like(self.mean), std=torch.ones_like(self.std))
        return plain.batches(batch_size)

    def shuffled(self, batch_size: int, seed: Seed, augment: Augment | None = None) -> Iterator[Batch]:
        """One epoch of training: ``steps(batch_size)`` full batches in an order given by the seed alone.

        The draws of a batch depend on (seed, number of the batch), on no other state.

        Args:
            batch_size: images in a batch; a smaller split comes as one batch of all its images.
            seed: usually ``(run_seed, stream, epoch)``.
            augment: what to do to the images; None leaves them as they are.

        Raises:
            UsageError: it would do something, but these are no images.
        """
        order = self._epoch(generator(seed))
        return self.drawn(order[: self.steps(batch_size) * batch_size], batch_size, seed, augment)

    def drawn(self, positions: Tensor, batch_size: int, seed: Seed, augment: Augment | None = None) -> Iterator[Batch]:
        """Training batches of some images, in this order; the last may be smaller.

        Args:
            positions: [n] int64 of the images; some may be there more than once.
            batch_size: images in a batch.
            seed: of what is done to them, beside the number of the batch.
            augment: what to do to the images; None leaves them as they are.

        Raises:
            UsageError: it would do something, but these are no images.
        """
        if augment not in (None, Augment()) and self.images.ndim != 4:
            raise UsageError(
                f"{augment} changes images, but inputs have shape {list(self.images.shape[1:])}; set crop, flip and "
                "cutout to 0."
            )
        chosen, known = torch.split(positions.to(self.device), batch_size), augment or Augment()
        return (self._augmented(each, known, generator(seed, step)) for step, each in enumerate(chosen))

    def steps(self, batch_size: int) -> int:
        return full_batches(len(self) if self.groups is None else len(torch.unique(self.groups)), batch_size)

    def fraction(self, share: float, seed: Seed) -> tuple["ImageSplit", "ImageSplit"]:
        """A split in two, stratified by class: ``share`` of the images, and the rest; copies of one stay together.

        Raises:
            UsageError: for a share outside (0, 1), or a class with a single image.
        """
        first, second = halves(strata(self.labels), share, seed, groups=self.groups)
        return self._select(first), self._select(second)

    def divided(self, share: float, seed: Seed) -> tuple["ImageSplit", "ImageSplit"]:
        """The same where both parts only evaluate, so that a rare class may be missing in one of them.

        Raises:
            UsageError: for a share outside (0, 1), or a single image.
        """
        first, second = divided(strata(self.labels), share, seed, self.groups)
        return self._select(first), self._select(second)

    def _select(self, positions: Tensor) -> "ImageSplit":
        positions = positions.to(self.labels.device)
        groups = None if self.groups is None else self.groups[positions]
        return replace(self, images=self.images[positions], labels=self.labels[positions], groups=groups)

    def at(self, values: Mapping[str, Any]) -> "ImageSplit":
        """The split with images of the ``image_size`` that an architecture says; UsageError if that is no size."""
        size = size_in(values)
        return self if size == self.size else replace(self, size=size)

    @property
    def shape(self) -> tuple[int, ...]:
        """(channels, height, width) of an image in a batch, (channels, ...) of anything else."""
        channels, *sides = self.images.shape[1:]
        return (channels, *(sides if self.size is None else [self.size, self.size]))

    def _epoch(self, draws: torch.Generator) -> Tensor:
        """Positions in random order: every image once, as one of its copies."""
        order = torch.randperm(len(self), generator=draws).to(self.device)
        if self.groups is None:
            return order
        names, members = torch.unique(self.groups[order], return_inverse=True)
        indices = torch.arange(len(order), device=self.device)
        first = torch.full_like(names, len(order)).scatter_reduce(0, members, indices, "amin")
        return order[first.sort().values]

    def _batch(self, positions: Tensor) -> Batch:
        return self._read(self._normalised(self._laid_out(self.images[positions]))), self.labels[positions]

    def _augmented(self, positions: Tensor, augment: Augment, draws: torch.Generator) -> Batch:
        moved = self._laid_out(augment.move(self.images[positions], draws))
        return self._read(augment.erase(self._normalised(moved), draws)), self.labels[positions]

    def _read(self, images: Tensor) -> Tensor:
        return images if self.size is None else resized_images(images, {IMAGE_SIZE: self.size})

    def _laid_out(self, images: Tensor) -> Tensor:
        """In the memory format; strides alone tell it where there is one channel."""
        if images.ndim != 4:
            return images
        laid_out = torch.empty(images.shape, dtype=images.dtype, device=images.device, memory_format=self.memory_format)
        return images if images.stride() == laid_out.stride() else laid_out.copy_(images)

    def _normalised(self, images: Tensor) -> Tensor:
        scaled = images.float() / 255 if images.dtype == torch.uint8 else images
        return (scaled - per_channel(self.mean, images.ndim)) / per_channel(self.std, images.ndim)


@dataclass(frozen=True, eq=False)
class ImageData:
    """Disjoint train, validation and test splits of one set of images, or of other arrays of numbers.

    Attributes:
        name: as the user typed it.
        task: what networks must make of them.
        train: for weights, and for batch-norm statistics.
        validation: for architecture parameters and candidate scores.
        test: read once, for the final networks.
        augment: what training does to images by default.
        notes: sentences about the data that the user should read.
    """

    name: str
    task: Task
    train: ImageSplit
    validation: ImageSplit
    test: ImageSplit
    augment: Augment
    notes: tuple[str, ...] = ()

    @property
    def examples(self) -> str:
        return "images" if len(self.input_shape) == 3 else "examples"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(channels, height, width) of one image, (channels, ...) of anything else."""
        return self.train.shape

    @property
    def input_dtype(self) -> torch.dtype:
        return torch.float32

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Of what a network says of one image, such as (classes,)."""
        return self.task.output_shape(tuple(self.train.labels.shape[1:]))

    @property
    def mean(self) -> tuple[float, ...]:
        """Mean of each channel over the training split."""
        return tuple(self.train.mean.tolist())

    @property
    def std(self) -> tuple[float, ...]:
        """Standard deviation of each channel over the training split; 1 for a constant channel."""
        return tuple(self.train.std.tolist())

    def inputs(self, form: str) -> Inputs:
        """The images as an exported network reads them; UsageError if the data set does not have that form."""
        images = self.train.images
        bounds = (0.0, 1.0) if images.dtype == torch.uint8 else (float(images.min()), float(images.max()))
        inputs = pixel_inputs(form, self.name, self.input_shape, bounds, self.mean, self.std)
        stored = tuple(images.shape[2:])
        return inputs if self.input_shape[1:] == stored else of_size(inputs, stored, {IMAGE_SIZE: self.train.size})

    choices = (IMAGE_SIZE,)
    """Choices outside of models that the images follow."""

    read = staticmethod(resized_images)
    """A batch as a network reads it."""

    def at(self, values: Mapping[str, Any]) -> "ImageData":
        """The task with images of the ``image_size`` that an architecture says; UsageError if that is no size."""
        if size_in(values) == self.train.size:
            return self
        return replace(
            self, train=self.train.at(values), validation=self.validation.at(values), test=self.test.at(values)
        )

    def laid_out(self, memory_format: torch.memory_format) -> "ImageData":
        """The task with batches of images that lie so in memory."""
        parts = {
            name: replace(getattr(self, name), memory_format=memory_format) for name in ("train", "validation", "test")
        }
        return replace(self, **parts)

    def hold_back(self, share: float, seed: Seed) -> tuple["ImageData", ImageSplit]:
        """The task without ``share`` of its validation images, and these."""
        held_back, rest = self.validation.divided(share, seed)
        return replace(self, validation=rest), held_back


def channel_statistics(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation [C] float32 of images [N, C, ...], in the units of ``ImageSplit.images``.

    A channel without any spread gets 1, so that normalising only centres it.
    """
    count, others = images[:, 0].numel(), [0, *range(2, images.ndim)]
    mean = sum((part.sum(others) for part in _doubles(images)), torch.zeros(1)) / count
    spread = ((part - per_channel(mean, images.ndim)).square().sum(others) for part in _doubles(images))
    std = (sum(spread, torch.zeros(1)) / count).sqrt()
    return mean.float(), torch.where(std < 1e-6, 1.0, std).float()


def per_channel(values: Tensor, dimensions: int) -> Tensor:
    """[C] as [C, 1, ...], to go with [N, C, ...] of so many dimensions."""
    return values.reshape(-1, *[1] * (dimensions - 2))


def _doubles(images: Tensor) -> Iterator[Tensor]:
    for part in torch.split(images, 1024):
        yield part.double() / 255 if part.dtype == torch.uint8 else part.double()
