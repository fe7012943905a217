"""Which bank of a balanced mixture does a path train?"""

from collections.abc import Sequence

import numpy as np

from nas.sharing import BalancedMixture
from nas.streams import Stream, rng
from nas.training import Context, Path, PathSampler

__all__ = ["InBanks"]


class InBanks:
    """The paths of another sampler, each in a bank drawn by the balanced probabilities of its architecture.

    Architectures and roles are those of the other sampler. Banks have random numbers of their own; what is drawn is a
    function of seed, step and the scores of the mixture.

    Args:
        paths: which architectures each step trains.
        mixture: of the supernet.
        seed: of the run.
    """

    def __init__(self, paths: PathSampler, mixture: BalancedMixture, seed: int) -> None:
        self.paths, self.mixture, self.seed = paths, mixture, seed

    def draw(self, context: Context) -> Sequence[Path]:
        draws = rng(self.seed, Stream.BANKS_OF_PATHS, context.step)
        return [path._replace(bank=self._bank(path, draws)) for path in self.paths.draw(context)]

    def _bank(self, path: Path, draws: np.random.Generator) -> int:
        return int(draws.choice(self.mixture.banks, p=self.mixture.probability(path.architecture)))
