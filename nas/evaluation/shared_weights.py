"""How good is an architecture with the weights it inherits from the supernet?"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from torch import Tensor, nn

from nas.data import Data, Split
from nas.evaluation.metrics import groups_of
from nas.evaluation.recalibration import recalibrate
from nas.evaluation.trie import Trie
from nas.space import Architecture
from nas.supernet import Supernet
from nas.tasks import Tally

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SharedWeights"]

_LARGEST_TRIE = 512


class SharedWeights:
    """The metrics of the data on the validation split, after recalibrating batch norm for each architecture.

    A population is evaluated as a prefix trie, see :class:`nas.evaluation.trie.Trie`.

    Args:
        supernet: trained; it is put in evaluation mode.
        data: training images, or windows of text, calibrate; those for validation evaluate; the test split is not
            touched.
        calibration_images: how many training images the statistics are averaged over; none run without batch norm.
        batch_size: of both passes.
    """

    name = "shared_weights"

    def __init__(self, supernet: Supernet, data: Data, calibration_images: int = 512, batch_size: int = 256) -> None:
        self.supernet, self.data, self.batch_size = supernet.eval(), data, batch_size
        self.calibration_images = min(calibration_images, len(data.train))
        self.blocks = self.blocks_alone = 0
        """Blocks run so far, each once for a batch, and what one candidate at a time would have run."""

    def __call__(
        self, architectures: Sequence[Architecture], on_done: Callable[[int], None] | None = None
    ) -> "pd.DataFrame":
        """One row for each architecture, in order, with the ``columns`` of the task.

        Args:
            on_done: told the number of architectures evaluated so far.
        """
        import pandas as pd

        return pd.DataFrame([tally.metrics() for tally in self.tallies(architectures, self.data.validation, on_done)])

    def tallies(
        self, architectures: Sequence[Architecture], split: Split, on_done: Callable[[int], None] | None = None
    ) -> list[Tally]:
        """What each architecture makes of every example of a split."""
        tallies = [self.data.task.tally(groups_of(split)) for _ in architectures]
        order = sorted(range(len(architectures)), key=lambda row: architectures[row].key)
        for start in range(0, len(order), _LARGEST_TRIE):
            rows = order[start : start + _LARGEST_TRIE]
            self._evaluate([architectures[row] for row in rows], split, [tallies[row] for row in rows])
            if on_done is not None:
                on_done(start + len(rows))
        return tallies

    def network(self, architecture: Architecture) -> nn.Module:
        """The plain network of an architecture as it is evaluated: inherited weights, recalibrated batch norm."""
        batches = (self.supernet.reads(x, architecture) for x in self.calibration_batches())
        return recalibrate(self.supernet.extract(architecture), batches)

    def calibration_batches(self) -> list[Tensor]:
        """The training images that statistics are averaged over, without augmentation, in full batches."""
        size = min(self.batch_size, self.calibration_images)
        batches: list[Tensor] = []
        for x, _ in self.data.train.batches(size):
            if len(batches) * size + len(x) > self.calibration_images or len(x) < size:
                break
            batches.append(x)
        return batches

    def _evaluate(self, architectures: Sequence[Architecture], split: Split, tallies: Sequence[Tally]) -> None:
        trie = Trie(self.supernet, architectures)
        trie.calibrate(self.calibration_batches())
        for x, y in split.batches(self.batch_size):
            for row, output in enumerate(trie.outputs(x)):
                tallies[row].add(output, y)
        self.blocks += trie.blocks
        self.blocks_alone += trie.blocks_alone
