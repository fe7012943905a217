"""NNI's tuners as strategies."""

import importlib
import inspect
import logging
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from nas.errors import UsageError, did_you_mean
from nas.search.strategy import Result
from nas.search.unique_sampler import UniqueSampler
from nas.space import Architecture, Space
from nas.streams import Stream, derive_seed

if TYPE_CHECKING:
    from nni.tuner import Tuner

__all__ = ["NniTuner", "tuner_named"]

_TUNERS = {
    "TPE": "tpe_tuner:TpeTuner",
    "Evolution": "evolution_tuner:EvolutionTuner",
    "Anneal": "hyperopt_tuner:HyperoptTuner",
    "Random": "random_tuner:RandomTuner",
    "GridSearch": "gridsearch_tuner:GridSearchTuner",
}
_DRAWS_FROM = {"Evolution": "random_state", "Anneal": "rval.rstate"}
"""The generators of tuners that take no seed."""
_REFUSED = {
    "GP": "it calls SciPy in a way that SciPy refuses since 1.11",
    "Metis": "it calls SciPy in a way that SciPy refuses since 1.11",
    "PBT": "its trials go on from the weights of others, which architectures of different shapes cannot",
    "Batch": "it proposes a list that the user writes; evaluate that list instead",
    "SMAC": "the library that it needs cannot be built for this Python",
    "DNGO": "the library that it needs brings another PyTorch",
    "BOHB": "it is an advisor, which also decides how long trials train",
    "Hyperband": "it is an advisor, which also decides how long trials train",
    "PPO": "it needs the layer choices of a model of NNI; strategy 'evolution' takes any space",
    "RegularizedEvolution": "it needs the layer choices of a model of NNI; strategy 'evolution' is the same method",
    "NetworkMorphism": "it makes models of its own instead of taking a space",
}
_ATTEMPTS = 3


def tuner_named(tuner: str) -> Callable[..., "NniTuner"]:
    """A tuner of NNI by its name: TPE, Evolution, Anneal, Random or GridSearch.

    Raises:
        UsageError: there is no such tuner, or it cannot propose architectures.
    """
    _require(tuner)
    return partial(NniTuner, tuner=tuner)


class NniTuner:
    """A tuner of NNI by its name, for one objective: TPE, Evolution, Anneal, Random or GridSearch.

    A tuner sees every choice as a position in the order of its candidates, from the smallest to the largest, active or
    not. What it proposes a second time it is told again at once; after three such proposals in a row a mutation is
    proposed, whose result it is given as imported data, which TPE and Anneal learn from.

    Of several objectives it is told the first. An architecture that breaks a constraint has, for a tuner, the worst
    value so far plus its violation; a failed trial is one that failed, and so are infeasible ones as long as no
    value is known.

    >>> from nas.space import Space
    >>> strategy = NniTuner(Space({"kernel": [3, 5, 7]}), seed=1, tuner="Random")  # doctest: +SKIP
    >>> strategy.ask(1)  # doctest: +SKIP
    [Architecture({'kernel': 5})]

    Args:
        tuner: its name in NNI.
        class_args: arguments of the tuner, as its documentation has them, but for ``optimize_mode`` and ``seed``.

    Raises:
        UsageError: NNI is not installed, there is no such tuner, it cannot propose architectures, or it refuses an
            argument.
    """

    def __init__(
        self, space: Space, seed: int = 0, *, tuner: str = "TPE", class_args: dict[str, Any] | None = None
    ) -> None:
        self._space, self._seed = space, seed
        self._sampler = UniqueSampler(space, seed)
        self._calls = self._trials = 0
        self._waiting: dict[Architecture, tuple[int, dict[str, int]]] = {}
        self._values: dict[Architecture, float | None] = {}
        self._worst: float | None = None
        with self._own_randomness():
            self._tuner = _make(tuner, class_args or {}, self._draws)
            self._tuner.update_search_space(
                {name: {"_type": "choice", "_value": list(range(len(order)))} for name, order in space.order.items()}
            )
            if tuner in _DRAWS_FROM:
                attrgetter(_DRAWS_FROM[tuner])(self._tuner).seed(self._draws)
            if tuner == "Evolution":
                _draw_population(self._tuner)

    def ask(self, n: int) -> list[Architecture]:
        with self._own_randomness():
            proposals = (self._proposal() for _ in range(n))
            return [architecture for architecture in proposals if architecture is not None]

    def tell(self, results: Sequence[Result]) -> None:
        with self._own_randomness():
            for result in self._sampler.record(results):
                architecture, value = result.architecture, self._value(result)
                self._values[architecture] = value
                if architecture in self._waiting:
                    self._tell(*self._waiting.pop(architecture), value)
                elif value is not None:
                    self._tuner.import_data([{"parameter": self._parameters(architecture), "value": value}])

    def _proposal(self) -> Architecture | None:
        from nni import NoMoreTrialError

        proposal = None
        for _ in range(_ATTEMPTS):
            if len(self._waiting) >= getattr(self._tuner, "population_size", float("inf")):
                return None  # its whole population waits for results
            trial, self._trials = self._trials, self._trials + 1
            try:
                parameters = self._tuner.generate_parameters(trial)
            except NoMoreTrialError:
                break
            row = [self._space.order[name][parameters[name]] for name in self._space.choices]
            (proposal,) = self._space.from_indices([row])
            if self._sampler.visit(proposal):
                self._waiting[proposal] = trial, parameters
                return proposal
            self._tell(trial, parameters, self._values.get(proposal))
        if proposal is not None:
            return self._sampler.mutate(proposal)
        return next(iter(self._sampler.sample(1)), None)

    def _tell(self, trial: int, parameters: Mapping[str, int], value: float | None) -> None:
        if value is not None:
            self._tuner.receive_trial_result(trial, parameters, value)
        self._tuner.trial_end(trial, value is not None)

    def _value(self, result: Result) -> float | None:
        """What the tuner minimises; None if the trial failed."""
        if result.feasible:
            (value, *_) = result.objectives or ()
            self._worst = value if self._worst is None else max(self._worst, value)
            return value
        if result.violation <= 0 or self._worst is None:
            return None
        return self._worst + result.violation

    def _parameters(self, architecture: Architecture) -> dict[str, int]:
        """An architecture as a tuner has it, with the smallest candidate where a choice is not active."""
        (row,) = self._space.indices([architecture])
        chosen = dict(zip(self._space.choices, map(int, row), strict=True))
        return {name: max(0, _position(self._space.order[name], index)) for name, index in chosen.items()}

    @property
    def _draws(self) -> int:
        """The seed of this call, of 31 bits, as the oldest generators take it."""
        return derive_seed(self._seed, Stream.TUNER, self._calls) % 2**31

    @contextmanager
    def _own_randomness(self) -> Iterator[None]:
        """Seeds the generators of Python and NumPy that tuners share with everyone, and puts them back afterwards."""
        states = random.getstate(), np.random.get_state()
        self._calls += 1
        random.seed(self._draws)
        np.random.seed(self._draws)
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])


