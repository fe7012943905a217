"""The command ``nas retrain``: the best networks of a run trained in earnest."""

import json
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from nas.cli.options import RESULTS, GpusPerWorker, Json, Ray, Results, Run, Seed, Trust, Workers
from nas.cli.progress import RichProgress
from nas.cli.settings import moved, opened, work_place
from nas.cli.tables import new_console
from nas.cli.terminal import echo
from nas.report.quantities import label, written
from nas.report.retraining import retraining_sentence
from nas.runs.retraining import retrain_run

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
    """Train the best networks of a run with many recipes; deliver the best if it beats what is delivered.

    Recipes, first weights and the networks are compared on the validation split, and the worst are stopped early. The
    winner replaces the run's ONNX file if it is clearly better; else that file stays. The same command continues what
    was interrupted.
    """
    folder = opened(results, run, trust)
    config = moved(folder.load_config(), work_place(workers, ray, gpus_per_worker, None, None))
    try:
        with redirect_stdout(sys.stderr):
            report = retrain_run(
                folder, config, top=top, trials=trials, epochs=epochs, seed=seed, progress=RichProgress()
            )
    except KeyboardInterrupt:
        echo("nas: interrupted; the same command continues it.", err=True)
        raise typer.Exit(130) from None
    if as_json:
        echo(json.dumps(report))
        return
    _print_report(report)
    written_now = (folder.report, folder.best, folder.path / "retrained.csv")
    for file in (folder.onnx, *written_now) if report["retrained"]["delivered"] else written_now:
        echo(f"  {file}")


def _print_report(report: Mapping[str, Any]) -> None:
    """A row for each trial, the best first, and the winner."""
    metric, winner, console = report["metric"], report["retrained"], new_console()
    title = f"Retraining of {report['run']}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=0, collapse_padding=True, pad_edge=False)
    for heading in ("network", "weights", "augmentation"):
        table.add_column(heading, no_wrap=True)
    for heading in ("distilled", "rate", "decay", "epochs", label(metric).lower()):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in report["trials"]:
        epochs = f"{row['epochs']} of {row['planned_epochs']}"
        score = "failed" if row[metric] is None else written(metric, row[metric])
        style = "bold green" if winner["delivered"] and row["trial"] == winner["trial"] else None
        rates = (f"{row['learning_rate']:.2g}", f"{row['weight_decay']:.1e}")
        taught = f"{row['distillation']:.0%}"
        table.add_row(row["id"], row["start"], row["augmentation"], taught, *rates, epochs, score, style=style)
    console.print(table)
    console.print(retraining_sentence(metric, winner), highlight=False, soft_wrap=True)
