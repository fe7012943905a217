"""Search in rounds: predict, evolve on the predictions, evaluate the best of them, predict anew."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.errors import UsageError
from nas.search.evolution import Evolution
from nas.search.guided.encodings import ENCODINGS
from nas.search.guided.feasibility import learn_violations
from nas.search.guided.scores import normal_scores
from nas.search.guided.surrogates import predicted, surrogate_maker, without_warnings
from nas.search.standings import best_first
from nas.search.strategy import Result
from nas.search.unique_sampler import UniqueSampler
from nas.space import Architecture, Space
from nas.streams import Stream, derive_seed

__all__ = ["Linas"]

Floats = NDArray[np.float64]
_FEWEST = 3


class Linas:
    """Evolution on predictions, whose best architectures are evaluated and learnt from (LINAS; Cummings et al., 2022).

    A round trains a predictor of each objective on all results, lets evolution search what these predict for many
    generations, and proposes the best that it met; the first round is random. So a search takes few rounds of many
    evaluations, as suits workers. With several objectives the best are those on the predicted Pareto front, then those
    behind it. Published is NSGA-II within; here it is ageing evolution with the same order of selection.

    Args:
        surrogate: of each objective; see :func:`~nas.search.guided.surrogate_search.guided`, also for
            ``surrogate_args`` and ``encoding``.
        batch: evaluations of a round.
        generations: of evolution in a round, each of ``batch`` predictions.

    Raises:
        UsageError: there is no such surrogate or encoding, or a number is below one.
    """

    def __init__(
        self,
        space: Space,
        seed: int = 0,
        *,
        surrogate: str = "ridge",
        surrogate_args: Mapping[str, Any] | None = None,
        encoding: str = "one-hot",
        batch: int = 50,
        generations: int = 20,
    ) -> None:
        if min(batch, generations) < 1:
            raise UsageError(f"linas has batch {batch} and generations {generations}; use at least 1 each.")
        self._space, self._seed, self._batch, self._generations = space, seed, batch, generations
        self._make = surrogate_maker(surrogate, surrogate_args or {})
        self._encode = ENCODINGS[encoding](space)
        self._sampler = UniqueSampler(space, seed)
        self._waiting: list[Architecture] = []
        """Of this round, not yet proposed."""

    def ask(self, n: int) -> list[Architecture]:
        results = self._sampler.results
        self._waiting = [each for each in self._waiting if each not in results]
        if not self._waiting:
            known = [result for result in results.values() if result.objectives is not None]
            enough = len(results) >= self._batch and len(known) >= _FEWEST
            self._waiting = self._evolved(list(results.values()), known) if enough else []
        asked, self._waiting = self._waiting[:n], self._waiting[n:]
        return asked or self._sampler.sample(n)

    def tell(self, results: Sequence[Result]) -> None:
        self._sampler.record(results)

    def _evolved(self, told: Sequence[Result], known: Sequence[Result]) -> list[Architecture]:
        """The best new architectures that evolution meets, as far as predictors and learnt constraints say."""
        models, violations = self._predictors(known), learn_violations(self._space, told)

        def expected(some: Sequence[Architecture]) -> list[Result]:
            rows = self._space.indices(some)
            columns, excess = self._encode(rows), violations(rows)
            means = np.column_stack([predicted(model, columns)[0] for model in models])
            return [
                Result(each, {}, tuple(map(float, vector)), float(above))
                for each, vector, above in zip(some, means, excess, strict=True)
            ]

        seed = derive_seed(self._seed, Stream.EVOLVED_PREDICTIONS, len(told))
        inner = Evolution(self._space, seed, population=max(self._batch, 10))
        inner.tell(expected([known[position].architecture for position in best_first(known)[: self._batch]]))
        met: list[Result] = []
        for _ in range(self._generations):
            if not (children := inner.ask(self._batch)):
                break
            met += (generation := expected(children))
            inner.tell(generation)
        ranked = (met[position].architecture for position in best_first(met))
        return list(itertools.islice(filter(self._sampler.visit, ranked), self._batch))

    def _predictors(self, known: Sequence[Result]) -> list[Any]:
        columns = self._encode(self._space.indices([each.architecture for each in known]))
        objectives = np.array([each.objectives for each in known], dtype=float)
        models = []
        for number, values in enumerate(objectives.T):
            model = self._make(derive_seed(self._seed, Stream.EVOLVED_PREDICTIONS, len(known), number))
            with without_warnings():
                model.fit(columns, normal_scores(values))
            models.append(model)
        return models
