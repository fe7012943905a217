"""Search by a model of which of two architectures is better."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nas.search.guided.encodings import Columns
from nas.search.guided.model_guided import ModelGuided, Rank, Samples
from nas.space import Space

if TYPE_CHECKING:
    import torch

__all__ = ["brp", "disagreement_with", "top_and_random"]

Floats = NDArray[np.float64]


def brp(
    space: Space,
    seed: int = 0,
    *,
    encoding: str = "one-hot",
    width: int = 64,
    steps: int = 150,
    startup: int = 20,
    batch: int = 10,
    pool: int = 1000,
) -> ModelGuided:
    """A network that learns which of two architectures is better, and ranks them (BRP-NAS; Dudziak et al., 2020).

    It gives each architecture a number, and the probability that one is worse than another is the logistic function
    of the difference, so the relation is antisymmetric and transitive. Each round proposes the best, and as many at
    random of the best 1/2, then 1/4, and so on. The network is a perceptron where the paper has a graph convolution.

    Args:
        width: of the two hidden layers.
        steps: of gradient descent for each model.
        encoding: see :class:`~nas.search.guided.ModelGuided`, also for ``startup``, ``batch`` and ``pool``.
    """

    def learn(samples: Samples, model_seed: int) -> Rank:
        import torch

        from nas.search.guided.networks import Networks

        network = Networks(1, [samples.columns.shape[1], width, width, 1], model_seed)
        x = torch.tensor(samples.columns, dtype=torch.float32)
        y = torch.tensor(samples.scores, dtype=torch.float32)
        disagreement = disagreement_with(y)
        network.fit(lambda: disagreement(network(x)[0, :, 0]), steps)
        fraction = 0.5 ** (1 + (len(samples.told) - startup) // batch)

        def rank(columns: Columns, n: int, rng: np.random.Generator) -> Floats:
            with torch.no_grad():
                numbers = network(torch.tensor(columns, dtype=torch.float32))[0, :, 0].double().numpy()
            return top_and_random(numbers, n, fraction, rng)

        return rank

    return ModelGuided(space, seed, learn, encoding=encoding, startup=startup, batch=batch, pool=pool)


def disagreement_with(scores: "torch.Tensor") -> "Callable[[torch.Tensor], torch.Tensor]":
    """A loss of numbers ``[n]``: the cross-entropy of which of two is the greater, as normal scores ``[n]`` say."""
    import torch

    worse = torch.sigmoid(2 * (scores[:, None] - scores))

    def loss(numbers: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.binary_cross_entropy_with_logits(numbers[:, None] - numbers, worse)

    return loss


def top_and_random(numbers: Floats, n: int, fraction: float, rng: np.random.Generator) -> Floats:
    """Values ``[n, m]`` of candidates: half of the rows rank by their numbers, the others shuffle the best fraction."""
    best = int(max(2 * n, fraction * len(numbers)))
    ranks = np.argsort(np.argsort(numbers, kind="stable"))
    shuffled = rng.random((n // 2, len(numbers)))
    shuffled[:, ranks >= best] += ranks[ranks >= best]
    return np.vstack([np.tile(numbers, (n - n // 2, 1)), shuffled])
