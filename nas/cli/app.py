"""The ``nas`` command: arguments in, one call into :mod:`nas.runs`, a table or JSON out."""

import json
import signal
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from nas import runs, setup
from nas.cli import (
    benchmark,
    comparing,
    controls,
    jobs,
    latency,
    options,
    ranking,
    removing,
    retraining,
    showing,
    space_study,
    starting,
    verbosity,
    watching,
)
from nas.cli.beginning import begun
from nas.cli.completion import part_names, run_names
from nas.cli.groups import LatencyOptions, PlaceOptions, SpaceOptions, TaskOptions, grouped
from nas.cli.interrupts import resumable
from nas.cli.listings import LISTED, listed
from nas.cli.progress import RichProgress
from nas.cli.run_tables import print_runs
from nas.cli.settings import moved, opened, resolve_search
from nas.cli.stopping import exit_code
from nas.cli.tables import print_listing, print_result, print_seeds, print_sweep
from nas.cli.terminal import echo
from nas.cli.without_model import run_without_model
from nas.errors import UsageError
from nas.evaluation import EVALUATORS
from nas.methods import METHODS
from nas.report.how_to_run import about_file
from nas.report.quantities import label, written
from nas.search import STRATEGIES
from nas.setup.libraries import versions
from nas.setup.trackers import TrackerName

__all__ = ["app"]

app = typer.Typer(
    name="nas",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Neural architecture search with weight-sharing supernets: from data to the best ONNX network for a device.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        echo(f"nas {versions()['nas']}")
        raise typer.Exit


@app.callback()
def nas(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
    verbose: Annotated[
        int,
        typer.Option("--verbose", "-v", count=True, show_default=False, help="Log more, before the command; -vv all."),
    ] = 0,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress, before the command; results are printed.")
    ] = False,
) -> None:
    verbosity.set_verbosity(quiet, verbose)


