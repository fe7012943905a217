"""From what was asked for to the whole configuration: a method fills in what is not given."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from nas.errors import UsageError
from nas.evaluation.evaluators import EVALUATORS, EvaluatorTraits, traits_of
from nas.methods import METHODS
from nas.setup.checks import check_parts
from nas.setup.config import RunConfig, read_back, refusal
from nas.setup.finishing import finishing
from nas.setup.pretrained import check_untrained, fine_tuning, with_weights
from nas.setup.values import check_values, put, renamed, shortened
from nas.setup.without_model import has_no_model, resolve_without_model

__all__ = ["PLANNED", "check_file", "resolve", "with_settings"]

PLANNED = (
    "training.epochs",
    "training.epoch_examples",
    "training.final_learning_rate",
    "candidates",
    "random_baseline",
    "finalists",
    "finish.networks",
    "near_bound",
    "bound_use",
    "evaluation.examples",
    "profile.seconds",
    "profile.networks",
    "profile.held_out",
    "profile.repeats",
)
"""What the plan of a run that is given a time decides, where nobody has."""

_IN_TIME = "spos"
"""The method of a run that is given a time, where nobody names one: one path a step makes the most steps of it."""
_FILLED = ("training", "retraining", "learning")
"""Groups that a method fills in where values are not given."""


def resolve(values: Mapping[str, Any], source: str) -> RunConfig:
    """A checked configuration from partial values; the method's recipe fills in what is not given.

    Args:
        source: where the values come from, for error messages.

    Raises:
        UsageError: an unknown key, a value of the wrong type or range, or a name that nothing has.
    """
    check_file(values, source)
    values = with_weights(renamed(values, source))
    if has_no_model(values):
        return resolve_without_model(values, source)
    alone = _alone(values, source)
    if alone.is_timed and "method" not in values:
        values = {**values, "method": _IN_TIME}
        alone = alone.model_copy(update={"method": _IN_TIME})
    check_parts(alone)
    about, chosen = traits_of(alone.evaluator), METHODS[alone.method]
    if not about.needs_supernet:
        chosen = replace(chosen, recipe={}, learning={}, settings={}, needs_budget=False, retrain="no")
    if not about.makes_networks and chosen.retrain == "no":
        chosen = replace(chosen, retrain="fresh")
    rates = fine_tuning(chosen.recipe) if alone.pretrained and about.needs_supernet else {}
    training = {**chosen.recipe, **rates, **_mapping(values, "training", source)}
    retraining = {**training, **_mapping(values, "retraining", source)}
    learning = {**chosen.learning, **_mapping(values, "learning", source)}
    ranks = _mapping(values, "ray", source).get("train_workers")
    if isinstance(ranks, int) and ranks > 1 and not chosen.trains_banks_apart:
        training = {"microbatches": ranks, **training}
    own: dict[str, Any] = {"retrain": "no" if finishing(alone) else chosen.retrain, **chosen.settings}
    if alone.is_timed:
        own["unplanned"] = [key for key in PLANNED if not _is_given({**chosen.settings, **values}, key)]
    merged = {**own, **values, "training": training, "retraining": retraining, "learning": learning}
    taught = {"distillation": values["distillation"]} if alone.distillation else {}
    if finish := {**chosen.settings.get("finish", {}), **taught, **_mapping(values, "finish", source)}:
        merged["finish"] = finish
    if chosen.needs_budget and chosen.family == "differentiable":
        merged["profile"] = {"predictor": "lookup", **_mapping(values, "profile", source)}
    config = read_back(merged, source)
    _check_retrain(config, about, source)
    if about.needs_supernet and not chosen.trains:
        check_untrained(config, source)
    if config.distillation and not config.pretrained:
        raise UsageError(
            f"{source}: distillation is {config.distillation:g}, but no pretrained network is there to teach; give a "
            "checkpoint, or leave it out."
        )
    if config.device == "cpu" and config.ray.gpus_per_worker:
        raise UsageError(
            f"{source}: device is 'cpu', but ray.gpus_per_worker is {config.ray.gpus_per_worker:g}; drop one of them."
        )
    parts, ranks = config.training.microbatches, config.ray.train_workers
    if parts % ranks and not chosen.trains_banks_apart:
        raise UsageError(
            f"{source}: ray.train_workers is {ranks}, but training.microbatches is {parts}, and each worker takes "
            "as many parts of a batch; give a divisor of it."
        )
    return config


def with_settings(config: RunConfig, settings: Mapping[str, Any]) -> RunConfig:
    """The configuration with other values, by keys with dots."""
    values = config.model_dump(mode="json")
    for key, value in settings.items():
        put(values, key, value)
    return read_back(values, "plan")


def check_file(values: Mapping[str, Any], source: str) -> None:
    """Checks values each by itself, as those of a file that flags complete.

    Raises:
        UsageError: an unknown key, a value of the wrong type or range, or a name that nothing has.
    """
    check_values(values, source)
    alone = _alone(renamed(values, source), source)
    EVALUATORS.require(alone.evaluator)
    METHODS.require(alone.method)


def _alone(values: Mapping[str, Any], source: str) -> RunConfig:
    """What is asked for but for the groups that the method fills in, of which each value is checked alone.

    Raises:
        UsageError: something that no method fixes.
    """
    groups = {key: _mapping(values, key, source) for key in _FILLED}
    try:
        RunConfig.model_validate({**values, **groups})
    except ValidationError as error:
        for each in error.errors():
            if each["loc"] not in {(key,) for key in _FILLED}:
                raise UsageError(refusal(each, source)) from None
    return RunConfig.model_validate({key: value for key, value in values.items() if key not in _FILLED})


def _check_retrain(config: RunConfig, about: EvaluatorTraits, source: str) -> None:
    """Refuses to deliver weights that are not there."""
    where = f"{source}: retrain is '{config.retrain}', but evaluator '{config.evaluator}'"
    if config.retrain == "no" and not about.makes_networks:
        raise UsageError(f"{where} makes no network that could be delivered; use retrain=fresh.")
    if config.retrain == "inherited" and not about.needs_supernet:
        raise UsageError(f"{where} trains no supernet whose weights a network could inherit; use retrain=fresh.")


def _is_given(values: Mapping[str, Any], key: str) -> bool:
    group, _, name = key.rpartition(".")
    inside = values.get(group) if group else values
    return isinstance(inside, Mapping) and inside.get(name) is not None


def _mapping(values: Mapping[str, Any], key: str, source: str) -> Mapping[str, Any]:
    given = values.get(key, {})
    if not isinstance(given, Mapping):
        raise UsageError(f"{source}: {key} is {shortened(given)}, expected a mapping such as {{epochs: 30}}.")
    return given
