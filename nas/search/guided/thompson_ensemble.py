"""An ensemble of networks on the paths of cells, and independent draws from it."""

import numpy as np
from numpy.typing import NDArray

from nas.search.guided.acquisition import independent_draws
from nas.search.guided.encodings import Columns
from nas.search.guided.model_guided import ModelGuided, Rank, Samples
from nas.search.guided.path_encoding import has_paths
from nas.space import Space

__all__ = ["bananas"]

Floats = NDArray[np.float64]


def bananas(
    space: Space,
    seed: int = 0,
    *,
    members: int = 5,
    width: int = 32,
    steps: int = 150,
    startup: int = 10,
    batch: int = 5,
    pool: int = 1000,
) -> ModelGuided:
    """An ensemble of networks; each proposal is the best of a draw from what they predict (White et al., 2021).

    BANANAS: cells are encoded as paths, other spaces one-hot; the members differ by their first weights.

    Args:
        members: networks of the ensemble.
        width: of their two hidden layers.
        steps: of gradient descent for each model.
        startup: see :class:`~nas.search.guided.ModelGuided`, also for ``batch`` and ``pool``.
    """

    def learn(samples: Samples, model_seed: int) -> Rank:
        import torch

        from nas.search.guided.networks import Networks

        networks = Networks(members, [samples.columns.shape[1], width, width, 1], model_seed)
        x = torch.tensor(samples.columns, dtype=torch.float32)
        y = torch.tensor(samples.scores, dtype=torch.float32)
        networks.fit(lambda: (networks(x)[..., 0] - y).square().mean(dim=1).sum(), steps)

        def rank(columns: Columns, n: int, rng: np.random.Generator) -> Floats:
            with torch.no_grad():
                outputs = networks(torch.tensor(columns, dtype=torch.float32))[..., 0].double().numpy()
            return independent_draws(outputs.mean(axis=0), outputs.std(axis=0), n, rng)

        return rank

    encoding = "path" if has_paths(space) else "one-hot"
    return ModelGuided(space, seed, learn, encoding=encoding, startup=startup, batch=batch, pool=pool)
