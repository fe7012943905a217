"""Noise on one-hot architectures, networks that see through it, and how architectures come out of it."""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from nas.search.guided.networks import Networks
from nas.streams import Stream, derive_seed, rng

__all__ = ["LEAST", "MOST", "Denoiser", "NoisyPredictor", "generate", "noised"]

LEAST, MOST = 0.1, 5.0
"""Standard deviations of the noise: under the first all can be seen, under the second next to nothing."""
_BATCH = 256
_STEPS = 1000

Cost = Callable[[Tensor, Tensor], Tensor]
"""(noised inputs ``[n, columns]``, deviations of their noise ``[n, 1]``) → values ``[n]``, the lower the better."""


class Denoiser:
    """Tells which architectures noise may hide, by the probability of each candidate of each choice.

    The distance from what is expected under them, over the variance, is the score: the gradient of the logarithm of
    how likely a noised input is (Dieleman et al., 2022). What would be right if all candidates of all choices were
    equally likely is known, so a network learns only what has to be added to its logits.

    Args:
        data: one-hot architectures ``[n, columns]``.
        sizes: how many columns each choice has.
        width: of the two hidden layers.
        seed: of the run.
    """

    def __init__(self, data: Tensor, sizes: Sequence[int], width: int, seed: int) -> None:
        self._sizes = list(sizes)
        columns = data.shape[1]
        self._network = Networks(1, [columns + 1, width, width, columns], derive_seed(seed, Stream.DENOISER))
        draws = rng(seed, Stream.DENOISER)

        def loss() -> Tensor:
            clean = data[draws.integers(len(data), size=_BATCH)]
            deviations = _levels(_BATCH, draws)
            logits = self._logits(noised(clean, deviations, draws), deviations)
            right = [block.log_softmax(dim=1) for block in torch.split(logits, self._sizes, dim=1)]
            return -(clean * torch.cat(right, dim=1)).sum(dim=1).mean()

        self._network.fit(loss, _STEPS)
        self._network.freeze()

    def __call__(self, x: Tensor, deviations: Tensor) -> Tensor:
        """Probabilities ``[n, columns]`` under noise of deviations ``[n, 1]``; those of a choice add up to one."""
        blocks = torch.split(self._logits(x, deviations), self._sizes, dim=1)
        return torch.cat([block.softmax(dim=1) for block in blocks], dim=1)

    def _logits(self, x: Tensor, deviations: Tensor) -> Tensor:
        variances = deviations.square()
        read = torch.cat([x / (1 + variances).sqrt(), deviations.log()], dim=1)
        return x / variances + self._network(read)[0]


class NoisyPredictor:
    """Predicts the values of architectures from what a denoiser sees of them through the noise.

    Args:
        x: one-hot architectures ``[n, columns]``.
        y: their values ``[n]``.
        width: of the two hidden layers.
        steps: of gradient descent, each under fresh noise.
        seed: of first weights and noise.
    """

    def __init__(self, x: Tensor, y: Tensor, denoiser: Denoiser, width: int, steps: int, seed: int) -> None:
        self._denoiser = denoiser
        self._network = Networks(1, [x.shape[1] + 1, width, width, 1], seed)
        draws = rng(seed, Stream.NOISY_RESULTS)

        def loss() -> Tensor:
            picks, deviations = draws.integers(len(x), size=_BATCH), _levels(_BATCH, draws)
            return (self(noised(x[picks], deviations, draws), deviations) - y[picks]).square().mean()

        self._network.fit(loss, steps)
        self._network.freeze()

    def __call__(self, x: Tensor, deviations: Tensor) -> Tensor:
        """Expected values ``[n]`` of inputs ``[n, columns]`` under noise of deviations ``[n, 1]``."""
        seen = self._denoiser(x, deviations)
        return self._network(torch.cat([seen, deviations.log()], dim=1))[0, :, 0]


def generate(
    denoiser: Denoiser, n: int, columns: int, levels: int, draws: np.random.Generator, cost: Cost | None = None
) -> Tensor:
    """Probabilities ``[n, columns]`` of candidates, nearly one-hot: from nothing but noise, taken off level by level.

    These are ancestral steps of the reverse diffusion whose variance explodes (Song et al., 2021).

    Args:
        levels: of noise, as many between the most and the least.
        cost: its gradient is taken off the score, so that architectures of low cost come out more often: about by the
            exponential of how much lower it is, as long as that is little.
    """
    deviations = np.geomspace(MOST, LEAST, levels).tolist()
    x = MOST * _normal((n, columns), draws)
    for high, low in itertools.pairwise(deviations):
        step = high**2 - low**2
        x = x + step * _score(denoiser, x, high, cost) + low * step**0.5 / high * _normal((n, columns), draws)
    with torch.no_grad():
        return denoiser(x, torch.full((n, 1), LEAST))


def noised(clean: Tensor, deviations: Tensor, draws: np.random.Generator) -> Tensor:
    """Inputs ``[n, columns]`` with normal noise of deviations ``[n, 1]``."""
    return clean + deviations * _normal(clean.shape, draws)


def _score(denoiser: Denoiser, x: Tensor, deviation: float, cost: Cost | None) -> Tensor:
    deviations = torch.full((len(x), 1), deviation)
    with torch.no_grad():
        score = (denoiser(x, deviations) - x) / deviation**2
    if cost is None:
        return score
    moving = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(cost(moving, deviations).sum(), moving)
    return score - gradient


def _levels(n: int, draws: np.random.Generator) -> Tensor:
    """Deviations ``[n, 1]``, every order of magnitude equally likely."""
    return torch.from_numpy(LEAST * (MOST / LEAST) ** draws.random((n, 1), dtype=np.float32))


def _normal(shape: Sequence[int], draws: np.random.Generator) -> Tensor:
    return torch.from_numpy(draws.standard_normal(tuple(shape), dtype=np.float32))
