"""The commands about latency: ``nas profile``, ``nas device pack`` and ``nas device import``."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from nas import latency, setup
from nas.cli import options
from nas.cli.groups import LatencyOptions, SpaceOptions, TaskOptions, grouped
from nas.cli.interrupts import resumable
from nas.cli.progress import RichProgress
from nas.cli.settings import known_devices, resolve, values_of
from nas.cli.tables import print_feasibility, print_predictor
from nas.cli.terminal import echo
from nas.wording import counted

__all__ = ["device", "profile", "run_profile", "tell_profile"]


@grouped
def profile(
    *,
    space: SpaceOptions,
    task: TaskOptions,
    source: LatencyOptions,
    samples: Annotated[int | None, typer.Option(help="Networks to learn latency from, at most.")] = None,
    predictor: Annotated[
        str | None, typer.Option(help="auto, all, linear, lookup, regression or transfer; by default auto.")
    ] = None,
    known: options.KnownOrColumn = None,
    constraint: options.Constraint = None,
    seed: options.Seed = None,
    results: options.Results = options.RESULTS,
    name: options.ProfileName = None,
    config: options.Config = None,
    settings: options.Settings = None,
    as_json: options.Json = False,
) -> None:
    """Fit a latency predictor, tell what a space costs.

    Networks are measured. It tells whether constraints can be met, before any training.
    With --table and --column it learns from latencies that are there; a search with the same --table and --column and
    with --profile uses what was learnt.
    """
    given = {
        **space.settings,
        **task.settings,
        **source.settings,
        "profile.networks": samples,
        "profile.predictor": predictor,
        "profile.known": known if source.table else known_devices(known, results),
        "constraints": constraint,
        "seed": seed,
    }
    resolved = resolve(config, given, settings, results)
    where = source.column or source.target or resolved.target
    stem = "-".join(["profile", *map(setup.plain_name, (setup.called_space(resolved), where))])
    run_profile(resolved, setup.RunFolder(results / (name or setup.free_name(results, stem))), as_json)


device = typer.Typer(help="Measure on a board that has no PyTorch.", no_args_is_help=True)


@device.command()
@grouped
def pack(
    *,
    space: SpaceOptions,
    out: Annotated[Path, typer.Option(help="The zip file to write.")] = Path("pack.zip"),
    networks: Annotated[int, typer.Option(min=6, max=10**5, help="Networks to measure; about 15 with --known.")] = 80,
    task: TaskOptions,
    batch: options.Batch = None,
    known: options.Known = None,
    seed: options.Seed = None,
    results: options.Results = options.RESULTS,
    config: options.Config = None,
    settings: options.Settings = None,
    as_json: options.Json = False,
) -> None:
    """Write a zip that measures networks wherever ONNX Runtime runs.

    Copy it there, unzip it, and run `python run.py`: it needs onnxruntime and numpy alone.
    """
    given = {
        **space.settings,
        **task.settings,
        "latency_batch": batch,
        "profile.known": known_devices(known, results),
        "seed": seed,
    }
    report = latency.pack_space(resolve(config, given, settings, results), out, networks, RichProgress())
    if as_json:
        echo(json.dumps(report))
        return
    echo(f"  {report['pack']}: {counted(report['networks'], 'network')} of {report['space']}")
    echo("Unzip it on the device and run there: python run.py")
    echo("Then here: nas device import measurements.csv --target NAME")


@device.command("import")
def import_(
    table: Annotated[Path, typer.Argument(help="The measurements.csv that run.py wrote.")],
    target: Annotated[str, typer.Option(help="The device's name from now on.")],
    samples: Annotated[int | None, typer.Option(help="Networks to learn latency from, at most.")] = None,
    known: options.Known = None,
    constraint: options.Constraint = None,
    trust: options.Trust = False,
    results: options.Results = options.RESULTS,
    settings: options.Settings = None,
    as_json: options.Json = False,
) -> None:
    """Make a target of what a board measured, and fit its latency predictor."""
    given = {"profile.networks": samples, "profile.known": known_devices(known, results), "constraints": constraint}
    values = values_of(None, given, settings)
    folder = setup.RunFolder(latency.device_table(results, target).parent)
    with resumable(folder):
        report = latency.import_measurements(table, target, results, values, RichProgress(), trusted=trust)
    tell_profile(report, folder, as_json)


def run_profile(config: setup.RunConfig, folder: setup.RunFolder, as_json: bool) -> None:
    with resumable(folder):
        report = latency.run_profile(config, folder, RichProgress())
    tell_profile(report, folder, as_json)


def tell_profile(report: dict[str, Any], folder: setup.RunFolder, as_json: bool) -> None:
    """Prints what a profile found."""
    if as_json:
        echo(json.dumps(report))
    else:
        config = folder.read_config()
        settings = latency.target_settings(config)
        target = f"{report['target']} ({settings})" if settings else report["target"]
        print_feasibility(report["space"], report["input_shape"], target, report["feasibility"], config.extra)
        print_predictor(report["predictor"])
        if "energy_mj" in report:
            echo(f"energy: {report['energy_mj']:.3g} mJ a call, median over the measured networks")
        for file in (folder.path / "profile.json", folder.report):
            echo(f"  {file}")
