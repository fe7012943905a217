"""Search by regression: the baselines that any cleverer model has to beat."""

from collections.abc import Mapping
from typing import Any

from nas.search.guided.acquisition import lower_bound
from nas.search.guided.model_guided import ModelGuided, Rank, Samples
from nas.search.guided.surrogates import predicted, surrogate_maker, without_warnings
from nas.space import Space

__all__ = ["forest", "guided", "ridge"]


def guided(
    space: Space,
    seed: int = 0,
    *,
    surrogate: str = "gaussian-process",
    surrogate_args: Mapping[str, Any] | None = None,
    encoding: str = "one-hot",
    kappa: float = 1.0,
    startup: int = 10,
    batch: int = 1,
    pool: int = 1000,
) -> ModelGuided:
    """The candidate with the lowest confidence bound of any regressor of scikit-learn (Cox and John, 1992).

    Args:
        surrogate: ``ridge``, ``forest``, ``gaussian-process``, ``trees``, or ``module:class`` with ``fit`` and
            ``predict``, such as ``sklearn.svm:SVR``.
        surrogate_args: its options.
        encoding: see :class:`~nas.search.guided.ModelGuided`, also for ``startup``, ``batch`` and ``pool``.
        kappa: how many standard deviations better than expected a candidate is taken to be.

    Raises:
        UsageError: there is no such surrogate or encoding, or an option is wrong.
    """
    make = surrogate_maker(surrogate, surrogate_args or {})
    acquire = lower_bound(kappa)

    def learn(samples: Samples, model_seed: int) -> Rank:
        model = make(model_seed)
        with without_warnings():
            model.fit(samples.columns, samples.scores)
        return lambda columns, n, rng: acquire(*predicted(model, columns), n, rng)

    return ModelGuided(space, seed, learn, encoding=encoding, startup=startup, batch=batch, pool=pool)


def ridge(
    space: Space,
    seed: int = 0,
    *,
    encoding: str = "one-hot",
    kappa: float = 1.0,
    startup: int = 10,
    batch: int = 1,
    pool: int = 1000,
) -> ModelGuided:
    """A sum over choices, fitted by ridge regression: a strong baseline, and the quickest model.

    Args:
        encoding: see :func:`guided`, also for the other options.
    """
    return guided(
        space, seed, surrogate="ridge", encoding=encoding, kappa=kappa, startup=startup, batch=batch, pool=pool
    )


def forest(
    space: Space,
    seed: int = 0,
    *,
    encoding: str = "one-hot",
    kappa: float = 1.0,
    startup: int = 10,
    batch: int = 1,
    pool: int = 1000,
) -> ModelGuided:
    """Randomised trees, by what they agree on and how far they differ (SMAC; Hutter et al., 2011).

    Args:
        encoding: see :func:`guided`, also for the other options.
    """
    return guided(
        space, seed, surrogate="forest", encoding=encoding, kappa=kappa, startup=startup, batch=batch, pool=pool
    )
