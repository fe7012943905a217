"""Networks of one leading width, with the largest and the smallest in every step."""

from collections.abc import Sequence

from nas.sampling.diagonal import Diagonal
from nas.space import Space
from nas.training import Context, Path

__all__ = ["Slimmable"]


class Slimmable:
    """The largest network, some or all of the widths that a network has in all of its layers, and the smallest
    (slimmable and universally slimmable networks, Yu et al., 2019; Yu and Huang, 2019).

    Choices that are no widths are drawn uniformly for all widths of a step, so each of them is trained too. A network
    that would run twice runs once. The largest runs first, so that the others can learn from it.

    Args:
        space: the search space.
        widths: names of the choices of width.
        seed: of the run.
        sizes: how many widths a step trains, drawn at random; all by default.

    Raises:
        UsageError: there is no choice of width, or fewer widths than a step shall train.
    """

    def __init__(self, space: Space, widths: Sequence[str], seed: int, sizes: int | None = None) -> None:
        self._between = Diagonal(space, widths, seed, sizes)
        self._largest, self._smallest = Path(space.largest(), "largest"), Path(space.smallest(), "smallest")

    def draw(self, context: Context) -> list[Path]:
        between = [path for path in self._between.draw(context) if path.role == "random"]
        return [self._largest, *dict.fromkeys(between), self._smallest]
