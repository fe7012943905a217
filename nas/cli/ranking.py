"""The command ``nas rank``: how good is the ranking of a trained supernet?"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from nas import ranking
from nas.cli.completion import run_names
from nas.cli.options import RESULTS, Json, Results, Trust
from nas.cli.progress import RichProgress
from nas.cli.settings import opened
from nas.cli.tables import new_table
from nas.cli.terminal import TextConsole, echo
from nas.report.ranking_content import measures, truth_name
from nas.wording import counted

__all__ = ["rank"]

_NAME, _ESTIMATE = 16, 24
"""Columns of a terminal that the name of a measure needs, and its value with an interval."""


def rank(
    run: Annotated[
        list[str], typer.Argument(help="Names of trained searches, all of one space.", autocompletion=run_names)
    ],
    truth: Annotated[Path, typer.Option(help="CSV or parquet file of architectures that were trained by themselves.")],
    column: Annotated[
        list[str], typer.Option(help="The table's column with what they reached; repeat it for independent trainings.")
    ],
    samples: Annotated[int | None, typer.Option(help="Score only so many random architectures of the table.")] = None,
    threshold: Annotated[
        float | None,
        typer.Option(help="Of sparse tau, in units of the column; by default 0.1 for percent, else 0.001."),
    ] = None,
    minimise: Annotated[
        bool | None,
        typer.Option("--minimise/--maximise", help="Whether smaller values are better; by default as in the run."),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, max=2**32 - 2, help="Of the random architectures and of the intervals.")
    ] = 0,
    trust: Trust = False,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """Compare a supernet's ranking with the true one.

    That is of networks trained by themselves. Tells whether it ranks better than counting FLOPs or parameters does, and
    writes a page about it into each run.
    """
    folders = [opened(results, name, trust) for name in run]
    report = ranking.rank_runs(
        folders,
        truth,
        column,
        samples=samples,
        threshold=threshold,
        minimise=minimise,
        seed=seed,
        progress=RichProgress(),
    )
    if as_json:
        echo(json.dumps(report))
        return
    _print_report(report)
    for folder in folders:
        for file in ("ranking.html", "ranking.json", "ranking.csv"):
            echo(f"  {folder.path / file}")


def _print_report(report: Mapping[str, Any]) -> None:
    """A column for each run, their verdicts, and how alike they rank."""
    console = TextConsole()
    records: Mapping[str, Any] = report["runs"]
    first = next(iter(records.values()))
    console.say(f"{counted(first['count'], 'architecture')} against {truth_name(first)}")
    beside, names = max(1, (console.width - _NAME) // _ESTIMATE), list(records)
    for begin in range(0, len(names), beside):
        console.print(_table({name: records[name] for name in names[begin : begin + beside]}))
    for name, record in records.items():
        console.say(f"{name}: {record['verdict']}")
        if epochs := record["epochs"]:
            console.say(_over_epochs(epochs), indent=2)
    if agreement := report["agreement"]:
        console.say(_between("runs", agreement))
    for note in first["notes"]:
        console.say(note, style="yellow")


def _table(records: Mapping[str, Any]) -> Table:
    """Of runs that are shown beside each other."""
    first = next(iter(records.values()))
    table = new_table([""], list(records))
    for name, *found in zip(measures(first), *(measures(record).values() for record in records.values()), strict=True):
        table.add_row(name, *map(_estimate, found))
    table.add_section()
    for k in first["precision"]:
        table.add_row(f"precision at {k}", *(f"{record['precision'][k]:.0%}" for record in records.values()))
    unit = " (%)" if first["percent"] else ""
    for k in first["regret"]:
        table.add_row(
            f"regret of the best of {k}{unit}", *(f"{record['regret'][k]:.3g}" for record in records.values())
        )
    return table


def _estimate(found: Mapping[str, float | None] | None) -> str:
    if found is None or found["value"] is None:
        return "not known"
    return f"{found['value']:.3f} ({found['low']:.2f} to {found['high']:.2f})"


def _over_epochs(epochs: Mapping[str, Any]) -> str:
    taus = ", ".join(f"{tau:.2f}" for tau in epochs["tau"])
    taus = f"tau with the truth after epochs {', '.join(map(str, epochs['epoch']))}: {taus}"
    return f"{taus}; {_between('these epochs', epochs['agreement'])}" if epochs["agreement"] else taus


def _between(what: str, agreement: Mapping[str, Any]) -> str:
    spread = "" if agreement["spread"] is None else f" ± {agreement['spread']:.3f}"
    return (
        f"tau between {what}: {agreement['mean']:.3f}{spread}; a score differs between them by "
        f"{agreement['deviation']:.2g} (standard deviation)"
    )
