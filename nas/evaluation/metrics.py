"""What a network's predictions are worth: of classes of images, or of the next characters of a text."""

import math
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.data import ACCURACY, BITS_PER_CHARACTER, Metric
from nas.errors import UsageError, did_you_mean

__all__ = ["Tally", "accuracy_interval", "evaluate", "mean_interval"]

_Z = 1.959964
"""Half of the 95 % interval of a normal distribution, in standard deviations."""


class Tally:
    """Sums over batches from which the metrics follow.

    Args:
        metric: whose 95 % interval is wanted.

    Raises:
        UsageError: for a metric other than accuracy and bits per character.
    """

    def __init__(self, metric: Metric = ACCURACY) -> None:
        known = {ACCURACY.name: ACCURACY, BITS_PER_CHARACTER.name: BITS_PER_CHARACTER}
        if metric != known.get(metric.name):
            raise UsageError(f"{metric} cannot be measured; {did_you_mean(metric.name, known)}")
        self.metric = metric
        self.correct, self.seen, self.loss = 0, 0, 0.0
        self.windows, self.squares = 0, 0.0

    def add(self, logits: Tensor, labels: Tensor) -> None:
        """Counts logits ``[N, classes]`` and labels ``[N]``, or of text ``[N, characters, L]`` and ``[N, L]``."""
        self.correct += int((logits.argmax(1) == labels).sum())
        self.seen += labels.numel()
        if self.metric == ACCURACY:
            self.loss += float(F.cross_entropy(logits, labels, reduction="sum"))
        else:
            losses = F.cross_entropy(logits, labels, reduction="none").double()
            self.loss += float(losses.sum())
            self.windows += len(labels)
            self.squares += float(losses.mean(1).square().sum())

    def metrics(self) -> dict[str, float]:
        """The metric with its 95 % interval, then the others.

        Of images: ``accuracy`` between 0 and 1, ``accuracy_low``, ``accuracy_high``, and the mean cross-entropy
        ``loss`` in nats. Of text: ``bits_per_character``, which is the loss to base 2, ``bits_per_character_low``,
        ``bits_per_character_high``, ``accuracy`` and ``loss``, both over all characters alike.
        """
        accuracy, loss = self.correct / self.seen, self.loss / self.seen
        if self.metric == ACCURACY:
            low, high = accuracy_interval(self.correct, self.seen)
            return {"accuracy": accuracy, "accuracy_low": low, "accuracy_high": high, "loss": loss}
        low, high = mean_interval(self.windows, loss, self.squares)
        return {
            "bits_per_character": loss / math.log(2),
            "bits_per_character_low": max(low, 0.0) / math.log(2),
            "bits_per_character_high": high / math.log(2),
            "accuracy": accuracy,
            "loss": loss,
        }


def accuracy_interval(correct: int, seen: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson, 1927); sound also at 0 % and 100 %.

    >>> [round(bound, 3) for bound in accuracy_interval(9, 10)]
    [0.596, 0.982]
    """
    z2 = _Z**2
    share = correct / seen
    centre = share + z2 / (2 * seen)
    reach = (z2 * (share * (1 - share) + z2 / (4 * seen)) / seen) ** 0.5
    low, high = (centre - reach) / (1 + z2 / seen), (centre + reach) / (1 + z2 / seen)
    return max(0.0, low), min(1.0, high)


def mean_interval(count: int, mean: float, squares: float) -> tuple[float, float]:
    """The 95 % interval of a mean: 1.96 standard errors to either side.

    The values count as independent. Windows of text are nearly so, but characters within one are not, which is why
    the losses of windows go in, and not those of characters.

    Args:
        count: number of values.
        mean: of them.
        squares: the sum of their squares.

    Raises:
        UsageError: a single value shows no spread.

    >>> [round(bound, 3) for bound in mean_interval(3, 2.0, 1 + 4 + 9)]
    [0.868, 3.132]
    """
    if count < 2:
        raise UsageError(f"The spread of {count} window of text is not known; evaluate two or more.")
    variance = max(squares - count * mean**2, 0.0) / (count - 1)
    reach = _Z * (variance / count) ** 0.5
    return mean - reach, mean + reach


@torch.inference_mode()
def evaluate(
    network: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], metric: Metric = ACCURACY
) -> dict[str, float]:
    """The metrics of a network, run in evaluation mode as it stands; see :meth:`Tally.metrics`."""
    network.eval()
    tally = Tally(metric)
    for x, y in batches:
        tally.add(network(x), y)
    return tally.metrics()