@app.command()
@grouped
def search(
    *,
    space: SpaceOptions,
    task: TaskOptions,
    method: Annotated[
        str | None,
        typer.Option(help="How the supernet is trained: see `nas list methods`.", autocompletion=part_names(METHODS)),
    ] = None,
    evaluator: Annotated[
        str | None,
        typer.Option(
            help="What evaluates candidates: see `nas list evaluators`, or module:function.",
            autocompletion=part_names(EVALUATORS),
        ),
    ] = None,
    strategy: Annotated[
        str | None,
        typer.Option(help="How it is searched: see `nas list strategies`.", autocompletion=part_names(STRATEGIES)),
    ] = None,
    source: LatencyOptions,
    profile: Annotated[
        str | None,
        typer.Option(
            help="A run of `nas profile` whose latency predictor is used; an imported device has its own.",
            autocompletion=run_names,
        ),
    ] = None,
    constraint: options.Constraint = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of supernet training.")] = None,
    candidates: Annotated[int | None, typer.Option(help="Architectures to evaluate.")] = None,
    time_given: Annotated[
        str | None,
        typer.Option("--time", help="What the whole search may take, such as 60s, 5m or 2h; the rest is planned."),
    ] = None,
    cpu_time: Annotated[str | None, typer.Option(help="The same, of CPU time.")] = None,
    supernet: Annotated[
        str | None,
        typer.Option(
            help="A finished run whose trained supernet is searched again, without training.", autocompletion=run_names
        ),
    ] = None,
    sweep: Annotated[
        str | None,
        typer.Option(
            "--constraint-sweep", help="Several bounds that one supernet serves, such as 'latency_ms <= 1,2,4'."
        ),
    ] = None,
    finish: Annotated[
        int | None, typer.Option(min=0, help="Networks that train on by themselves in the last round; 0 for none.")
    ] = None,
    seed: options.Seed = None,
    seeds: Annotated[
        int | None,
        typer.Option(min=2, max=10**4, help="Search with so many seeds side by side, each a run of its own."),
    ] = None,
    place: PlaceOptions,
    storage: options.Storage = None,
    study: options.Study = None,
    track: Annotated[
        list[TrackerName] | None, typer.Option(help="Show the search there, too, while it goes on; may be repeated.")
    ] = None,
    results: options.Results = options.RESULTS,
    name: options.Name = None,
    config: options.Config = None,
    settings: options.Settings = None,
    as_json: options.Json = False,
) -> None:
    """Find the best network, write it as ONNX.

    A space without a model, a YAML file or a nas.Space, or --task none: only what --evaluator tells is searched.
    Trains a supernet, searches it under measured latency and exports the winner; other evaluators need no supernet.
    With --table and --column, or an imported device, latencies are looked up, or predicted from those that are there.
    Without arguments: the mobilenet space on scikit-learn's digits made hard to read, in minutes on a laptop.
    """
    given = {
        **space.settings,
        **task.settings,
        "method": method,
        "evaluator": evaluator,
        "strategy": strategy,
        **source.settings,
        "profile.run": str(setup.find_run(profile, results).path) if profile else None,
        "constraints": constraint,
        "candidates": candidates,
        "seed": seed,
        **place.settings,
        "storage": storage,
        "study": study,
        "track": track,
        "training.epochs": epochs,
        "time": time_given,
        "cpu_time": cpu_time,
        "finish.networks": finish,
        "supernet": str(setup.find_run(supernet, results).path) if supernet else None,
    }
    swept = runs.swept(sweep) if sweep is not None else []
    if swept and seeds is not None:
        raise UsageError("--constraint-sweep and --seeds cannot go together; sweep with --seed 1, --seed 2 and so on.")
    resolved, stem = resolve_search(config, given, settings, results, swept)
    if not resolved.has_model and (swept or seeds is not None):
        raise UsageError(
            "--constraint-sweep and --seeds are for searches of networks; compare seeds of a search without a model by "
            "`nas benchmark`, and give each constraint a search of its own."
        )
    name = name or setup.free_name(results, stem)
    if not setup.RunFolder(results / name).config.exists():
        setup.check_profile(resolved)
    if swept:
        common = resolved.model_copy(update={"constraints": resolved.constraints[:-1]})
        _run_sweep(common, swept, results, name, as_json)
    elif seeds is None:
        _run_search(resolved, setup.RunFolder(results / name), as_json)
    else:
        _run_seeds(resolved, seeds, results, name, as_json)


@app.command()
@grouped
def resume(
    *,
    run: options.AnyRun,
    place: PlaceOptions,
    trust: options.Trust = False,
    results: options.Results = options.RESULTS,
    as_json: options.Json = False,
) -> None:
    """Continue an interrupted search, profile or import.

    It ends as if it had not been interrupted, here or on other workers.
    """
    folder = opened(results, run, trust)
    config = moved(folder.load_config(), place)
    if folder.kind == "profile":
        latency.run_profile(config, folder, as_json)
    else:
        _run_search(config, folder, as_json)


class FileFormat(StrEnum):
    """What an architecture of a run is written as."""

    ONNX = "onnx"
    NNI = "nni"


