"""Text as characters: windows of it, and for each character the one that follows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from nas.data.augment import Augment
from nas.data.batching import check_batch_size, full_batches
from nas.data.inputs import Inputs, token_inputs
from nas.data.protocols import Batch
from nas.data.seeding import Seed, generator
from nas.errors import UsageError
from nas.tasks import Language

__all__ = ["TextData", "TextSplit"]


@dataclass(frozen=True, eq=False, repr=False)
class TextSplit:
    """A contiguous piece of text on one device; batches are characters [B, length] int64 and the next ones, alike.

    Its examples are windows of ``length`` characters. One character more than the windows hold is needed, since the
    last of them has a next one too.

    Attributes:
        tokens: [characters], of any integer type; what is stored small is given as int64.
        length: characters of a window.
    """

    tokens: Tensor
    length: int

    @property
    def device(self) -> torch.device:
        return self.tokens.device

    def __len__(self) -> int:
        return max(len(self.tokens) - 1, 0) // self.length

    def __repr__(self) -> str:
        return f"TextSplit({len(self)} windows of {self.length} characters on {self.device})"

    def batches(self, batch_size: int) -> Iterator[Batch]:
        """Every window once, one after the other from the first character on; the last batch may be smaller."""
        check_batch_size(batch_size)
        starts = torch.split(torch.arange(len(self), device=self.device) * self.length, batch_size)
        return (self._windows(chosen) for chosen in starts)

    def shuffled(self, batch_size: int, seed: Seed, augment: Augment | None = None) -> Iterator[Batch]:
        """One epoch of training: ``steps(batch_size)`` full batches of windows in random order.

        The text is cut at an offset below ``length``, so that a character sees other contexts in other epochs; where
        the last window would reach beyond the end, it is moved back and overlaps the one before it. Order and offset
        are functions of the seed alone.

        Args:
            batch_size: windows in a batch; a smaller split comes as one batch of all its windows.
            seed: usually ``(run_seed, stream, epoch)``.
            augment: None, or one that does nothing.

        Raises:
            UsageError: if the augmentation would do anything.
        """
        draws = generator(seed)
        self._offset(draws)
        order = torch.randperm(len(self), generator=draws)
        return self.drawn(order[: self.steps(batch_size) * batch_size], batch_size, seed, augment)

    def drawn(self, positions: Tensor, batch_size: int, seed: Seed, augment: Augment | None = None) -> Iterator[Batch]:
        """Training batches of some windows in this order, all moved by less than a window; the last may be smaller.

        Args:
            positions: [n] int64 of the windows; some may be there more than once.
            batch_size: windows in a batch.
            seed: of the shift.
            augment: None, or one that does nothing.

        Raises:
            UsageError: if the augmentation would do anything.
        """
        if augment not in (None, Augment()):
            raise UsageError(f"{augment} changes images, but the data set is text; set crop, flip and cutout to 0.")
        starts = self._offset(generator(seed)) + positions.to(self.device) * self.length
        starts = starts.clamp(max=len(self.tokens) - 1 - self.length)
        return (self._windows(chosen) for chosen in torch.split(starts, batch_size))

    def steps(self, batch_size: int) -> int:
        return full_batches(len(self), batch_size)

    def fraction(self, share: float, seed: Seed) -> tuple["TextSplit", "TextSplit"]:
        """The text cut in two: its first part with ``share`` of the characters, and the rest.

        Args:
            share: between 0 and 1.
            seed: not used, since random windows would have their neighbours in the other part.

        Raises:
            UsageError: for a share outside (0, 1), or one that leaves a part without a window.
        """
        if not 0 < share < 1:
            raise UsageError(f"A share of {share} cannot split a text in two; give a number between 0 and 1.")
        cut = round(share * len(self.tokens))
        parts = TextSplit(self.tokens[:cut], self.length), TextSplit(self.tokens[cut:], self.length)
        if min(map(len, parts)) < 1:
            raise UsageError(
                f"A share of {share} of {len(self.tokens)} characters leaves a part without a window of {self.length} "
                "characters and their next; give another share, a longer text or a smaller length."
            )
        return parts

    def at(self, values: Mapping[str, Any]) -> "TextSplit":
        """The text as it is, whatever the architecture."""
        return self

    @property
    def groups(self) -> None:
        """Every window is one of its own."""

    def divided(self, share: float, seed: Seed) -> tuple["TextSplit", "TextSplit"]:
        """The text cut in two as by :meth:`fraction`, with the two windows in each part that an interval needs.

        Raises:
            UsageError: for a share outside (0, 1), or a text that is too short.
        """
        parts = self.fraction(share, seed)
        if min(map(len, parts)) < 2:
            raise UsageError(
                f"A share of {share} of {len(self.tokens)} characters for validation leaves a part with less than two "
                f"windows of {self.length}; give another share, a longer text or a smaller length."
            )
        return parts

    def _offset(self, draws: torch.Generator) -> int:
        return int(torch.randint(self.length, (), generator=draws))

    def _windows(self, starts: Tensor) -> Batch:
        windows = self.tokens[starts[:, None] + torch.arange(self.length + 1, device=self.device)].long()
        return windows[:, :-1], windows[:, 1:]


@dataclass(frozen=True, eq=False)
class TextData:
    """Text in three pieces, to say of each character of a window, from those up to it, which one is next.

    Attributes:
        name: as the user typed it.
        task: language modelling of its characters.
        train: for weights.
        validation: for architecture parameters and candidate scores.
        test: read once, for the final networks.
    """

    name: str
    task: Language
    train: TextSplit
    validation: TextSplit
    test: TextSplit

    @property
    def examples(self) -> str:
        return "windows"

    @property
    def notes(self) -> tuple[str, ...]:
        """Nothing that would surprise."""
        return ()

    @property
    def augment(self) -> Augment:
        """Nothing is done to text."""
        return Augment()

    @property
    def input_shape(self) -> tuple[int]:
        """(length,) of a window."""
        return (self.train.length,)

    @property
    def input_dtype(self) -> torch.dtype:
        return torch.int64

    @property
    def output_shape(self) -> tuple[int, ...]:
        """(characters, length): the logits for one window."""
        return self.task.output_shape(self.input_shape)

    def inputs(self, form: str) -> Inputs:
        """Windows as token ids, i for ``task.characters[i]``; UsageError where a form of images is asked for."""
        return token_inputs(form, self.name, self.train.length)

    choices = ()
    """No choice outside of models changes the text."""

    def read(self, tokens: Tensor, values: Mapping[str, Any]) -> Tensor:
        """The tokens as they are, whatever the architecture."""
        return tokens

    def at(self, values: Mapping[str, Any]) -> "TextData":
        """The task as it is, whatever the architecture."""
        return self

    def hold_back(self, share: float, seed: Seed) -> tuple["TextData", TextSplit]:
        """The task without the last ``share`` of its validation text, and that."""
        rest, held_back = self.validation.divided(1 - share, seed)
        return replace(self, validation=rest), held_back
