"""Search by sums over choices, whose optimum is found exactly in spaces of any size."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nas.errors import UsageError
from nas.predictors import LinearPredictor
from nas.search.guided.feasibility import learn_excess
from nas.search.guided.integer_programming import AtMost, SumProgram
from nas.search.guided.scores import normal_scores
from nas.search.strategy import Result
from nas.search.unique_sampler import UniqueSampler
from nas.space import Architecture, Space

__all__ = ["AdditiveSearch"]

Floats = NDArray[np.float64]
_FEWEST = 3


class AdditiveSearch:
    """Fits a sum over choices to the results, and proposes the architecture with the best sum within the constraints.

    No other architecture of the space has a better one, however large the space is: an integer program finds it, as
    Puzzle does with scores of blocks (Bercovich et al., 2024). Each proposal is the optimum of another draw of the sum
    from what is known of it (Thompson, 1933; of a linear model Agrawal and Goyal, 2013). Violations of constraints are
    a sum too; if none is expected to satisfy them, what violates them least is proposed. Of several objectives each
    proposal weighs others more.

    Args:
        startup: number of results, at first of random architectures, before a sum is fitted.
        spread: of the draws; 1 for as much as is uncertain, 0 for the optimum of the fitted sum.

    Raises:
        UsageError: a startup below one or a negative spread.
    """

    def __init__(self, space: Space, seed: int = 0, *, startup: int = 10, spread: float = 1.0) -> None:
        if startup < 1 or not 0 <= spread < np.inf:
            raise UsageError(
                f"milp has startup {startup} and spread {spread}; use a startup of at least 1 and a spread of 0 or "
                "more, such as 1."
            )
        self.startup, self.spread = startup, spread
        self._space = space
        self._sampler = UniqueSampler(space, seed)
        self._program = SumProgram(space)
        self._exhausted = False
        self._met: list[Architecture] = []
        """Optima that had been visited before, which no program needs to find again."""

    def ask(self, n: int) -> list[Architecture]:
        results = list(self._sampler.results.values())
        evaluated = [result for result in results if result.objectives is not None]
        if len(results) < self.startup or len(evaluated) < _FEWEST:
            return self._sampler.sample(n)
        models, excess = self._models(evaluated), learn_excess(self._space, results)
        proposals: list[Architecture] = []
        while len(proposals) < n and not self._exhausted:
            proposals += self._proposal(self._values(models), excess)
        return proposals

    def tell(self, results: Sequence[Result]) -> None:
        self._sampler.record(results)

    def _models(self, evaluated: Sequence[Result]) -> list[LinearPredictor]:
        """A sum for each objective."""
        columns = self._space.one_hot([result.architecture for result in evaluated])
        objectives = np.array([result.objectives for result in evaluated])
        return [LinearPredictor().fit(columns, normal_scores(values)) for values in objectives.T]

    def _values(self, models: Sequence[LinearPredictor]) -> Floats:
        """A draw of the value of each candidate ``[columns]``."""
        rng = self._sampler.rng
        shares = rng.dirichlet(np.ones(len(models)))
        drawn = [(1 - self.spread) * model.coefficients[0] + self.spread * model.draw(rng) for model in models]
        return np.asarray(shares @ np.array(drawn))

    def _proposal(self, values: Floats, excess: tuple[Floats, float] | None) -> list[Architecture]:
        """The new architecture with the smallest sum; none if the space is exhausted."""
        found = self._smallest_new(values, [] if excess is None else [AtMost(excess[0], -excess[1])])
        if found is None and excess is not None:
            found = self._smallest_new(excess[0], [])
        self._exhausted = found is None
        return [] if found is None else [found]

    def _smallest_new(self, values: Floats, bounds: Sequence[AtMost]) -> Architecture | None:
        while (found := self._program.smallest(values, bounds, self._met)) is not None:
            if self._sampler.visit(found):
                return found
            self._met.append(found)
        return None
