"""Search by a network that has learnt what architectures cost before it learns which of them are better."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nas.errors import UsageError
from nas.search.guided.binary_relation import disagreement_with
from nas.search.guided.encodings import ENCODINGS, Columns
from nas.search.guided.model_guided import ModelGuided, Rank, Samples
from nas.search.pool import RowsFunction, metrics_of
from nas.space import Space
from nas.streams import Stream, derive_seed, rng

if TYPE_CHECKING:
    from nas.search.guided.networks import Networks

__all__ = ["nars", "pretrained"]

_BATCH = 256

Floats = NDArray[np.float64]


def nars(
    space: Space,
    seed: int = 0,
    *,
    costs: RowsFunction,
    encoding: str = "one-hot",
    width: int = 64,
    steps: int = 150,
    statistics: int = 2000,
    startup: int = 20,
    batch: int = 10,
    pool: int = 1000,
) -> ModelGuided:
    """A predictor that begins with what is free to know, such as FLOPs (NARS of FBNetV3; Dai et al., 2021).

    Two layers learn to tell the costs of random architectures, which takes no training of any. A third then learns
    from results which of two architectures is better, first alone, then with the two; what it ranks first is proposed.
    Published are a loss of accuracies and a search of training recipes as well, which here are choices like others.

    Args:
        costs: of architectures, known before anything is evaluated.
        width: of the two layers.
        steps: of gradient descent for each model, half of them on its last layer alone, and ten times as many on costs.
        statistics: random architectures whose costs are learnt.
        encoding: see :class:`~nas.search.guided.ModelGuided`, also for ``startup``, ``batch`` and ``pool``.

    Raises:
        UsageError: fewer than two architectures to learn costs of.
    """
    if statistics < 2:
        raise UsageError(f"nars has statistics {statistics}; use at least 2, such as 2000.")
    begun: list[Networks] = []

    def learn(samples: Samples, model_seed: int) -> Rank:
        import torch

        from nas.search.guided.networks import Networks

        if not begun:
            begun.append(pretrained(space, seed, costs, encoding, width, 10 * steps, statistics))
        network = Networks(1, [samples.columns.shape[1], width, width, 1], model_seed)
        network.adopt(begun[0])
        x = torch.tensor(samples.columns, dtype=torch.float32)
        disagreement = disagreement_with(torch.tensor(samples.scores, dtype=torch.float32))
        network.fit(lambda: disagreement(network(x)[0, :, 0]), steps // 2, frozen=2)
        network.fit(lambda: disagreement(network(x)[0, :, 0]), steps - steps // 2, rate=0.001)

        def rank(columns: Columns, n: int, rng: np.random.Generator) -> Floats:
            with torch.no_grad():
                numbers = network(torch.tensor(columns, dtype=torch.float32))[0, :, 0].double().numpy()
            return np.tile(numbers, (n, 1))

        return rank

    return ModelGuided(space, seed, learn, encoding=encoding, startup=startup, batch=batch, pool=pool)


def pretrained(
    space: Space, seed: int, costs: RowsFunction, encoding: str, width: int, steps: int, statistics: int
) -> "Networks":
    """A network that tells the costs of architectures, each as so many standard deviations from the mean."""
    import torch

    from nas.search.guided.networks import Networks

    draws = rng(seed, Stream.COST_STATISTICS)
    some = list(dict.fromkeys(space.sample(draws) for _ in range(statistics)))
    values = np.array([list(row.values()) for row in metrics_of(costs, some, "costs")])
    known = np.isfinite(values).all(axis=1)
    values, columns = values[known], ENCODINGS[encoding](space)(space.indices(some)[known])
    varies = values.std(axis=0) > 0
    values = (values[:, varies] - values[:, varies].mean(axis=0)) / values[:, varies].std(axis=0)
    network = Networks(1, [columns.shape[1], width, width, values.shape[1]], derive_seed(seed, Stream.COST_STATISTICS))
    x, y = (torch.tensor(each, dtype=torch.float32) for each in (columns, values))

    def loss() -> torch.Tensor:
        batch = draws.integers(len(x), size=_BATCH)
        return (network(x[batch])[0] - y[batch]).square().mean()

    if varies.any():
        network.fit(loss, steps)
    return network
