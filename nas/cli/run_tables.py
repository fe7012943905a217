"""What the commands about runs print: their list, how far one is, how several compare."""

from collections.abc import Mapping, Sequence
from typing import Any

from nas.cli.dashboard import dashboard_command
from nas.cli.tables import new_table, with_unit
from nas.cli.terminal import TextConsole
from nas.report.quantities import duration, label, written
from nas.setup import RunFolder, resuming
from nas.wording import counted

__all__ = ["print_comparison", "print_runs", "print_state"]

_UNKNOWN = "\N{EN DASH}"


def print_runs(rows: Sequence[Mapping[str, Any]]) -> None:
    """A row for each run of a folder, the newest first.

    Args:
        rows: as :func:`nas.runs.runs_in` has them.
    """
    table = new_table(["run", "space", "task", "method"], ["begun", "state", "score", "latency"])
    for row in rows:
        figures = (_day(row["begun"]), row["state"], _known(row["metric"], row["score"]))
        words = (row["run"], *(row[name] or _UNKNOWN for name in ("space", "task", "method")))
        table.add_row(*words, *figures, _known("latency_ms", row["latency_ms"]))
    TextConsole().print(table)


def print_state(told: Mapping[str, Any], folder: RunFolder) -> None:
    """How far a run is that has no result yet, and how to go on with it.

    Args:
        told: as :func:`nas.runs.how_far` has it.
    """
    console, stage = TextConsole(), told["stage"]
    console.say(f"{told['run']} ({told['kind']}) is {told['state']}; it began {told['begun'].replace('T', ' ')}.")
    if stage is not None:
        console.say(f"Stage: {stage}, after {duration(sum(told['seconds'].values()))} of work.")
    if "epochs" in told:
        console.say(f"Trained: {counted(told['epochs'], 'epoch')}, loss {told['loss']:.3f}.")
    if "evaluated" in told:
        metric, best = told["metric"], told["best"]
        found = "none fits yet" if best is None else f"best {label(metric).lower()} {written(metric, best)}"
        console.say(f"Evaluated: {told['evaluated']:,} of {counted(told['of'], 'candidate')}, {found}.")
    if told["state"] == "interrupted":
        console.say(f"Continue with: {resuming(folder)}")
    if (command := dashboard_command(folder)) is not None:
        console.say(f"Results so far: {command}")


def print_comparison(rows: Sequence[Mapping[str, Any]], settings: Mapping[str, Mapping[str, Any]]) -> None:
    """The network of each run, then the settings that are not the same in all.

    Args:
        rows: as :attr:`nas.runs.RunComparison.table` has them.
        settings: key → the value of each run.
    """
    console, tested = TextConsole(), next(name for name in rows[0] if name.startswith("test_"))
    score = tested if any(row[tested] is not None for row in rows) else tested.removeprefix("test_")
    headings = {score: label(score).lower(), "latency_ms": "latency", "params": "params", "flops": "FLOPs"}
    known = [name for name in headings if any(row[name] is not None for row in rows)]
    table = new_table(["run"], [headings[name] for name in known])
    for row in rows:
        table.add_row(row["run"], *(_known(name, row[name]) for name in known))
    console.print(table)
    differing = new_table(["setting", *(row["run"] for row in rows)], [])
    for key, values in settings.items():
        differing.add_row(key, *(_UNKNOWN if each is None else str(each) for each in values.values()))
    if settings:
        console.print(differing)
    else:
        console.say("All of them have the same settings.")


def _known(name: str | None, value: float | None) -> str:
    return _UNKNOWN if name is None or value is None else with_unit(name, value)


def _day(begun: str | None) -> str:
    return _UNKNOWN if begun is None else begun.partition("T")[0]
