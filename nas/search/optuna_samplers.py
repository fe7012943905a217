"""Optuna's samplers as strategies.

Samplers search conditional parameters only where all trials share them, so they see the full index vector, every
choice always there; what they propose is made canonical afterwards.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from nas.errors import UsageError
from nas.search.optuna_logging import quiet_optuna
from nas.search.strategy import Result
from nas.search.unique_sampler import Memory
from nas.space import Architecture, Space
from nas.streams import Stream, derive_seed

if TYPE_CHECKING:
    import optuna

__all__ = ["OptunaStrategy", "nsga2", "tpe"]

_ATTEMPTS = 3


def nsga2(space: Space, seed: int = 0, *, population: int = 20) -> "OptunaStrategy":
    """NSGA-II (Deb et al., 2002) for one objective or several; the first ``population`` proposals are random.

    A small population suits budgets of a few hundred.

    Raises:
        UsageError: a population of less than two.
    """
    if population < 2:
        raise UsageError(f"nsga2 has population {population}; take at least 2.")
    from nas.search.nsga2_storage import Generations

    def sampler(batch_seed: int) -> "optuna.samplers.BaseSampler":
        from optuna.samplers import NSGAIISampler

        return NSGAIISampler(population_size=population, seed=batch_seed)

    return OptunaStrategy(space, seed, sampler, Generations)


def tpe(space: Space, seed: int = 0, *, startup: int = 25) -> "OptunaStrategy":
    """Tree-structured Parzen estimator (Bergstra et al., 2011; several objectives: Ozaki et al., 2022).

    Takes about 0.1 s a proposal after a thousand results; the first ``startup`` proposals are random.

    Raises:
        UsageError: a negative ``startup``.
    """
    if startup < 0:
        raise UsageError(f"tpe has startup {startup}; take 0 or more.")

    def sampler(batch_seed: int) -> "optuna.samplers.BaseSampler":
        from optuna.samplers import TPESampler

        return TPESampler(n_startup_trials=startup, seed=batch_seed)

    return OptunaStrategy(space, seed, sampler)


class OptunaStrategy:
    """Asks a sampler on an in-memory study, with a fresh sampler for each batch.

    A repeated proposal is dropped and asked again; after three an unvisited mutation takes its place, so populations
    hold no copies. (Telling copies instead was worse, with NSGA-II on separable problems, and slower.)

    Args:
        sampler: makes a sampler from a seed, which is a function of (seed, batch number).
        storage: makes what holds the study; by default Optuna's own, in memory.
    """

    def __init__(
        self,
        space: Space,
        seed: int,
        sampler: Callable[[int], "optuna.samplers.BaseSampler"],
        storage: Callable[[], "optuna.storages.BaseStorage | None"] = lambda: None,
    ) -> None:
        from optuna.distributions import BaseDistribution, CategoricalDistribution

        self._space = space
        self._seed = seed
        self._sampler = sampler
        self._storage = storage
        self._memory = Memory(space, seed)
        self._distributions: dict[str, BaseDistribution] = {
            name: CategoricalDistribution(range(len(candidates))) for name, candidates in space.choices.items()
        }
        self._batch = 0
        self._open(objectives=1)

    def ask(self, n: int) -> list[Architecture]:
        self._batch += 1
        self._study.sampler = self._sampler(self._batch_seed())
        proposals = (self._proposal() for _ in range(n))
        return [architecture for architecture in proposals if architecture is not None]

    def tell(self, results: Sequence[Result]) -> None:
        new = self._memory.add(results)
        widths = {len(result.objectives) for result in new if result.objectives is not None}
        if widths - {self._objectives}:
            self._open(widths.pop())
            new = list(self._memory.results.values())
        for result in new:
            trial = self._pending.pop(result.architecture, None) or self._enqueued(result.architecture)
            # Samplers put infeasible trials below all others, whatever their values.
            trial.set_constraint("violation", result.violation)
            self._study.tell(trial, result.objectives or (0.0,) * self._objectives)

    def _open(self, objectives: int) -> None:
        """Starts a study; how many objectives there are is known from the first result that has any."""
        import optuna

        self._objectives = objectives
        self._pending: dict[Architecture, optuna.Trial] = {}
        with quiet_optuna():
            self._study = optuna.create_study(
                storage=self._storage(), directions=["minimize"] * objectives, sampler=self._sampler(self._batch_seed())
            )

    def _batch_seed(self) -> int:
        """Of 32 bits, as samplers take them."""
        return derive_seed(self._seed, Stream.SAMPLER, self._batch) % 2**32

    def _proposal(self) -> Architecture | None:
        from optuna.trial import TrialState

        for _ in range(_ATTEMPTS):
            trial = self._study.ask(self._distributions)
            chosen = trial.params
            (proposal,) = self._space.from_indices([[chosen[name] for name in self._space.choices]])
            if self._memory.claim(proposal):
                self._pending[proposal] = trial
                return proposal
            self._study.tell(trial, state=TrialState.FAIL)
        variant = self._memory.vary(proposal)
        if variant is not None:
            self._pending[variant] = self._enqueued(variant)
        return variant

    def _enqueued(self, architecture: Architecture) -> "optuna.Trial":
        """A trial for an architecture that the sampler did not propose; it fills the inactive choices."""
        (row,) = self._space.indices([architecture])
        active = {name: int(index) for name, index in zip(self._space.choices, row, strict=True) if index >= 0}
        self._study.enqueue_trial(active)
        return self._study.ask(self._distributions)
