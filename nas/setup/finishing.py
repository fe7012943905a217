"""How a run ends: whether a last round trains networks by themselves, and with which weights they begin."""

from typing import Any

from nas.evaluation.evaluators import traits_of
from nas.methods import METHODS
from nas.setup.config import RunConfig
from nas.setup.spaces import space_arguments

__all__ = ["finishing", "search_arguments"]

_ENTRANTS = 4


def finishing(config: RunConfig) -> int:
    """How many networks enter the last round of a search: by default four where a supernet is trained path by path.

    There is none where the method trains nothing, where a front is wanted, where the chosen network alone is to be
    trained again, and where the supernet of another run is searched in no given time, which then takes seconds.
    """
    if config.finish.networks is not None:
        return config.finish.networks
    if config.retrain != "no" or (config.supernet is not None and not config.is_timed):
        return 0
    if config.goal == "front" or (config.goal is None and not config.constraints):
        return 0
    method = METHODS[config.method]
    delivers_another = bool(config.search_args or method.search_args)
    trains_paths = method.trains and method.family != "differentiable" and not delivers_another
    return _ENTRANTS if traits_of(config.evaluator).needs_supernet and trains_paths else 0


def search_arguments(config: RunConfig) -> dict[str, Any]:
    """Arguments of the space while it is searched, over those of the networks that are delivered."""
    taken = space_arguments(config.space)
    own = {name: value for name, value in METHODS[config.method].search_args.items() if name in taken}
    return {**own, **config.search_args}
