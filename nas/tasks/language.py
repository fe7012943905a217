"""Language modelling: which character follows those up to it."""

import math
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from nas.errors import UsageError
from nas.tasks.categorical import Categorical
from nas.tasks.classification import ACCURACY
from nas.tasks.intervals import Groups, mean_interval
from nas.tasks.metric import Metric
from nas.tasks.tally import Tally
from nas.wording import counted

__all__ = ["BITS_PER_CHARACTER", "Language"]

BITS_PER_CHARACTER = Metric("bits_per_character", maximise=False, decimals=3)
"""Mean cross-entropy of the next character to base 2; log2(characters) for a guess by no knowledge at all."""


@dataclass(frozen=True)
class Language(Categorical):
    """Logits ``[N, characters, length]`` for tokens ``[N, length]`` int64; compared by bits per character.

    Attributes:
        characters: in the order of their code points; token i is ``characters[i]``.
    """

    characters: tuple[str, ...]

    name = "language"
    metric = BITS_PER_CHARACTER
    others = (ACCURACY,)
    answer = "classes[{output}[0, :, -1].argmax()]"

    def output_shape(self, target_shape: tuple[int, ...]) -> tuple[int, ...]:
        """(characters, length), as ``torch.nn.functional.cross_entropy`` takes them."""
        return (len(self.characters), *target_shape)

    def describe(self) -> dict[str, Any]:
        return {"classes": list(self.characters)}

    def check_targets(self, targets: npt.ArrayLike, examples: int, where: str) -> Tensor:
        """Tokens [N, length] int64; UsageError if they are none."""
        tokens = torch.as_tensor(targets)
        if tokens.is_floating_point() or tokens.ndim != 2 or len(tokens) != examples or not tokens.numel():
            raise UsageError(
                f"{where} holds targets of shape {tuple(tokens.shape)} and type {tokens.dtype}; give a window of "
                f"integers for each of {counted(examples, 'window')}."
            )
        if int(tokens.min()) < 0 or int(tokens.max()) >= len(self.characters):
            raise UsageError(
                f"{where} holds tokens from {int(tokens.min())} to {int(tokens.max())}; they must be from 0 to "
                f"{len(self.characters) - 1}."
            )
        return tokens.long()

    def tally(self, groups: Groups | None = None) -> Tally:
        return _Bits(groups)


class _Bits(Tally):
    """The bits of each window: ``bits_per_character``, which is the loss to base 2, and its interval, then ``accuracy``
    and ``loss``, both over all characters alike."""

    def __init__(self, groups: Groups | None = None) -> None:
        super().__init__(groups)
        self.correct, self.seen, self.loss = 0, 0, 0.0

    def add(self, output: Tensor, target: Tensor) -> None:
        """Counts logits ``[N, characters, L]`` and tokens ``[N, L]``."""
        self.correct += int((output.argmax(1) == target).sum())
        self.seen += target.numel()
        losses = F.cross_entropy(output, target, reduction="none").double()
        self.loss += float(losses.sum())
        self._results.append(losses.mean(1).cpu() / math.log(2))

    def metrics(self) -> dict[str, float]:
        low, high = mean_interval(self.results)
        return {
            "bits_per_character": self.loss / self.seen / math.log(2),
            "bits_per_character_low": max(low, 0.0),
            "bits_per_character_high": high,
            "accuracy": self.score,
            "loss": self.loss / self.seen,
        }

    @property
    def score(self) -> float:
        """The share of characters that are predicted."""
        return self.correct / self.seen
