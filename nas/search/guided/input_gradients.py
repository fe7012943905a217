"""Search down the gradient of a model in what it reads, and from there to the nearest architecture."""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nas.errors import UsageError
from nas.search.guided.encodings import ENCODINGS, Columns
from nas.search.guided.model_guided import ModelGuided, Rank, Samples
from nas.space import Space
from nas.streams import Stream, rng

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["boshnas", "descend", "explored", "nearest_new"]

Floats = NDArray[np.float64]
_UNKNOWN = 200
_DESCENT, _RATE = 200, 0.05
_STILL, _MOVED = 5, 1e-5
"""A descent ends after so many steps in which no input moves further than that."""
_DIGITS = 3


def boshnas(
    space: Space,
    seed: int = 0,
    *,
    encoding: str = "one-hot",
    kappa: float = 0.5,
    trust: float = 0.25,
    starts: int = 50,
    uncertain: float = 0.1,
    random: float = 0.1,
    width: int = 64,
    steps: int = 200,
    dropout: float = 0.1,
    startup: int = 20,
    batch: int = 10,
    pool: int = 1000,
) -> ModelGuided:
    """From known architectures down the gradient of a confidence bound, in the encoding (BOSHNAS; Tuli et al., 2022).

    Networks predict a mean, its noise and how little is known. From known architectures, drawn at random, the encoding
    moves to where the bound is lowest nearby, as if there were an architecture at every point. Proposed is what is
    nearest to the end of such a way, new and expected to satisfy the constraints; first where its own bound is lowest.
    Now and then the most uncertain candidate is proposed instead, or a random one.

    Published are embeddings of graphs by their edit distances, where here the encoding counts how many choices differ;
    natural-parameter networks for the noise, where here a network has two outputs; and AdaHessian, where here is Adam.

    Args:
        kappa: how many standard deviations better than expected an architecture is taken to be.
        trust: how far an input may move from where it starts, as a share of its range.
        starts: known architectures from which a way begins.
        uncertain: the probability that a proposal is the most uncertain candidate.
        random: the probability that a proposal is a random candidate.
        width: of the two hidden layers of each network.
        steps: of gradient descent for each network.
        dropout: share of the hidden units whose absence tells how little is known.
        encoding: see :class:`~nas.search.guided.ModelGuided`, also for ``startup``, ``batch`` and ``pool``.

    Raises:
        UsageError: a number below one or a share that is none.
    """
    if min(starts, width, steps) < 1:
        raise UsageError(f"boshnas has starts {starts}, width {width} and steps {steps}; use at least 1 each.")
    if not 0 <= kappa < np.inf or not 0 < trust <= 1 or not 0 <= dropout < 1:
        raise UsageError(
            f"boshnas has kappa {kappa}, trust {trust} and dropout {dropout}; use a kappa of 0 or more, a trust above "
            "0 up to 1, and a dropout from 0 to below 1."
        )
    if min(uncertain, random) < 0 or not uncertain + random <= 1:
        raise UsageError(
            f"boshnas has uncertain {uncertain} and random {random}; use probabilities that add up to 1 or less."
        )

    @cache
    def unknown() -> Columns:
        draws = rng(seed, Stream.STUDENT_INPUTS)
        return ENCODINGS[encoding](space)(space.indices([space.sample(draws) for _ in range(_UNKNOWN)]))

    def learn(samples: Samples, model_seed: int) -> Rank:
        import torch

        from nas.search.guided.uncertain_networks import UncertainNetworks

        known, others, scores = (
            torch.tensor(each, dtype=torch.float32) for each in (samples.columns, unknown(), samples.scores)
        )
        networks = UncertainNetworks(known, scores, others, width=width, steps=steps, dropout=dropout, seed=model_seed)
        lowest, highest = torch.cat([known, others]).aminmax(dim=0)

        def bound(x: "Tensor") -> "Tensor":
            mean, deviation = networks(x)
            return mean - kappa * deviation

        def rank(columns: Columns, n: int, draws: np.random.Generator) -> Floats:
            begun = known[draws.permutation(len(known))[: max(starts, n)]]
            ends = descend(begun, bound, trust * (highest - lowest), lowest, highest)
            with torch.no_grad():
                mean, deviation = networks(torch.tensor(columns, dtype=torch.float32))
            bounds, doubts = (mean - kappa * deviation).double().numpy(), deviation.double().numpy()
            distances = nearest_new(ends.double().numpy(), columns, bounds, samples.told_columns, n)
            return explored(distances, doubts, uncertain, random, draws)

        return rank

    return ModelGuided(space, seed, learn, encoding=encoding, startup=startup, batch=batch, pool=pool)


def descend(
    x: "Tensor", value: "Callable[[Tensor], Tensor]", reach: "Tensor", lowest: "Tensor", highest: "Tensor"
) -> "Tensor":
    """Where the values ``[k]`` of inputs ``[k, columns]`` are lower, at most ``reach`` away and between the bounds.

    Args:
        reach: for each column ``[columns]``, as are the bounds.
    """
    import torch

    lowest, highest = torch.maximum(lowest, x - reach), torch.minimum(highest, x + reach)
    moving = x.clone().requires_grad_()
    optimizer = torch.optim.Adam([moving], lr=_RATE)
    still = 0
    for _ in range(_DESCENT):
        before = moving.detach().clone()
        optimizer.zero_grad(set_to_none=True)
        value(moving).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        with torch.no_grad():
            moving.copy_(torch.clamp(moving, lowest, highest))
            still = still + 1 if float((moving - before).abs().max()) < _MOVED else 0
        if still == _STILL:
            break
    return moving.detach()


def nearest_new(ends: Floats, columns: Columns, values: Floats, known: Columns, n: int) -> Floats:
    """Distances ``[n, m]`` of candidates from ends of ways, for each proposal from one of them.

    The first end is that whose nearest candidate of unknown ones has the lowest value; no two have the same nearest
    candidate, unless there are too few. Of candidates that are equally near the one with the lower value is nearer.

    Args:
        ends: ``[k, columns]``.
        columns: of candidates ``[m, columns]``.
        values: of candidates ``[m]``, the lower the better.
        known: candidates among these are unlikely to be proposed ``[told, columns]``.
    """
    from scipy.spatial.distance import cdist

    lower = np.argsort(np.argsort(values, kind="stable")) / len(values)
    distances: Floats = cdist(ends, columns, "cityblock").round(_DIGITS) + 10.0**-_DIGITS * lower
    met = {row.tobytes() for row in known}
    is_known = np.array([row.tobytes() in met for row in columns])
    nearest = np.where(is_known, np.inf, distances).argmin(axis=1)
    order = np.argsort(values[nearest], kind="stable")
    _, first = np.unique(nearest[order], return_index=True)
    return distances[np.resize(order[np.sort(first)], n)]


def explored(values: Floats, deviations: Floats, uncertain: float, random: float, draws: np.random.Generator) -> Floats:
    """Values ``[n, m]``, in which each row may be replaced: by how certain candidates are, or by random numbers.

    Args:
        deviations: of candidates ``[m]``.
        uncertain: the probability of the one.
        random: the probability of the other.
    """
    kind, shuffled = draws.random((len(values), 1)), draws.random(values.shape)
    return np.where(kind < uncertain, -deviations, np.where(kind < uncertain + random, shuffled, values))
