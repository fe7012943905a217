"""The ``nas`` command: arguments in, one call into :mod:`nas.runs`, a table or JSON out."""

import json
import shlex
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from nas import runs
from nas.cli.progress import RichProgress
from nas.cli.tables import print_feasibility, print_listing, print_predictor, print_result
from nas.errors import UsageError
from nas.runs.devices import find_known, find_target, imported_devices
from nas.runs.latency import check_profile
from nas.runs.recorded import is_table
from nas.runs.reporting import target_settings

__all__ = ["app"]

app = typer.Typer(
    name="nas",
    help="Neural architecture search with weight-sharing supernets: from data to the best ONNX network for a device.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Space = Annotated[str | None, typer.Argument(help="A space of `nas list spaces`, or module:function.")]
SpaceOption = Annotated[str | None, typer.Option("--space", help="The same as the argument SPACE.")]
Data = Annotated[str | None, typer.Option(help="A data set of `nas list data`, or module:function.")]
DataDir = Annotated[Path | None, typer.Option(help="Folder with the files of the data set.")]
Target = Annotated[
    str | None,
    typer.Option(help="Where latency is measured: see `nas list targets`, or the name of an imported device."),
]
Dtype = Annotated[str | None, typer.Option(help="What measured networks compute in, such as float16 or int8.")]
Batch = Annotated[int | None, typer.Option(help="Images in one measured inference.")]
Known = Annotated[
    list[str] | None,
    typer.Option(
        help="A known device to learn from (two or more): an imported one, a profile, or a column of the table."
    ),
]
Constraint = Annotated[
    list[str] | None, typer.Option(help="Such as 'latency_ms <= 2' or 'params <= 50% of largest'; may be repeated.")
]
Seed = Annotated[int | None, typer.Option(help="Fixes the run.")]
Results = Annotated[Path, typer.Option(help="Folder that holds the runs.")]
Name = Annotated[str | None, typer.Option(help="Name of the run; by default space-data-method.")]
Config = Annotated[Path | None, typer.Option(help="YAML file with any of the keys of a run's config.yaml.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="key=value for any key, such as training.batch_size=32.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
Run = Annotated[str, typer.Argument(help="Name of a run.")]

_RESULTS = Path("results")


@app.command()
def search(
    space: Space = None,
    space_option: SpaceOption = None,
    data: Data = None,
    data_dir: DataDir = None,
    method: Annotated[str | None, typer.Option(help="How the supernet is trained: see `nas list methods`.")] = None,
    strategy: Annotated[str | None, typer.Option(help="How it is searched: see `nas list strategies`.")] = None,
    target: Target = None,
    dtype: Dtype = None,
    batch: Batch = None,
    profile: Annotated[str | None, typer.Option(help="A run of `nas profile` whose latency predictor is used.")] = None,
    constraint: Constraint = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of supernet training.")] = None,
    candidates: Annotated[int | None, typer.Option(help="Architectures to evaluate.")] = None,
    seed: Seed = None,
    workers: Annotated[int | None, typer.Option(help="Processes that evaluate candidates.")] = None,
    results: Results = _RESULTS,
    name: Name = None,
    config: Config = None,
    settings: Settings = None,
    as_json: Json = False,
) -> None:
    """Find the best network, write it as ONNX.

    Trains a supernet, searches it under measured latency and exports the winner.
    Without arguments: the mobilenet space on scikit-learn's digits, in a few minutes on a laptop.
    """
    given = {
        "space": _one_space(space, space_option),
        "data": data,
        "data_dir": data_dir,
        "method": method,
        "strategy": strategy,
        "target": target,
        "dtype": dtype,
        "latency_batch": batch,
        "profile.run": str(results / profile) if profile else None,
        "constraints": constraint,
        "candidates": candidates,
        "seed": seed,
        "workers": workers,
        "training.epochs": epochs,
    }
    resolved = _resolve(config, given, settings, results)
    stem = "-".join((_word(resolved.space), _word(resolved.data), resolved.method))
    folder = runs.RunFolder(results / (name or runs.free_name(results, stem)))
    if not folder.config.exists():
        check_profile(resolved)
    _run_search(resolved, folder, as_json)


@app.command()
def resume(run: Run, results: Results = _RESULTS, as_json: Json = False) -> None:
    """Continue an interrupted run.

    It ends as if it had not been interrupted.
    """
    folder = runs.RunFolder(results / run)
    _run_search(folder.load_config(), folder, as_json)


@app.command()
def export(
    run: Run,
    architecture: Annotated[
        str | None, typer.Option(help="An id from candidates.csv, or JSON; the best by default.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The file to write; by default <run>/<id>.onnx.")] = None,
    results: Results = _RESULTS,
    as_json: Json = False,
) -> None:
    """Write one architecture of a run as ONNX.

    The network is recalibrated, checked against PyTorch and measured.
    """
    folder = runs.RunFolder(results / run)
    report = runs.export_architecture(folder, architecture, out, RichProgress())
    if as_json:
        typer.echo(json.dumps(report))
        return
    parity = report["parity"]
    typer.echo(
        f"{report['onnx']}: accuracy {report['accuracy']:.2%}, {report['latency_ms']:.4f} ms {report['latency_source']}"
    )
    typer.echo(f"agrees with PyTorch on {parity['label_agreement']:.2%} of {parity['samples']} validation images")


@app.command()
def profile(
    space: Space = None,
    space_option: SpaceOption = None,
    data: Data = None,
    data_dir: DataDir = None,
    target: Target = None,
    dtype: Dtype = None,
    batch: Batch = None,
    table: Annotated[Path | None, typer.Option(help="Measurements that exist already, as CSV or parquet.")] = None,
    column: Annotated[str | None, typer.Option(help="The table's column with latencies in milliseconds.")] = None,
    samples: Annotated[int | None, typer.Option(help="Networks to learn latency from, at most.")] = None,
    predictor: Annotated[
        str | None, typer.Option(help="auto, all, linear, lookup, regression or transfer; by default auto.")
    ] = None,
    known: Known = None,
    constraint: Constraint = None,
    seed: Seed = None,
    results: Results = _RESULTS,
    name: Name = None,
    config: Config = None,
    settings: Settings = None,
    as_json: Json = False,
) -> None:
    """Measure networks, fit a latency predictor, tell what a space costs.

    And whether constraints can be met, before any training.
    """
    if (table is None) != (column is None):
        raise UsageError(
            "a table needs its column of latencies: give --table FILE and --column NAME together "
            "(what a device pack measured: nas device import FILE --target NAME)."
        )
    if table and target:
        raise UsageError(f"latency comes from the table {table} or from target '{target}'; drop one of them.")
    if table and not is_table(str(table)):
        raise UsageError(f"table {table} is neither a .csv nor a .parquet file; convert it to one of them.")
    given = {
        "space": _one_space(space, space_option),
        "data": data,
        "data_dir": data_dir,
        "target": str(table) if table else target,
        "target_args": {"column": column} if column else None,
        "dtype": dtype,
        "latency_batch": batch,
        "profile.networks": samples,
        "profile.predictor": predictor,
        "profile.known": known if table else _known(known, results),
        "constraints": constraint,
        "seed": seed,
    }
    resolved = _resolve(config, given, settings, results)
    stem = f"profile-{_word(resolved.space)}-{_word(column or target or resolved.target)}"
    folder = runs.RunFolder(results / (name or runs.free_name(results, stem)))
    _tell_profile(runs.run_profile(resolved, folder, RichProgress()), folder, as_json)


device = typer.Typer(help="Measure on a board that has neither this package nor PyTorch.", no_args_is_help=True)
app.add_typer(device, name="device")


@device.command()
def pack(
    space: Space = None,
    space_option: SpaceOption = None,
    out: Annotated[Path, typer.Option(help="The zip file to write.")] = Path("pack.zip"),
    networks: Annotated[int, typer.Option(min=6, help="Networks to measure; about 15 with --known.")] = 80,
    data: Data = None,
    data_dir: DataDir = None,
    batch: Batch = None,
    known: Known = None,
    seed: Seed = None,
    results: Results = _RESULTS,
    config: Config = None,
    settings: Settings = None,
    as_json: Json = False,
) -> None:
    """Write a zip that measures networks wherever ONNX Runtime runs.

    Copy it there, unzip it, and run `python run.py`: it needs onnxruntime and numpy alone.
    """
    given = {
        "space": _one_space(space, space_option),
        "data": data,
        "data_dir": data_dir,
        "latency_batch": batch,
        "profile.known": _known(known, results),
        "seed": seed,
    }
    report = runs.pack_space(_resolve(config, given, settings, results), out, networks, RichProgress())
    if as_json:
        typer.echo(json.dumps(report))
        return
    typer.echo(f"  {report['pack']}: {report['networks']} networks of {report['space']}")
    typer.echo("Unzip it on the device and run there: python run.py")
    typer.echo("Then here: nas device import measurements.csv --target NAME")


@device.command("import")
def import_(
    table: Annotated[Path, typer.Argument(help="The measurements.csv that run.py wrote.")],
    target: Annotated[str, typer.Option(help="The device's name from now on.")],
    samples: Annotated[int | None, typer.Option(help="Networks to learn latency from, at most.")] = None,
    known: Known = None,
    constraint: Constraint = None,
    results: Results = _RESULTS,
    settings: Settings = None,
    as_json: Json = False,
) -> None:
    """Make a target of what a board measured, and fit its latency predictor."""
    given = {
        "profile.networks": samples,
        "profile.known": _known(known, results),
        "constraints": constraint,
    }
    values = _values(None, given, settings)
    report = runs.import_measurements(table, target, results, values, RichProgress())
    _tell_profile(report, runs.RunFolder(runs.device_table(results, target).parent), as_json)


class Listing(StrEnum):
    """What can be listed."""

    spaces = "spaces"
    methods = "methods"
    strategies = "strategies"
    targets = "targets"
    data = "data"


@app.command("list")
def list_(
    what: Annotated[Listing, typer.Argument(help="What to list.")], results: Results = _RESULTS, as_json: Json = False
) -> None:
    """List spaces, methods, strategies, targets (imported devices too) or data sets."""
    rows = _listing(what, results)
    if as_json:
        typer.echo(json.dumps(rows))
    else:
        print_listing(rows)


def _run_search(config: runs.RunConfig, folder: runs.RunFolder, as_json: bool) -> None:
    try:
        result = runs.run_search(config, folder, RichProgress())
    except KeyboardInterrupt:
        if folder.config.exists():
            flag = [] if folder.path.parent == _RESULTS else ["--results", str(folder.path.parent)]
            command = shlex.join(["nas", "resume", folder.name, *flag])
            typer.echo(f"nas: interrupted; continue with: {command}", err=True)
        raise typer.Exit(130) from None
    if as_json:
        typer.echo(json.dumps(result))
    else:
        print_result(result, folder)


def _tell_profile(report: dict[str, Any], folder: runs.RunFolder, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(report))
    else:
        settings = target_settings(folder.load_config())
        target = f"{report['target']} ({settings})" if settings else report["target"]
        print_feasibility(report["space"], target, report["feasibility"])
        print_predictor(report["predictor"])
        for file in (folder.path / "profile.json", folder.report):
            typer.echo(f"  {file}")


def _one_space(argument: str | None, option: str | None) -> str | None:
    if argument and option and argument != option:
        raise UsageError(f"the space is given twice, as '{argument}' and as --space {option}; drop one of them.")
    return argument or option


def _known(names: Sequence[str] | None, results: Path) -> list[str] | None:
    return [find_known(results, name) for name in names] if names else None


def _resolve(file: Path | None, given: dict[str, Any], settings: Sequence[str] | None, results: Path) -> runs.RunConfig:
    values = _values(file, given, settings)
    if isinstance(values.get("target"), str):
        values["target"] = find_target(results, values["target"])
    return runs.resolve(values, "command line")


def _values(file: Path | None, given: dict[str, Any], settings: Sequence[str] | None) -> dict[str, Any]:
    """File, then flags, then --set; later ones win."""
    values: dict[str, Any] = {}
    if file:
        values = runs.read_yaml(file)
        runs.resolve(values, str(file))
    for key, value in given.items():
        if value is not None:
            runs.put(values, key, value)
    for setting in settings or []:
        runs.assign(values, setting)
    return values


def _listing(what: Listing, results: Path) -> list[dict[str, str]]:
    if what is Listing.methods:
        from nas.methods import METHODS

        return [{"name": m.name, "family": m.family, "paper": m.paper, "summary": m.summary} for m in METHODS.values()]
    if what is Listing.strategies:
        from nas.search import STRATEGIES

        return [{"name": name, "summary": summary} for name, (_, summary) in STRATEGIES.items()]
    if what is Listing.targets:
        from nas.hardware import available_targets

        found = {**available_targets(), **imported_devices(results)}
    elif what is Listing.data:
        from nas.data import available

        found = available()
    else:
        found = runs.available_spaces()
    return [{"name": name, "summary": summary} for name, summary in found.items()]


def _word(name: str) -> str:
    return name.replace(":", "-").replace("/", "-")
