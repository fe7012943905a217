"""Optuna's samplers as strategies.

Samplers handle a conditional parameter only if all trials have it. So they see the full index vector with every choice
active, and their proposals are made canonical afterwards.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from nas.errors import UsageError
from nas.search.optuna_logging import only_optuna_warnings
from nas.search.strategy import Result
from nas.search.unique_sampler import UniqueSampler
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
        raise UsageError(f"nsga2 has population {population}; use at least 2.")
    from nas.search.nsga2_storage import Nsga2Storage

    def sampler(batch_seed: int) -> "optuna.samplers.BaseSampler":
        from optuna.samplers import NSGAIISampler

        return NSGAIISampler(population_size=population, seed=batch_seed)

    return OptunaStrategy(space, seed, sampler, Nsga2Storage)


def tpe(space: Space, seed: int = 0, *, startup: int = 25) -> "OptunaStrategy":
    """Tree-structured Parzen estimator (Bergstra et al., 2011; several objectives: Ozaki et al., 2022).

    Takes about 0.1 s a proposal after a thousand results; the first ``startup`` proposals are random.

    Raises:
        UsageError: a negative ``startup``.
    """
    if startup < 0:
        raise UsageError(f"tpe has startup {startup}; use 0 or more.")

    def sampler(batch_seed: int) -> "optuna.samplers.BaseSampler":
        from optuna.samplers import TPESampler

        return TPESampler(n_startup_trials=startup, seed=batch_seed)

    return OptunaStrategy(space, seed, sampler)


class OptunaStrategy:
    """Asks an Optuna sampler on a study in memory, with a fresh sampler for each batch.

    A duplicate is dropped and the sampler is asked again; after three duplicates a new mutation of the last is
    proposed, so populations hold no copies. (Telling the sampler the copies was slower, and worse with NSGA-II on
    separable problems.)

    Args:
        sampler: makes a sampler from a seed, which is a function of (seed, batch number).
        storage: makes the storage of the study; Optuna's own in memory by default.
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
        self._unique_sampler = UniqueSampler(space, seed)
        self._distributions: dict[str, BaseDistribution] = {
            name: CategoricalDistribution(range(len(candidates))) for name, candidates in space.choices.items()
        }
        self._batch = 0
        self._start_study(objectives=1)

    def ask(self, n: int) -> list[Architecture]:
        self._batch += 1
        self._study.sampler = self._sampler(self._batch_seed())
        proposals = (self._proposal() for _ in range(n))
        return [architecture for architecture in proposals if architecture is not None]

    def tell(self, results: Sequence[Result]) -> None:
        new = self._unique_sampler.record(results)
        counts = {len(result.objectives) for result in new if result.objectives is not None}
        if counts - {self._objectives}:
            self._start_study(counts.pop())
            new = list(self._unique_sampler.results.values())
        for result in new:
            trial = self._pending.pop(result.architecture, None) or self._enqueued_trial(result.architecture)
            # Samplers rank infeasible trials below all feasible ones, whatever their values.
            trial.set_constraint("violation", result.violation)
            self._study.tell(trial, result.objectives or (0.0,) * self._objectives)

    def _start_study(self, objectives: int) -> None:
        """Starts a study; the number of objectives is known only from the first result that has any."""
        import optuna

        self._objectives = objectives
        self._pending: dict[Architecture, optuna.Trial] = {}
        with only_optuna_warnings():
            self._study = optuna.create_study(
                storage=self._storage(), directions=["minimize"] * objectives, sampler=self._sampler(self._batch_seed())
            )

    def _batch_seed(self) -> int:
        """Of 32 bits, as samplers expect it."""
        return derive_seed(self._seed, Stream.SAMPLER, self._batch) % 2**32

    def _proposal(self) -> Architecture | None:
        from optuna.trial import TrialState

        for _ in range(_ATTEMPTS):
            trial = self._study.ask(self._distributions)
            params = trial.params
            (proposal,) = self._space.from_indices([[params[name] for name in self._space.choices]])
            if self._unique_sampler.visit(proposal):
                self._pending[proposal] = trial
                return proposal
            self._study.tell(trial, state=TrialState.FAIL)
        mutation = self._unique_sampler.mutate(proposal)
        if mutation is not None:
            self._pending[mutation] = self._enqueued_trial(mutation)
        return mutation

    def _enqueued_trial(self, architecture: Architecture) -> "optuna.Trial":
        """A trial for an architecture that the sampler did not propose; the sampler fills in the inactive choices."""
        (row,) = self._space.indices([architecture])
        active = {name: int(index) for name, index in zip(self._space.choices, row, strict=True) if index >= 0}
        self._study.enqueue_trial(active)
        return self._study.ask(self._distributions)
