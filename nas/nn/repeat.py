"""A choice of depth."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from operator import lt
from typing import Any

from torch import Tensor, nn

from nas.errors import UsageError
from nas.nn.elastic import Branch, Copy, Elastic, inactive
from nas.nn.gate import Gate, Gates, push_forward
from nas.nn.tree import children
from nas.space import choices_of, evaluate, outcomes
from nas.wording import counted

__all__ = ["Repeat"]


class Repeat(Elastic):
    """The first ``depth`` of its blocks in sequence (once-for-all, Cai et al., 2020).

    Under a soft gate the output is the gate-weighted sum of the outputs after each active depth.

    Args:
        blocks: modules called one after the other; those that may be last must end in the same width.
        depth: an integer between 0 and ``len(blocks)``, or a :class:`~nas.space.Choice` or an expression of such.

    Raises:
        UsageError: a depth outside the blocks, or blocks that declare different ``out_channels``.
    """

    def __init__(self, blocks: Sequence[nn.Module], depth: Any) -> None:
        super().__init__()
        depths = {value for (value,) in outcomes(depth)}
        wrong = [value for value in depths if not isinstance(value, int) or not 0 <= value <= len(blocks)]
        if wrong:
            raise UsageError(f"Repeat depth can be {wrong[0]!r}, but it has {counted(len(blocks), 'block')}.")
        last = blocks[max(0, min(depths) - 1) :]
        widths = [block.out_channels for block in last if hasattr(block, "out_channels")]
        if len(depths) > 1 and any(_differ(width, widths[0]) for width in widths):
            raise UsageError(
                f"Repeat blocks end in different widths {widths}, so the next layer would depend on the depth; "
                "give every block the same width, or the same Choice."
            )
        for index, block in enumerate(blocks):
            self.add_module(str(index), block)
        self.arguments = {"depth": depth}
        if not choices_of(depth):
            self.configure({})

    def configure(self, gates: Gates) -> None:
        depth = self.arguments["depth"]
        self._depth = push_forward(lambda values: evaluate(depth, values), choices_of(depth), gates)

    @property
    def depth(self) -> Gate:
        """The weights of the active depths; UsageError before an architecture is activated."""
        if "_depth" not in vars(self):
            raise inactive(self)
        return self._depth

    def forward(self, x: Tensor) -> Tensor:
        outputs = [x]
        for _, block in self.running():
            x = block(x)
            outputs.append(x)
        return self.depth.mix(outputs.__getitem__)

    def branches(self) -> Iterator[Branch]:
        for index, (name, block) in enumerate(children(self)):
            yield Branch(name, block, self.arguments["depth"], partial(lt, index))

    def running(self) -> Iterator[tuple[str, nn.Module]]:
        return islice(children(self), max(self.depth.values))

    def plain(self, copy: Copy) -> nn.Module:
        return nn.Sequential(*(copy(block) for _, block in self.running()))


def _differ(width: Any, other: Any) -> bool:
    """Whether two widths, numbers or expressions, need not be equal."""
    if choices_of(width, other):
        return width is not other
    return bool(width != other)
