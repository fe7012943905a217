"""The command ``nas retrain``: the best networks of a run trained in earnest."""

import json
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import Annotated, Any

import typer

from nas import retraining
from nas.cli.groups import PlaceOptions
from nas.cli.interrupts import interruptible
from nas.cli.options import RESULTS, GpusPerWorker, Json, Ray, Results, Run, Seed, Trust, Workers
from nas.cli.progress import RichProgress
from nas.cli.settings import moved, opened
from nas.cli.tables import new_table
from nas.cli.terminal import TextConsole, echo
from nas.report.quantities import label, written
from nas.report.retraining import retraining_sentence

__all__ = ["retrain"]


def retrain(
    run: Run,
    top: Annotated[int, typer.Option(min=1, max=10**5, help="How many networks of the Pareto front are trained.")] = 5,
    trials: Annotated[int, typer.Option(min=1, max=10**5, help="How many recipes are tried; most end early.")] = 20,
    epochs: Annotated[
        int | None, typer.Option(min=1, max=10**6, help="Of the longest training; by default as the run retrains.")
    ] = None,
    seed: Seed = None,
    workers: Workers = None,
    ray: Ray = None,
    gpus_per_worker: GpusPerWorker = None,
    trust: Trust = False,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """Train the best networks of a run with many recipes.

    The best is delivered if it beats what is. Recipes, first weights and the networks are compared on the
    validation split, and the worst are stopped early. The winner replaces the run's ONNX file if it is clearly
    better; else that file stays. The same command continues what was interrupted.
    """
    folder = opened(results, run, trust)
    config = moved(folder.load_config(), PlaceOptions(workers, ray, gpus_per_worker))
    with interruptible(lambda: "; the same command continues it."), redirect_stdout(sys.stderr):
        report = retraining.retrain_run(
            folder, config, top=top, trials=trials, epochs=epochs, seed=seed, progress=RichProgress()
        )
    if as_json:
        echo(json.dumps(report))
        return
    _print_report(report)
    written_now = (folder.report, folder.best, folder.path / "retrained.csv")
    for file in (folder.onnx, *written_now) if report["retrained"]["delivered"] else written_now:
        echo(f"  {file}")


def _print_report(report: Mapping[str, Any]) -> None:
    """A row for each trial, the best first, and the winner."""
    metric, winner, console = report["metric"], report["retrained"], TextConsole()
    figures = ("distilled", "rate", "decay", "epochs", label(metric).lower())
    table = new_table(["network", "weights", "augmentation"], figures, f"Retraining of {report['run']}")
    for row in report["trials"]:
        epochs = f"{row['epochs']}/{row['planned_epochs']}"
        score = "failed" if row[metric] is None else written(metric, row[metric])
        style = "bold green" if winner["delivered"] and row["trial"] == winner["trial"] else None
        rates = (f"{row['learning_rate']:.2g}", f"{row['weight_decay']:.1e}")
        taught = f"{row['distillation']:.0%}"
        table.add_row(row["id"], row["start"], row["augmentation"], taught, *rates, epochs, score, style=style)
    console.print(table)
    console.say(retraining_sentence(metric, winner))
