"""Banks of a partition, one after another, and a path in the region of each."""

from nas.sampling.uniform import random_paths
from nas.sharing import Partition
from nas.space import Subspace
from nas.training import Context, Path

__all__ = ["InRegions"]


class InRegions:
    """A uniform path in the region of one bank after another, so that banks train alike whatever their regions hold.

    Paths see the banks that the partition gives them. While there is one region, this is
    :class:`~nas.sampling.Uniform`, but for what seeds mean.

    Args:
        scheme: of the supernet.
        seed: of the run.
    """

    def __init__(self, scheme: Partition, seed: int) -> None:
        self.scheme, self.seed = scheme, seed
        self._regions: dict[tuple[int, int], Subspace] = {}

    def draw(self, context: Context) -> list[Path]:
        bank = context.step % self.scheme.used
        return random_paths(self._region(bank), self.seed, context, 1)

    def _region(self, bank: int) -> Subspace:
        place = len(self.scheme.divisions), bank
        if place not in self._regions:
            choices = self.scheme.space.choices
            candidates = {
                name: [choices[name][position] for position in positions]
                for name, positions in self.scheme.region(bank).items()
            }
            self._regions[place] = Subspace(self.scheme.space, candidates)
        return self._regions[place]
