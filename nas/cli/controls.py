"""The command ``nas controls``: did the search pay?"""

import json
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import Annotated, Any

import typer

from nas import retraining
from nas.cli.interrupts import interruptible
from nas.cli.options import RESULTS, Json, Results, Run, Seed, Trust
from nas.cli.progress import RichProgress
from nas.cli.settings import opened
from nas.cli.tables import new_table
from nas.cli.terminal import TextConsole, echo
from nas.report.controls import control_sentences
from nas.report.quantities import label, written

__all__ = ["controls"]


def controls(
    run: Run,
    epochs: Annotated[
        int | None, typer.Option(min=1, max=10**6, help="Of every training; by default as the run retrains.")
    ] = None,
    seed: Seed = None,
    trust: Trust = False,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """Compare the network of a run with plain ones.

    They have equal cost and are all trained alike: the largest network scaled alike and a random one; each begins
    with inherited and with fresh weights. The report shows it, too. The same command continues what was
    interrupted.
    """
    folder = opened(results, run, trust)
    with interruptible(lambda: "; the same command continues it."), redirect_stdout(sys.stderr):
        found = retraining.control_run(folder, folder.load_config(), epochs=epochs, seed=seed, progress=RichProgress())
    if as_json:
        echo(json.dumps(found))
        return
    _print(found, folder.name)
    for file in (folder.report, folder.best):
        echo(f"  {file}")


def _print(found: Mapping[str, Any], run: str) -> None:
    metric, cost, console = found["metric"], found["cost"], TextConsole()
    starts = [start for start in ("inherited", "fresh") if start in found["networks"][0]]
    table = new_table(["network"], [label(cost).lower(), *starts], f"{label(metric)} by first weights, {run}")
    for row in found["networks"]:
        scores = [written(metric, row[start]) for start in starts]
        table.add_row(row["network"], written(cost, row[cost]), *scores)
    console.print(table)
    for sentence in control_sentences(found):
        console.say(sentence)
