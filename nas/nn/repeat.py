"""A choice of depth."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from operator import lt
from typing import Any

from torch import Tensor, nn

from nas.errors import UsageError
from nas.nn.elastic import Branch, Copy, Elastic
from nas.nn.gate import Gates, push_forward
from nas.space import choices_of, evaluate, outcomes

__all__ = ["Repeat"]


class Repeat(Elastic):
    """The first ``depth`` of its blocks in sequence (once-for-all, Cai et al., 2020).

    Under a soft gate the output is the gate-weighted sum of the outputs after each active depth.

    Args:
        blocks: modules called one after the other; those that may be last must end in the same width.
        depth: a :class:`~nas.space.Choice` of integers between 0 and ``len(blocks)``, or an expression.

    Raises:
        UsageError: a depth outside the blocks, or blocks that declare different ``out_channels``.
    """

    def __init__(self, blocks: Sequence[nn.Module], depth: Any) -> None:
        super().__init__()
        depths = {value for (value,) in outcomes(depth)}
        wrong = [value for value in depths if not isinstance(value, int) or not 0 <= value <= len(blocks)]
        if wrong:
            raise UsageError(f"Repeat depth can be {wrong[0]!r}, but there are {len(blocks)} blocks.")
        widths = [getattr(block, "out_channels", None) for block in blocks[max(0, min(depths) - 1) :]]
        if len(depths) > 1 and any(width is not widths[0] and width != widths[0] for width in widths):
            raise UsageError(
                f"Repeat blocks end in different widths {widths}, so the next layer would depend on the depth; "
                "give every block the same width, or the same Choice."
            )
        for index, block in enumerate(blocks):
            self.add_module(str(index), block)
        self.arguments = {"depth": depth}

    def configure(self, gates: Gates) -> None:
        depth = self.arguments["depth"]
        self.depth = push_forward(lambda values: evaluate(depth, values), choices_of(depth), gates)

    def forward(self, x: Tensor) -> Tensor:
        outputs = [x]
        for _, block in self.running():
            x = block(x)
            outputs.append(x)
        return self.depth.mix(outputs.__getitem__)

    def branches(self) -> Iterator[Branch]:
        for index, (name, block) in enumerate(self.named_children()):
            yield Branch(name, block, self.arguments["depth"], partial(lt, index))

    def running(self) -> Iterator[tuple[str, nn.Module]]:
        return islice(self.named_children(), max(self.depth.values))

    def plain(self, copy: Copy) -> nn.Module:
        return nn.Sequential(*(copy(block) for _, block in self.running()))
