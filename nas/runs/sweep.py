"""One supernet, many answers: a search for each of several bounds, on weights that are trained once for all of them."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nas.errors import UsageError
from nas.runs.plan import SUPERNET_SHARE
from nas.runs.run import run_search
from nas.search import Constraint
from nas.setup.config import RunConfig
from nas.setup.finishing import finishing
from nas.setup.folder import RunFolder
from nas.setup.progress import Progress, Silent
from nas.setup.resolution import resolve
from nas.setup.reuse import on_supernet_of

__all__ = ["run_sweep", "swept"]

_SWEEP = re.compile(r"\s*(?P<metric>[^\s<>=]+\s*[<>]=?)\s*(?P<bounds>[^%]+?)\s*(?P<share>%\s*of\s+largest)?\s*")


def swept(text: str) -> list[str]:
    """The constraints that a sweep such as ``latency_ms <= 1,2,4`` or ``flops <= 25,50% of largest`` stands for.

    Raises:
        UsageError: it has another form, or a single bound.

    >>> swept("flops <= 25, 50% of largest")
    ['flops <= 25% of largest', 'flops <= 50% of largest']
    """
    match = _SWEEP.fullmatch(text)
    bounds = [each.strip() for each in match["bounds"].split(",")] if match else []
    if match is None or len(bounds) < 2:
        raise UsageError(
            f"constraint sweep {text[:200]!r} cannot be read; write a metric, one of <= >= < > and several numbers, "
            "such as 'latency_ms <= 1,2,4' or 'flops <= 25,50% of largest'."
        )
    share = "% of largest" if match["share"] else ""
    return [str(Constraint.parse(f"{match['metric']} {bound}{share}")) for bound in bounds]


def run_sweep(
    config: RunConfig,
    constraints: Sequence[str],
    results: Path,
    name: str,
    progress: Progress | None = None,
    begun: tuple[float, float] | None = None,
) -> dict[str, Any]:
    """Searches once for each of the constraints; the first search trains the supernet, for all of them.

    The runs are called ``<name>-<constraint>``, and each can be looked at and continued by itself; called again, those
    that are complete are not done again. A time that is given is divided: the supernet takes what that of a single
    search would, the searches share the rest.

    Args:
        config: of all of them; its own constraints hold beside.
        constraints: that differ.
        begun: as of :func:`nas.runs.run_search`.

    Returns:
        ``metric`` and ``runs`` (their results, with ``constraint``).

    Raises:
        UsageError: a search cannot be carried out.
    """
    first, *others = constraints
    paths = {each: results / f"{name}-{_short(each)}" for each in constraints}
    single = SUPERNET_SHARE + (1 - SUPERNET_SHARE) / len(constraints)
    training = config.model_copy(
        update={
            "constraints": [first, *config.constraints],
            "train_for": [" and ".join([each, *config.constraints]) for each in others],
            "answers": len(constraints),
            **_times(config, single),
        }
    )
    found = [run_search(training, RunFolder(paths[first]), progress or Silent(), begun)]
    for each in others:
        values: dict[str, Any] = {
            "constraints": [each, *config.constraints],
            **({} if config.is_timed else {"finish": {"networks": finishing(training)}}),
            **_times(config, (1 - SUPERNET_SHARE) / len(constraints)),
        }
        again = resolve(on_supernet_of(RunFolder(paths[first]), values), "constraint sweep")
        found.append(run_search(again, RunFolder(paths[each]), progress or Silent()))
    runs = [{"constraint": text, **result} for text, result in zip(constraints, found, strict=True)]
    return {"metric": found[0]["metric"], "runs": runs}


def _short(constraint: str) -> str:
    parsed = Constraint.parse(constraint)
    return f"{parsed.metric}-{parsed.bound:g}"


def _times(config: RunConfig, share: float) -> dict[str, float]:
    """A share of the time that was given, if any was."""
    given = {"time": config.time, "cpu_time": config.cpu_time}
    return {key: share * value for key, value in given.items() if value is not None}
