"""What a classifier's predictions are worth."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Tally", "accuracy_interval", "evaluate"]


class Tally:
    """Sums over batches from which accuracy and loss follow."""

    def __init__(self) -> None:
        self.correct, self.seen, self.loss = 0, 0, 0.0

    def add(self, logits: Tensor, labels: Tensor) -> None:
        """Counts a batch of logits ``[N, classes]`` and labels ``[N]``."""
        self.correct += int((logits.argmax(1) == labels).sum())
        self.loss += float(F.cross_entropy(logits, labels, reduction="sum"))
        self.seen += len(labels)

    def metrics(self) -> dict[str, float]:
        """``accuracy`` between 0 and 1 with its 95 % interval, and the mean cross-entropy ``loss``."""
        low, high = accuracy_interval(self.correct, self.seen)
        return {
            "accuracy": self.correct / self.seen,
            "accuracy_low": low,
            "accuracy_high": high,
            "loss": self.loss / self.seen,
        }


def accuracy_interval(correct: int, seen: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson, 1927); sound also at 0 % and 100 %.

    >>> [round(bound, 3) for bound in accuracy_interval(9, 10)]
    [0.596, 0.982]
    """
    z2 = 1.959964**2
    share = correct / seen
    centre = share + z2 / (2 * seen)
    reach = (z2 * (share * (1 - share) + z2 / (4 * seen)) / seen) ** 0.5
    low, high = (centre - reach) / (1 + z2 / seen), (centre + reach) / (1 + z2 / seen)
    return max(0.0, low), min(1.0, high)


@torch.inference_mode()
def evaluate(network: nn.Module, batches: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
    """The metrics of a network, run in evaluation mode as it stands."""
    network.eval()
    tally = Tally()
    for x, y in batches:
        tally.add(network(x), y)
    return tally.metrics()
