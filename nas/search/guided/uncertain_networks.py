"""Networks that predict a mean and two uncertainties, so that one can go down their gradient in what they read."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from nas.search.guided.networks import Drop, Networks
from nas.streams import Stream, rng

__all__ = [
    "UncertainNetworks",
    "dropping",
    "fit_mean_and_noise",
    "fit_student",
    "fit_teacher",
    "mean_and_variance",
    "spread_of_passes",
]

_LEAST_VARIANCE, _LEAST_DEVIATION = 1e-4, 1e-6
_PASSES = 10


class UncertainNetworks:
    """The surrogate of BOSHNAS (Tuli et al., 2022).

    One network predicts a mean and the noise around it. A second one, the teacher, tells by how much its answers differ
    under dropout how little the results say of an architecture (Gal and Ghahramani, 2016). That takes many passes, so
    a third, the student, learns to tell it in one.

    Args:
        x: what is known ``[n, columns]``.
        y: its values ``[n]``.
        unknown: further inputs ``[m, columns]`` on which the student learns from the teacher.
        width: of the two hidden layers of each network.
        steps: of gradient descent for each network.
        dropout: share of the teacher's hidden units that are dropped.
        seed: of first weights, and of what is dropped.
    """

    def __init__(
        self, x: Tensor, y: Tensor, unknown: Tensor, *, width: int, steps: int, dropout: float, seed: int
    ) -> None:
        self._mean_and_noise = fit_mean_and_noise(x, y, width, steps, seed)
        drop = dropping(dropout, rng(seed, Stream.DROPOUT))
        teacher = fit_teacher(x, y, width, steps, drop, seed)
        every = torch.cat([x, unknown])
        self._student = fit_student(every, spread_of_passes(teacher, every, drop), width, steps, seed)

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Means ``[n]``, and noise and lack of knowledge ``[n]`` as one standard deviation each, added up."""
        mean, variance = mean_and_variance(self._mean_and_noise, x)
        return mean, variance.sqrt() + self._student(x).clamp(min=0.0)


def mean_and_variance(network: Networks, x: Tensor) -> tuple[Tensor, Tensor]:
    """What a network of two outputs predicts of each input ``[n]``."""
    mean, variance = network(x)[0].unbind(dim=1)
    return mean, torch.nn.functional.softplus(variance) + _LEAST_VARIANCE


def fit_mean_and_noise(x: Tensor, y: Tensor, width: int, steps: int, seed: int) -> Networks:
    """A network of two outputs, by the likelihood of a normal distribution; see :func:`mean_and_variance`."""
    network = Networks(1, [x.shape[1], width, width, 2], seed)

    def loss() -> Tensor:
        mean, variance = mean_and_variance(network, x)
        return torch.nn.functional.gaussian_nll_loss(mean, y, variance)

    network.fit(loss, steps)
    network.freeze()
    return network


def fit_teacher(x: Tensor, y: Tensor, width: int, steps: int, drop: Drop, seed: int) -> Networks:
    """A network that learns values under dropout."""
    network = Networks(1, [x.shape[1], width, width, 1], seed)
    network.fit(lambda: (network(x, drop)[0, :, 0] - y).square().mean(), steps)
    network.freeze()
    return network


def spread_of_passes(teacher: Networks, x: Tensor, drop: Drop) -> Tensor:
    """The standard deviation ``[n]`` of what a network says in ten passes under dropout."""
    with torch.no_grad():
        return torch.stack([teacher(x, drop)[0, :, 0] for _ in range(_PASSES)]).std(dim=0)


def fit_student(x: Tensor, spread: Tensor, width: int, steps: int, seed: int) -> Callable[[Tensor], Tensor]:
    """A network that learns spreads ``[n]``, as so many deviations from their mean."""
    network = Networks(1, [x.shape[1], width, width, 1], seed)
    mean, deviation = spread.mean(), spread.std().clamp(min=_LEAST_DEVIATION)
    target = (spread - mean) / deviation
    network.fit(lambda: (network(x)[0, :, 0] - target).square().mean(), steps)
    network.freeze()
    return lambda inputs: mean + deviation * network(inputs)[0, :, 0]


def dropping(share: float, draws: np.random.Generator) -> Drop:
    """Drops a share of what it is given, and makes up for it in the rest."""

    def drop(x: Tensor) -> Tensor:
        kept = torch.from_numpy(draws.random(x.shape, dtype=np.float32) >= share)
        return x * kept / (1 - share)

    return drop
