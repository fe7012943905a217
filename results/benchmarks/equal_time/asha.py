"""Optuna alone, as its users write it: candidates are trained one by one, the worse ones are stopped early.

Successive halving in its asynchronous form (Li et al., 2020) with rungs at 1/9, 1/3 and all of a candidate's time; the
search takes half of the time, and the best candidate trains for the rest.
"""

from functools import partial

import optuna
from alone import Training, train_alone
from contests import Delivered, Problem

from nas.space import Architecture

__all__ = ["deliver"]

_SEARCH = 0.5
"""Share of the time for the search."""
_FULL = 6
"""So many candidates could be trained to the end in the time of the search."""
_RUNGS = (1, 3, 9)


class _Search:
    """The objective of an Optuna study."""

    def __init__(self, problem: Problem, until: float) -> None:
        self.problem, self.until = problem, until
        self.seconds = max(until - problem.clock.spent, 0.1) / _FULL
        self.trained = 0

    def __call__(self, trial: optuna.Trial) -> float:
        space, problem = self.problem.supernet.space, self.problem
        values = {name: trial.suggest_categorical(name, list(each)) for name, each in space.choices.items()}
        architecture = space.complete(values)
        excess = problem.flops(architecture) / problem.most_flops - 1
        trial.set_constraint("flops", excess)
        if excess > 0:
            raise optuna.TrialPruned()
        trial.set_user_attr("architecture", architecture.key)
        self.trained += 1
        seed = problem.seed * 1000 + trial.number
        training = Training(problem.fresh(architecture, seed), problem, self.seconds, seed)
        score = float("nan")
        for rung in _RUNGS:
            if problem.clock.spent > self.until and rung > 1:
                break
            training.until(rung / _RUNGS[-1])
            score = problem.score(training.network)
            trial.report(score, rung)
            if rung < _RUNGS[-1] and trial.should_prune():
                raise optuna.TrialPruned()
        return score


def deliver(problem: Problem, sampler: str) -> Delivered:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    search = _Search(problem, _SEARCH * problem.clock.budget)
    study = optuna.create_study(
        direction="maximize",
        sampler=_sampler(sampler, problem.seed),
        pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=_RUNGS[0], reduction_factor=3),
    )
    while problem.clock.spent < search.until or not search.trained:
        study.optimize(search, n_trials=1)
    best = _best(study)
    architecture = Architecture.from_json(best.user_attrs["architecture"])
    network = problem.fresh(architecture, problem.seed)
    steps = train_alone(network, problem, problem.seed)
    details = {
        "steps": steps,
        "trials": len(study.trials),
        "trained": search.trained,
        "finished": sum(_RUNGS[-1] in each.intermediate_values for each in study.trials),
        "score": best.intermediate_values[max(best.intermediate_values)],
    }
    return Delivered(network, architecture.key, problem.flops(architecture), problem.clock.spent, details)


def _sampler(name: str, seed: int) -> optuna.samplers.BaseSampler:
    if name == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    return optuna.samplers.TPESampler(seed=seed, multivariate=True)


def _best(study: optuna.Study) -> optuna.trial.FrozenTrial:
    """Of those that came furthest, the one that scored best there."""

    def came(trial: optuna.trial.FrozenTrial) -> tuple[int, float]:
        last = max(trial.intermediate_values)
        return last, trial.intermediate_values[last]

    return max((each for each in study.trials if each.intermediate_values), key=came)


by_random = partial(deliver, sampler="random")
by_tpe = partial(deliver, sampler="tpe")
