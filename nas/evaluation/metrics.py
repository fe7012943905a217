"""What a network's predictions are worth: of classes of images, or of the next characters of a text."""

import math
from collections.abc import Iterable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.data import ACCURACY, BITS_PER_CHARACTER, Metric, Split
from nas.data.protocols import Batch
from nas.errors import UsageError, did_you_mean
from nas.evaluation.intervals import Floats, Groups, accuracy_interval, effective_size, mean_interval

__all__ = ["Tally", "columns", "evaluate", "groups_of"]


class Tally:
    """What a network made of each example, and the metrics that follow.

    Args:
        metric: whose 95 % interval is wanted.
        groups: ``[examples]``, equal for copies of one example, in the order in which they are added.

    Raises:
        UsageError: for a metric other than accuracy and bits per character.
    """

    def __init__(self, metric: Metric = ACCURACY, groups: Groups | None = None) -> None:
        known = {ACCURACY.name: ACCURACY, BITS_PER_CHARACTER.name: BITS_PER_CHARACTER}
        if metric != known.get(metric.name):
            raise UsageError(f"{metric} cannot be measured; {did_you_mean(metric.name, known)}")
        self.metric, self.groups = metric, groups
        self.correct, self.seen, self.loss = 0, 0, 0.0
        self._results: list[Tensor] = []

    def add(self, logits: Tensor, labels: Tensor) -> None:
        """Counts logits ``[N, classes]`` and labels ``[N]``, or of text ``[N, characters, L]`` and ``[N, L]``."""
        right = logits.argmax(1) == labels
        self.correct += int(right.sum())
        self.seen += labels.numel()
        if self.metric == ACCURACY:
            self.loss += float(F.cross_entropy(logits, labels, reduction="sum"))
            self._results.append(right.cpu())
        else:
            losses = F.cross_entropy(logits, labels, reduction="none").double()
            self.loss += float(losses.sum())
            self._results.append(losses.mean(1).cpu() / math.log(2))

    @property
    def results(self) -> Floats:
        """The metric of each example ``[examples]``: whether an image is correct, or the bits of a window."""
        return torch.cat(self._results).numpy().astype(np.float64)

    def metrics(self) -> dict[str, float]:
        """The metric with its 95 % interval, then the others.

        Of images: ``accuracy`` between 0 and 1, ``accuracy_low``, ``accuracy_high``, and the mean cross-entropy
        ``loss`` in nats. Of text: ``bits_per_character``, which is the loss to base 2, ``bits_per_character_low``,
        ``bits_per_character_high``, ``accuracy`` and ``loss``, both over all characters alike.
        """
        accuracy, loss = self.correct / self.seen, self.loss / self.seen
        if self.metric == ACCURACY:
            size = effective_size(self.results, self.groups)
            low, high = accuracy_interval(accuracy * size, size)
            return {"accuracy": accuracy, "accuracy_low": low, "accuracy_high": high, "loss": loss}
        low, high = mean_interval(self.results)
        return {
            "bits_per_character": loss / math.log(2),
            "bits_per_character_low": max(low, 0.0),
            "bits_per_character_high": high,
            "accuracy": accuracy,
            "loss": loss,
        }


def columns(metric: Metric) -> list[str]:
    """The names of what :meth:`Tally.metrics` gives.

    >>> columns(ACCURACY)
    ['accuracy', 'accuracy_low', 'accuracy_high', 'loss']
    """
    return list(dict.fromkeys([metric.name, f"{metric.name}_low", f"{metric.name}_high", ACCURACY.name, "loss"]))


def groups_of(split: Split) -> Groups | None:
    """Which examples of a split are copies of one, as NumPy has it."""
    return None if split.groups is None else split.groups.cpu().numpy()


@torch.inference_mode()
def evaluate(
    network: nn.Module, batches: Iterable[Batch], metric: Metric = ACCURACY, groups: Groups | None = None
) -> dict[str, float]:
    """The metrics of a network on batches, run in evaluation mode as it stands; see :class:`Tally`.

    Args:
        groups: which examples are copies of one, as of :func:`groups_of`.
    """
    network.eval()
    tally = Tally(metric, groups)
    for x, y in batches:
        tally.add(network(x), y)
    return tally.metrics()
