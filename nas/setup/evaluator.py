"""The evaluator of a run: built the same in every process, and what its figures belong to."""

import hashlib
import json
from pathlib import Path

from nas.evaluation.evaluators import Evaluator, EvaluatorTraits, evaluator_options, make_evaluator, traits_of
from nas.problem import Problem
from nas.search import Objective, ResultIdentity
from nas.setup.config import RunConfig
from nas.setup.supernets import problem_of
from nas.supernet import Supernet

__all__ = ["check_evaluator", "evaluator_of", "identity_of", "known_results", "made_evaluator", "objective_of"]


def objective_of(config: RunConfig, about: EvaluatorTraits, problem: Problem) -> Objective:
    """What the search makes better: what is asked for, else the first metric that the evaluator tells of, else that of
    the data.

    Raises:
        UsageError: what is asked for cannot be read.
    """
    if config.objective is not None:
        return Objective.parse(config.objective)
    for metric, maximise in (about.metrics or {}).items():
        return Objective(metric, maximise)
    own = problem.data.task.metric
    return Objective(own.name, own.maximise)


def made_evaluator(config: RunConfig, problem: Problem) -> Evaluator:
    """The evaluator that the configuration names, with its options.

    Raises:
        UsageError: it cannot be made.
    """
    metric = objective_of(config, traits_of(config.evaluator), problem).metric
    return make_evaluator(config.evaluator, problem, config.evaluator_args, _settings(config), metric)


def check_evaluator(config: RunConfig) -> None:
    """Refuses options that the evaluator does not have, and one that it lacks.

    Raises:
        UsageError: one of them.
    """
    evaluator_options(config.evaluator, config.evaluator_args, _settings(config))


def known_results(config: RunConfig) -> str | None:
    """The table in which the evaluator looks results up, if it is that one and the table is named."""
    path = config.evaluator_args.get("path") if config.evaluator == "table" else None
    return path if isinstance(path, str) else None


def _settings(config: RunConfig) -> dict[str, int]:
    """What an evaluator may take of the settings of evaluation, by the names of its arguments."""
    return config.evaluation.model_dump(include={"calibration_images", "batch_size"})


def evaluator_of(config: RunConfig, folder: Path | None = None) -> Evaluator:
    """The evaluator of a run, built from its configuration alone; the weights are those before training."""
    return made_evaluator(config, problem_of(config, folder=folder))


def identity_of(config: RunConfig, evaluator: Evaluator, problem: Problem) -> ResultIdentity:
    """What results in the ledger must agree in to be reused."""
    data = problem.data
    name = str(getattr(evaluator, "name", config.evaluator))
    options = f" {json.dumps(config.evaluator_args, sort_keys=True)}" if config.evaluator_args else ""
    fidelity = str(getattr(evaluator, "fidelity", f"{len(data.validation)} {data.examples} of {data.name}"))
    weights = _digest(problem.supernet) if traits_of(config.evaluator).needs_supernet else ""
    return ResultIdentity(name + options, fidelity, config.seed, weights)


def _digest(supernet: Supernet) -> str:
    """Of trained weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(supernet.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]
