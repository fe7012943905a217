"""What all strategies have in common that let a model of the results choose."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas.errors import UsageError
from nas.search.guided.candidates import Candidates
from nas.search.guided.encodings import ENCODINGS, Columns, Rows
from nas.search.guided.feasibility import learn_violations
from nas.search.guided.scores import selection_scores
from nas.search.standings import best_first
from nas.search.strategy import Result
from nas.search.unique_sampler import UniqueSampler
from nas.space import Architecture, Space
from nas.streams import Stream, derive_seed

__all__ = ["Learn", "ModelGuided", "Propose", "Rank", "Samples"]

Floats = NDArray[np.float64]

Rank = Callable[[Columns, int, np.random.Generator], Floats]
"""(columns of candidates ``[m, columns]``, proposals n, generator) → for each proposal a row of values ``[n, m]``: the
candidate with the lowest is proposed."""

Propose = Callable[[Sequence[Architecture], np.random.Generator], Rows]
"""(known architectures, the best first, generator) → index rows ``[candidates, choices]``, among them such that are
known; it is asked after the model has learnt."""

_FEWEST = 3
_PARENTS = 10


@dataclass(frozen=True)
class Samples:
    """What there is to learn from.

    Attributes:
        columns: of the evaluated architectures.
        scores: of these, the lower the better.
        told: all results, also those without an evaluation.
        told_columns: of all results.
    """

    columns: Columns
    scores: Floats
    told: Sequence[Result]
    told_columns: Columns


Learn = Callable[[Samples, int], Rank]
"""(samples, seed) → how a model of the samples ranks candidates."""


class ModelGuided:
    """Proposes what a model of the results so far expects to be best.

    The first proposals are random. Then a model learns from all results how good architectures are, and the candidates
    that are expected to satisfy the constraints are proposed as it ranks them; if none is expected to, those that are
    nearest. With several objectives good is what evolution would select: by Pareto rank, then by
    crowding.

    Args:
        learn: makes the model.
        encoding: of architectures: ``one-hot``, ``one-hot-inactive``, ``ordinal``, ``path`` or ``module:function``.
        startup: number of results before the model is asked.
        batch: proposals at least that one model makes, before it learns anew.
        pool: number of candidates in a space of more than 20,000 architectures; smaller ones are ranked wholly.
        candidates: what makes them, in place of these.

    Raises:
        UsageError: there is no such encoding, or a number below one.
    """

    def __init__(
        self,
        space: Space,
        seed: int,
        learn: Learn,
        *,
        encoding: str = "one-hot",
        startup: int = 10,
        batch: int = 1,
        pool: int = 1000,
        candidates: Propose | None = None,
    ) -> None:
        if min(startup, batch, pool) < 1:
            raise UsageError(f"the strategy has startup {startup}, batch {batch} and pool {pool}; use at least 1 each.")
        self._space, self._seed, self._learn = space, seed, learn
        self._encode = ENCODINGS[encoding](space)
        self._startup, self._batch = startup, batch
        self._candidates = candidates or Candidates(space, pool)
        self._sampler = UniqueSampler(space, seed)
        self._waiting: list[Architecture] = []
        self._rank: Rank | None = None

    def ask(self, n: int) -> list[Architecture]:
        results = self._sampler.results
        self._waiting = [each for each in self._waiting if each not in results]
        if len(results) < self._startup:
            return self._sampler.sample(n)
        if len(self._waiting) < n:
            self._waiting += self._proposals(max(n - len(self._waiting), self._batch))
        asked, self._waiting = self._waiting[:n], self._waiting[n:]
        return asked

    def tell(self, results: Sequence[Result]) -> None:
        if any(result.objectives is not None for result in self._sampler.record(results)):
            self._rank = None

    def _proposals(self, n: int) -> list[Architecture]:
        """Of the model; random ones if it has no more candidates."""
        results, rng = list(self._sampler.results.values()), self._sampler.rng
        best = [results[position].architecture for position in best_first(results)[:_PARENTS]]
        rank = self._model(results)
        rows = self._candidates(best, rng)
        values = rng.random((n, len(rows))) if rank is None else rank(self._encode(rows), n, rng)
        chosen = list(self._chosen(rows, values, learn_violations(self._space, results)(rows)))
        return chosen + self._sampler.sample(n - len(chosen))

    def _model(self, results: Sequence[Result]) -> Rank | None:
        """Of all results; None as long as there is too little to learn from."""
        evaluated = [position for position, each in enumerate(results) if each.objectives is not None]
        if self._rank is None and len(evaluated) >= _FEWEST:
            told = self._encode(self._space.indices([each.architecture for each in results]))
            scores = selection_scores([results[position] for position in evaluated])
            samples = Samples(told[evaluated], scores, results, told)
            self._rank = self._learn(samples, derive_seed(self._seed, Stream.SURROGATE, len(results)))
        return self._rank

    def _chosen(self, rows: Rows, values: Floats, violations: Floats) -> Iterator[Architecture]:
        """For each row of values the best new architecture, of those that violate the constraints least."""
        left = np.ones(len(rows), dtype=bool)
        for value in values:
            order = np.lexsort((value, violations))
            for position in order[left[order]]:
                left[position] = False
                (architecture,) = self._space.from_indices(rows[[position]])
                if self._sampler.visit(architecture):
                    yield architecture
                    break
