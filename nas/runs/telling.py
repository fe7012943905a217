"""What is known of a run, from its files alone: what it found, or how far it is."""

from collections.abc import Mapping, Sequence
from typing import Any

from nas.setup.events import read_events
from nas.setup.folder import RunFolder

__all__ = ["how_far", "told_of"]


def told_of(folder: RunFolder) -> dict[str, Any]:
    """The result of a finished search or profile as its command told it, else :func:`how_far` it is.

    Raises:
        UsageError: a file of the run is damaged.
    """
    if folder.state != "finished":
        return how_far(folder)
    return (
        folder.read(folder.profile, "space", "feasibility", "predictor") if folder.kind == "profile" else folder.result
    )


def how_far(folder: RunFolder) -> dict[str, Any]:
    """How far a run is.

    Returns:
        ``run``, ``kind``, ``state``, ``begun``, ``stage`` (the last that began), ``seconds`` (stage → seconds), and
        where they are known ``epochs`` (of the supernet that are trained), ``loss``, ``evaluated``, ``of``, ``metric``
        and ``best``.
    """
    events = read_events(folder.log_file)
    about: dict[str, Any] = {"run": folder.called, "kind": folder.kind, "state": folder.state}
    about |= {"begun": folder.started.begun, "stage": _last(events, "stage")}
    about["seconds"] = folder.started.read("seconds")["seconds"] if folder.origin.exists() else {}
    trained = [event for event in events if event["stage"] == "train" and isinstance(event.get("epoch"), int)]
    if trained:
        about |= {"epochs": trained[-1]["epoch"] + 1, "loss": trained[-1].get("loss")}
    found = [event for event in events if event["stage"] == "search" and event.get("event") == "progress"]
    if found:
        about |= {"evaluated": found[-1].get("done")} | {name: found[-1].get(name) for name in ("of", "metric", "best")}
    return about


def _last(events: Sequence[Mapping[str, Any]], name: str) -> Any:
    return events[-1][name] if events else None