def _position(order: Sequence[int], index: int) -> int:
    return order.index(index) if index >= 0 else -1


def _make(name: str, class_args: Mapping[str, Any], seed: int) -> "Tuner":
    """A tuner that minimises and draws from the seed."""
    constructor = _constructor(name)
    known = inspect.signature(constructor).parameters
    ours: dict[str, Any] = {"optimize_mode": "minimize", "seed": seed}
    if name == "Anneal":
        ours["algorithm_name"] = "anneal"
    for key in class_args:
        if key in ours:
            raise UsageError(f"NNI's tuner '{name}' is given {key}, which the search says itself; leave it out.")
        if key not in known:
            raise UsageError(
                f"NNI's tuner '{name}' has no argument '{key}'; {did_you_mean(key, set(known) - set(ours))}"
            )
    try:
        return constructor(**{key: value for key, value in ours.items() if key in known}, **class_args)
    except Exception as error:  # whatever another's constructor raises for a value that it does not take
        raise UsageError(
            f"NNI's tuner '{name}' refuses class_args {dict(class_args)} ({type(error).__name__}: {error})."
        ) from error


def _require(name: str) -> None:
    if name in _REFUSED:
        raise UsageError(f"NNI's tuner '{name}' cannot be a strategy: {_REFUSED[name]}.")
    if name not in _TUNERS:
        raise UsageError(f"tuner '{name}' is not known; {did_you_mean(name, _TUNERS)}")


def _constructor(name: str) -> Any:
    _require(name)
    module, _, kind = _TUNERS[name].partition(":")
    try:
        import nni

        nni.silence_stdout()
        logging.getLogger("nni").setLevel(logging.WARNING)
        return getattr(importlib.import_module(f"nni.algorithms.hpo.{module}"), kind)
    except ModuleNotFoundError as error:
        if error.name == "nni":
            raise UsageError(
                f"strategy 'nni:{name}' needs NNI, which is not installed; pip install 'nas-supernet[nni]', or use "
                "strategy 'tpe' or 'evolution', which need nothing more."
            ) from error
        raise UsageError(
            f"NNI's tuner '{name}' needs {error.name}, which is not installed; pip install {error.name}, or use 'TPE'."
        ) from error


def _draw_population(tuner: Any) -> None:
    """Draws the first population of Evolution again, which came from a generator before that could be seeded."""
    tuner.population.clear()
    for _ in range(tuner.population_size):
        tuner._random_generate_individual()
