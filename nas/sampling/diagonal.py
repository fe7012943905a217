"""One size for a group of choices."""

from collections.abc import Mapping, Sequence
from typing import Any

from nas.errors import UsageError
from nas.space import Space
from nas.streams import Stream, rng
from nas.training import Context, Path

__all__ = ["Diagonal"]


class Diagonal:
    """In each step networks of several sizes, each with one size for a group of choices: the leading width of all
    layers (slimmable networks, Yu et al., 2019), the feed-forward size of all layers (MatFormer, Devvrit et al., 2023).

    Sizes go from the largest to the smallest candidates; where choices of the group have fewer of them than others,
    some stay the same from one size to the next. The other choices are drawn uniformly, once a step for all sizes.

    Args:
        space: the search space.
        group: names of the choices that have one size.
        seed: of the run.
        sizes: how many of the sizes a step trains, drawn at random; all by default.

    Raises:
        UsageError: there is no choice in the group, or fewer sizes than a step shall train.
    """

    def __init__(self, space: Space, group: Sequence[str], seed: int, sizes: int | None = None) -> None:
        self.space, self.group, self.seed = space, list(group), seed
        self.levels = max((len(space.choices[name]) for name in group), default=0)
        self.sizes = self.levels if sizes is None else sizes
        if not 0 < self.sizes <= self.levels:
            raise UsageError(
                f"Diagonal shall train {self.sizes} sizes a step, but its group {self.group} has {self.levels}; give "
                "other choices, or fewer sizes."
            )
        self._roles = {space.smallest(): "smallest", space.largest(): "largest"}

    def draw(self, context: Context) -> list[Path]:
        draws = rng(self.seed, Stream.DIAGONAL, context.step)
        others = {name: each[int(draws.integers(len(each)))] for name, each in self.space.choices.items()}
        levels = sorted(draws.choice(self.levels, self.sizes, replace=False).tolist(), reverse=True)
        return [self._path({**others, **self._at(level)}) for level in levels]

    def _path(self, values: Mapping[str, Any]) -> Path:
        architecture = self.space.complete(values)
        return Path(architecture, self._roles.get(architecture, "random"))

    def _at(self, level: int) -> dict[str, Any]:
        """The candidates of the group at one of the sizes, counted from the smallest."""
        share = level / max(1, self.levels - 1)
        orders = {name: self.space.order[name] for name in self.group}
        return {
            name: self.space.choices[name][order[round(share * (len(order) - 1))]] for name, order in orders.items()
        }
