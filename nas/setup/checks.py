"""What can be refused by the configuration alone, before anything that computes is imported."""

from collections.abc import Collection
from pathlib import Path

from nas.costs import COSTS, COUNTED, LATENCY
from nas.data import TASKS
from nas.errors import UsageError, did_you_mean
from nas.hardware import TARGETS
from nas.parts import check_options
from nas.predictors import PREDICTORS
from nas.search import STRATEGIES, Constraint, Objective, strategy_options
from nas.setup.config import RunConfig
from nas.setup.folder import RunFolder
from nas.setup.names import is_table
from nas.setup.platforms import known_platforms
from nas.setup.spaces import SPACES

__all__ = ["check_parts", "check_profile", "require_cost"]

_DECIDE = ("space", "space_args", "target", "target_args", "dtype", "threads", "latency_batch")
_DECIDE_OF_DEVICE = ("space", "space_args", "target_args")


def check_parts(config: RunConfig) -> None:
    """Refuses names that nothing has, constraints and an objective that cannot be read, predictors that cannot be made.

    Raises:
        UsageError: one of them.
    """
    if not config.has_model:
        raise UsageError(
            "this is a search without a model: there is no network to train, export or measure; name a space with a "
            "model, and a task."
        )
    if config.evaluation.seconds is not None:
        raise UsageError("evaluation.seconds bounds own functions in a search without a model; leave it out.")
    SPACES.require(config.space)
    TASKS.require(config.task)
    if not is_table(config.target):
        TARGETS.require(config.target)
    for name in config.costs:
        COSTS.require(name)
    for text in config.constraints:
        Constraint.parse(text)
    if config.objective is not None:
        Objective.parse(config.objective)
    if config.device not in ("auto", "cpu", "cuda"):
        raise UsageError(f"device is '{config.device}', expected 'auto', 'cpu' or 'cuda'.")
    if config.cost is not None and not config.costs:
        require_cost(config.cost, (LATENCY, *COUNTED))
    _check_predictor(config)
    STRATEGIES.require(config.strategy)
    if STRATEGIES.own_code(config.strategy) is None:
        strategy_options(config.strategy, config.strategy_args)


def require_cost(name: str, known: Collection[str]) -> None:
    """Refuses a cost that nothing counts.

    Raises:
        UsageError: it is none of the known ones.
    """
    if name not in known:
        raise UsageError(f"cost '{name}' is not known; {did_you_mean(name, known)}")


def check_profile(config: RunConfig) -> None:
    """Refuses known devices of one platform, and a predictor of ``profile.run`` that is not there or of something else.

    Raises:
        UsageError: there is no such profile, it is not finished, or it differs in space, target or settings; or
            ``profile.known`` names a device twice or no two platforms.
    """
    known_platforms(config.profile.known)
    if config.profile.run is None:
        return
    folder = RunFolder(config.profile.run)
    stored = folder.read_config()
    if not (folder.predictor / "summary.json").exists():
        raise UsageError(f"{folder.path} has no latency predictor yet; finish that profile, or profile again.")
    own_table = (folder.path / Path(stored.target).name).resolve() == Path(config.target).resolve()
    for key in _DECIDE_OF_DEVICE if own_table else _DECIDE:
        theirs, ours = getattr(stored, key), getattr(config, key)
        if theirs != ours:
            raise UsageError(
                f"the predictor of {folder.path} is of {key}={theirs!r}, but {ours!r} is asked for; "
                "ask for the same, or profile again."
            )


def _check_predictor(config: RunConfig) -> None:
    """Refuses predictors that cannot be made."""
    kind, known = config.profile.predictor, config.profile.known
    if kind not in ("auto", "all"):
        options = config.profile.predictor_args
        check_options(PREDICTORS[kind], options, f"predictor '{kind}'", ["one_hot", "seed"])
    elif config.profile.predictor_args:
        raise UsageError(
            f"profile.predictor is '{kind}', which has no options, but profile.predictor_args is "
            f"{config.profile.predictor_args}; name a predictor."
        )
    if kind == "transfer" and not known:
        raise UsageError("profile.predictor is 'transfer', but no device is known; name two or more with --known.")
    if len(known) == 1:
        raise UsageError(f"profile.known names '{known[0]}' alone, but transfer learns from two devices; add another.")
    if kind == "lookup" and is_table(config.target):
        raise UsageError(
            f"profile.predictor is 'lookup', but target '{config.target}' is a table, and no block can be measured on "
            "it; use 'regression'."
        )
