"""The ``nas`` command: arguments in, one call into :mod:`nas.runs`, a table or JSON out."""

import json
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
Table = Annotated[
    Path | None,
    typer.Option(help="Latencies that exist already, as CSV or parquet, in place of a target; nothing is measured."),
]
Column = Annotated[str | None, typer.Option(help="The table's column with latencies in milliseconds.")]
Known = Annotated[
    list[str] | None,
    typer.Option(
        help="A known device to learn from (two or more): an imported one or a profile; NAME@PLATFORM for variants of "
        "one platform."
    ),
]
KnownOrColumn = Annotated[
    list[str] | None,
    typer.Option(
        help="A known device to learn from (two or more): an imported one or a profile, with --table a column of it; "
        "NAME@PLATFORM for variants of one platform."
    ),
]
Constraint = Annotated[
    list[str] | None, typer.Option(help="Such as 'latency_ms <= 2' or 'params <= 50% of largest'; may be repeated.")
]
Seed = Annotated[int | None, typer.Option(help="Fixes the run.")]
Results = Annotated[Path, typer.Option(help="Folder that holds the runs.")]
Name = Annotated[str | None, typer.Option(help="Name of the run; by default space-data-method.")]
ProfileName = Annotated[str | None, typer.Option(help="Name of the profile; by default profile-space-target.")]
Config = Annotated[Path | None, typer.Option(help="YAML file with any of the keys of a run's config.yaml.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="key=value for any key, such as training.batch_size=32.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
Run = Annotated[str, typer.Argument(help="Name of a run.")]
AnyRun = Annotated[str, typer.Argument(help="Name of a search or a profile, or devices/NAME of an import.")]

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
    table: Table = None,
    column: Column = None,
    profile: Annotated[
        str | None,
        typer.Option(help="A run of `nas profile` whose latency predictor is used; an imported device has its own."),
    ] = None,
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
    With --table and --column, or an imported device, latencies are looked up, or predicted from those that are there.
    Without arguments: the mobilenet space on scikit-learn's digits, in a few minutes on a laptop.
    """
    given = {
        "space": _one_space(space, space_option),
        "data": data,
        "data_dir": data_dir,
        "method": method,
        "strategy": strategy,
        **_target(table, column, target),
        "dtype": dtype,
        "latency_batch": batch,
        "profile.run": str(results / profile) if profile else None,
        "constraints": constraint,
        "candidates": candidates,
        "seed": seed,
        "workers": workers,
        "training.epochs": epochs,
    }
    values = _values(config, given, settings)
    own_predictor = _name_target(values, results)
    if own_predictor and not _is_given(values, "profile", "run"):
        runs.put(values, "profile.run", str(own_predictor))
    resolved = runs.resolve(values, "command line")
    stem = "-".join((_word(resolved.space), _word(resolved.data), resolved.method))
    name = name or runs.free_name(results, stem)
    if not runs.RunFolder(results / name).config.exists():
        check_profile(resolved)
    _run_search(resolved, results, name, as_json)


@app.command()
def resume(run: AnyRun, results: Results = _RESULTS, as_json: Json = False) -> None:
    """Continue an interrupted search, profile or import.

    It ends as if it had not been interrupted.
    """
    folder = runs.RunFolder(results / run)
    config = folder.load_config()
    if folder.kind == "profile":
        _run_profile(config, results, run, as_json)
    else:
        _run_search(config, results, run, as_json)


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
    table: Table = None,
    column: Column = None,
    samples: Annotated[int | None, typer.Option(help="Networks to learn latency from, at most.")] = None,
    predictor: Annotated[
        str | None, typer.Option(help="auto, all, linear, lookup, regression or transfer; by default auto.")
    ] = None,
    known: KnownOrColumn = None,
    constraint: Constraint = None,
    seed: Seed = None,
    results: Results = _RESULTS,
    name: ProfileName = None,
    config: Config = None,
    settings: Settings = None,
    as_json: Json = False,
) -> None:
    """Measure networks, fit a latency predictor, tell what a space costs.

    And whether constraints can be met, before any training.
    With --table and --column it learns from latencies that are there; a search with the same --table and --column and
    with --profile uses what was learnt.
    """
    given = {
        "space": _one_space(space, space_option),
        "data": data,
        "data_dir": data_dir,
        **_target(table, column, target),
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
    _run_profile(resolved, results, name or runs.free_name(results, stem), as_json)


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
    folder = runs.RunFolder(runs.device_table(results, target).parent)
    with _resumable(results, f"devices/{target}"):
        report = runs.import_measurements(table, target, results, values, RichProgress())
    _tell_profile(report, folder, as_json)


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


def _run_search(config: runs.RunConfig, results: Path, name: str, as_json: bool) -> None:
    folder = runs.RunFolder(results / name)
    with _resumable(results, name):
        result = runs.run_search(config, folder, RichProgress())
    if as_json:
        typer.echo(json.dumps(result))
    else:
        print_result(result, folder)


def _run_profile(config: runs.RunConfig, results: Path, name: str, as_json: bool) -> None:
    folder = runs.RunFolder(results / name)
    with _resumable(results, name):
        report = runs.run_profile(config, folder, RichProgress())
    _tell_profile(report, folder, as_json)


@contextmanager
def _resumable(results: Path, name: str) -> Iterator[None]:
    """Tells of Ctrl-C inside, and how to continue once there is a folder to continue in."""
    try:
        yield
    except KeyboardInterrupt:
        flag = [] if results == _RESULTS else ["--results", str(results)]
        begun = runs.RunFolder(results / name).config.exists()
        advice = f"; continue with: {shlex.join(['nas', 'resume', name, *flag])}" if begun else "."
        typer.echo(f"nas: interrupted{advice}", err=True)
        raise typer.Exit(130) from None


def _tell_profile(report: dict[str, Any], folder: runs.RunFolder, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(report))
    else:
        settings = target_settings(folder.load_config())
        target = f"{report['target']} ({settings})" if settings else report["target"]
        print_feasibility(report["space"], report["input_shape"], target, report["feasibility"])
        print_predictor(report["predictor"])
        for file in (folder.path / "profile.json", folder.report):
            typer.echo(f"  {file}")


def _one_space(argument: str | None, option: str | None) -> str | None:
    if argument and option and argument != option:
        raise UsageError(f"the space is given twice, as '{argument}' and as --space {option}; drop one of them.")
    return argument or option


def _known(names: Sequence[str] | None, results: Path) -> list[str] | None:
    return [find_known(results, name) for name in names] if names else None


def _target(table: Path | None, column: str | None, target: str | None) -> dict[str, Any]:
    """The settings that say where latency comes from: a target, or a table with its column."""
    if (table is None) != (column is None):
        raise UsageError(
            "a table needs its column of latencies: give --table FILE and --column NAME together "
            "(what a device pack measured: nas device import FILE --target NAME)."
        )
    if table and target:
        raise UsageError(f"latency comes from the table {table} or from target '{target}'; drop one of them.")
    if table and not is_table(str(table)):
        raise UsageError(f"table {table} is neither a .csv nor a .parquet file; convert it to one of them.")
    return {"target": str(table) if table else target, "target_args": {"column": column} if column else None}


def _resolve(file: Path | None, given: dict[str, Any], settings: Sequence[str] | None, results: Path) -> runs.RunConfig:
    values = _values(file, given, settings)
    _name_target(values, results)
    return runs.resolve(values, "command line")


def _name_target(values: dict[str, Any], results: Path) -> Path | None:
    """Puts the table of an imported device where it is named as target; gives its folder, None for other targets."""
    given = values.get("target")
    if not isinstance(given, str):
        return None
    values["target"] = find_target(results, given)
    return None if values["target"] == given else Path(values["target"]).parent


def _is_given(values: dict[str, Any], group: str, key: str) -> bool:
    found = values.get(group)
    return isinstance(found, dict) and found.get(key) is not None


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
