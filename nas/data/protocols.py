"""What training, evaluation and runs need of a data set, be it images or text."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from nas.data.augment import Augment
from nas.data.inputs import Inputs
from nas.data.seeding import Seed
from nas.tasks import Task

__all__ = ["Batch", "Data", "Split"]

Batch = tuple[Tensor, Tensor]
"""What a network reads and what it should say: images [B, C, H, W] float32 and labels [B] int64 (or other targets), or
tokens [B, L] int64 and the tokens that follow each of them [B, L] int64."""


class Split(Protocol):
    """Examples held on one device, given batch by batch; an example is an image, or a window of text."""

    @property
    def device(self) -> torch.device:
        """Where the batches are."""

    def __len__(self) -> int:
        """Number of examples."""

    def batches(self, batch_size: int) -> Iterator[Batch]:
        """Every example once, in stored order; the last batch may be smaller."""

    def shuffled(self, batch_size: int, seed: Seed, augment: Augment | None = None) -> Iterator[Batch]:
        """One epoch of training: ``steps(batch_size)`` full batches, a function of the seed alone."""

    def drawn(self, positions: Tensor, batch_size: int, seed: Seed, augment: Augment | None = None) -> Iterator[Batch]:
        """Training batches of the examples at these positions ``[n]``, in this order; the last may be smaller."""

    def steps(self, batch_size: int) -> int:
        """How many batches ``shuffled`` gives: the partial last one is dropped unless it is the only one."""

    @property
    def groups(self) -> Tensor | None:
        """[N] int64, equal for examples that are copies of one; None where every example is one of its own."""

    def fraction(self, share: float, seed: Seed) -> "tuple[Split, Split]":
        """Two disjoint splits: ``share`` of the examples, and the rest."""

    def at(self, values: Mapping[str, Any]) -> "Split":
        """The same examples as the network of an architecture reads them."""

    def divided(self, share: float, seed: Seed) -> "tuple[Split, Split]":
        """Two disjoint splits that only evaluate: ``share`` of the examples, and the rest, enough for intervals."""


class Data(Protocol):
    """Disjoint training, validation and test splits, and what networks must make of them."""

    @property
    def name(self) -> str:
        """As the user typed it."""

    @property
    def task(self) -> Task:
        """What networks learn, by what they are evaluated, and what their outputs mean."""

    @property
    def examples(self) -> str:
        """What an example is called, in the plural: "images", or "windows" of text."""

    @property
    def notes(self) -> Sequence[str]:
        """Sentences about the data that the user should read."""

    @property
    def train(self) -> Split:
        """For weights, and for batch-norm statistics."""

    @property
    def validation(self) -> Split:
        """For architecture parameters and candidate scores."""

    @property
    def test(self) -> Split:
        """Read once, for the final networks."""

    @property
    def augment(self) -> Augment:
        """What training does to examples by default."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of one example: (channels, height, width) of an image, (length,) of a window of text."""

    @property
    def input_dtype(self) -> torch.dtype:
        """torch.float32 for images, torch.int64 for text."""

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Of what a network says of one example: (classes,) for an image, (classes, length) for text."""

    @property
    def choices(self) -> Sequence[str]:
        """The names of choices outside of models that examples follow, such as ``image_size``."""

    @property
    def read(self) -> Callable[[Tensor, Mapping[str, Any]], Tensor]:
        """A batch as it is stored, and an architecture → the batch as its network reads it."""

    def at(self, values: Mapping[str, Any]) -> "Data":
        """The task as the network of an architecture has it: its examples, their shape and the inputs of a file."""

    def inputs(self, form: str) -> Inputs:
        """The examples in a form in which an exported network reads them: "unit" is there always."""

    def hold_back(self, share: float, seed: Seed) -> "tuple[Data, Split]":
        """The same without ``share`` of its validation examples, and these, of which nothing else ever learns."""
