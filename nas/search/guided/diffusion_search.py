"""Search by diffusion: architectures come out of noise, the sooner the better a predictor takes them to be."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nas.errors import UsageError
from nas.search.guided.encodings import ENCODINGS, Columns, Rows
from nas.search.guided.model_guided import ModelGuided, Rank, Samples
from nas.search.standings import standings
from nas.space import Architecture, Space
from nas.streams import Stream, rng

if TYPE_CHECKING:
    from nas.search.guided.denoising import Denoiser, NoisyPredictor

__all__ = ["Diffused", "diffusion"]

_ENCODING = "one-hot-inactive"
_DRAWN = 2000


def diffusion(
    space: Space,
    seed: int = 0,
    *,
    guidance: float = 6.0,
    samples: int = 256,
    levels: int = 50,
    width: int = 64,
    steps: int = 200,
    startup: int = 20,
    batch: int = 10,
) -> ModelGuided:
    """Architectures that a guided diffusion makes out of noise (DiffusionNAG; An et al., 2024).

    A network learns once, from random architectures, to take noise off their one-hot matrices; that needs no results.
    Another one learns from the results how good an architecture is, even under noise. Its gradient guides the way out
    of the noise, and the best of what comes out is proposed.

    Published are a transformer as the score network, trained 250,000 steps, Langevin corrections between the steps, and
    a predictor that has seen other data sets; here are perceptrons, one step for each level of noise, and results of
    this search alone. What violates constraints counts as worse than all that does not.

    Args:
        guidance: how much oftener architectures come out that the predictor takes to be a standard deviation better, as
            a logarithm (less where it is large); 0 for no oftener.
        samples: architectures that are made for each model.
        levels: of noise, from the most to the least.
        width: of the two hidden layers of each network.
        steps: of gradient descent for each predictor.
        startup: see :class:`~nas.search.guided.ModelGuided`, also for ``batch``.

    Raises:
        UsageError: a number below one, fewer than two levels or a negative guidance.
    """
    if min(samples, width, steps) < 1 or levels < 2 or not 0 <= guidance < np.inf:
        raise UsageError(
            f"diffusion has samples {samples}, width {width}, steps {steps}, levels {levels} and guidance {guidance}; "
            "use at least 1 each, at least 2 levels, and a guidance of 0 or more, such as 6."
        )
    diffused = Diffused(space, seed, guidance=guidance, samples=samples, levels=levels, width=width, steps=steps)
    return ModelGuided(
        space, seed, diffused.learn, encoding=_ENCODING, startup=startup, batch=batch, candidates=diffused
    )


class Diffused:
    """What comes out of the noise, guided by what has been learnt last.

    Args:
        guidance: see :func:`diffusion`, also for the other options.
    """

    def __init__(
        self, space: Space, seed: int, *, guidance: float, samples: int, levels: int, width: int, steps: int
    ) -> None:
        self._space, self._seed = space, seed
        self._guidance, self._samples, self._levels = guidance, samples, levels
        self._width, self._steps = width, steps
        self._candidates = [len(candidates) for candidates in space.choices.values()]
        self._columns = [
            size + (() not in space.uses[name]) for name, size in zip(space.choices, self._candidates, strict=True)
        ]
        self._predictor: NoisyPredictor | None = None

    def learn(self, samples: Samples, model_seed: int) -> Rank:
        """Fits a predictor, which guides from then on, to all results: by their standing as normal numbers."""
        import torch
        from scipy.special import ndtri

        from nas.search.guided.denoising import LEAST, NoisyPredictor

        x = torch.tensor(samples.told_columns, dtype=torch.float32)
        y = torch.tensor(-ndtri(standings(samples.told)), dtype=torch.float32)
        predictor = NoisyPredictor(x, y, self.denoiser, self._width, self._steps, model_seed)
        self._predictor = predictor

        def rank(columns: Columns, n: int, draws: np.random.Generator) -> NDArray[np.float64]:
            with torch.no_grad():
                values = predictor(torch.tensor(columns, dtype=torch.float32), torch.full((len(columns), 1), LEAST))
            return np.tile(values.double().numpy(), (n, 1))

        return rank

    def __call__(self, best: Sequence[Architecture], draws: np.random.Generator) -> Rows:
        """Index rows ``[candidates, choices]`` of different architectures, at most as many as samples."""
        from nas.search.guided.denoising import generate

        predictor, guidance = self._predictor, self._guidance
        cost = None if predictor is None or guidance == 0 else lambda x, noise: guidance * predictor(x, noise)
        made = generate(self.denoiser, self._samples, sum(self._columns), self._levels, draws, cost)
        return np.unique(self.decode(made.double().numpy()), axis=0)

    def decode(self, columns: Columns) -> Rows:
        """Index rows ``[n, choices]``: of each active choice the candidate with the largest number."""
        blocks = np.split(columns, np.cumsum(self._columns)[:-1], axis=1)
        picks = [block[:, -size:].argmax(axis=1) for block, size in zip(blocks, self._candidates, strict=True)]
        return self._space.indices(self._space.from_indices(np.stack(picks, axis=1)))

    @cached_property
    def denoiser(self) -> "Denoiser":
        """Learnt once, from random architectures."""
        import torch

        from nas.search.guided.denoising import Denoiser

        draws = rng(self._seed, Stream.DIFFUSED)
        drawn = self._space.indices([self._space.sample(draws) for _ in range(_DRAWN)])
        data = torch.tensor(ENCODINGS[_ENCODING](self._space)(drawn), dtype=torch.float32)
        return Denoiser(data, self._columns, self._width, self._seed)