@app.command()
def export(
    run: options.Run,
    architecture: Annotated[
        str | None,
        typer.Option(help="An id of candidates.csv, or its beginning, JSON or a JSON file; by default the best."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The file to write; by default <run>/<id>.onnx, or <id>.nni.json.")
    ] = None,
    file_format: Annotated[
        FileFormat, typer.Option("--format", help="onnx, or nni: search space and architecture as NNI's JSON.")
    ] = FileFormat.ONNX,
    input_form: options.Input = None,
    trust: options.Trust = False,
    results: options.Results = options.RESULTS,
    as_json: options.Json = False,
) -> None:
    """Write one architecture of a run as ONNX.

    It is in the run's dtype, recalibrated, checked against PyTorch, evaluated by ONNX Runtime and measured.
    """
    folder = opened(results, run, trust)
    if file_format is FileFormat.NNI:
        if input_form is not None:
            raise UsageError("--input says what an ONNX file reads, and --format nni writes none; leave it out.")
        files = runs.export_for_nni(folder, architecture, out)
        echo(json.dumps(files) if as_json else f"{files['architecture_file']}\n{files['search_space']}")
        return
    report = runs.export_architecture(folder, architecture, out, RichProgress(), input_form)
    if as_json:
        echo(json.dumps(report))
        return
    metric = report["metric"]
    score = f"{label(metric).lower()} {written(metric, report[metric])}"
    echo(f"{report['onnx']}: {score}, {report['latency_ms']:.4f} ms {report['latency_source']}")
    echo(about_file(report["file"]))


app.command()(showing.show)
app.command()(comparing.compare)
app.command()(watching.report)
app.command()(watching.watch)
app.command("rm")(removing.remove)
app.command()(starting.init)
app.command()(retraining.retrain)
app.command()(controls.controls)
app.command()(jobs.submit)
app.command()(jobs.fetch)
app.command(hidden=True)(jobs.parcel)
app.command()(ranking.rank)
app.command("benchmark")(benchmark.run_benchmark)
app.command("space-study")(space_study.run_study)
app.command()(latency.profile)
app.add_typer(latency.device, name="device")


@app.command("list")
def list_(
    what: Annotated[
        str,
        typer.Argument(
            help=f"What to list: runs, {', '.join(LISTED[:-1])} or {LISTED[-1]}.",
            autocompletion=lambda: [*LISTED, "runs"],
        ),
    ],
    results: options.Results = options.RESULTS,
    as_json: options.Json = False,
) -> None:
    """List runs, or what a run can name.

    These are spaces, tasks, methods and so on; imported devices are among the targets.
    """
    if what == "runs":
        _list_runs(results, as_json)
        return
    rows = listed(what, results)
    if as_json:
        echo(json.dumps(rows))
    else:
        print_listing(rows)


def _list_runs(results: Path, as_json: bool) -> None:
    rows = runs.runs_in(results)
    if as_json:
        echo(json.dumps(rows))
    elif rows:
        print_runs(rows)
    else:
        echo(f"There are no runs in {results.absolute()}.")


def _run_search(config: setup.RunConfig, folder: setup.RunFolder, as_json: bool) -> None:
    if not config.has_model:
        run_without_model(config, folder, as_json)
        return
    with resumable(folder):
        try:
            result = runs.run_search(config, folder, RichProgress(), begun())
        except KeyboardInterrupt as end:
            if not _may_hurry(config, folder, end):
                raise
            echo("nas: ending now with what there is; Ctrl-C again stops at once.", err=True)
            result = runs.run_search(config, folder, RichProgress(), begun(), hurry=True)
    if as_json:
        echo(json.dumps(result))
        return
    print_result(result, folder)


def _may_hurry(config: setup.RunConfig, folder: setup.RunFolder, end: KeyboardInterrupt) -> bool:
    """Whether a run that is interrupted can deliver something: it was given a time, and the supernet has an epoch."""
    return config.is_timed and folder.supernet.exists() and exit_code(end) == 128 + signal.SIGINT


def _run_sweep(config: setup.RunConfig, constraints: Sequence[str], results: Path, name: str, as_json: bool) -> None:
    with resumable(setup.RunFolder(results / name)):
        report = runs.run_sweep(config, constraints, results, name, RichProgress(), begun())
    if as_json:
        echo(json.dumps(report))
    else:
        print_sweep(report, results)


def _run_seeds(config: setup.RunConfig, count: int, results: Path, name: str, as_json: bool) -> None:
    with resumable(setup.RunFolder(results / name)):
        report = runs.run_seeds(config, count, results, name, RichProgress())
    if as_json:
        echo(json.dumps(report))
    else:
        print_seeds(report, results)
