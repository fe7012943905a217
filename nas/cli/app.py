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
from nas.cli.tables import print_feasibility, print_listing, print_result
from nas.errors import UsageError

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
Target = Annotated[str | None, typer.Option(help="Where latency is measured: see `nas list targets`.")]
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
    if space and space_option and space != space_option:
        raise UsageError(f"the space is given twice, as '{space}' and as --space {space_option}; drop one of them.")
    given = {
        "space": space or space_option,
        "data": data,
        "data_dir": data_dir,
        "method": method,
        "strategy": strategy,
        "target": target,
        "constraints": constraint,
        "candidates": candidates,
        "seed": seed,
        "workers": workers,
        "training.epochs": epochs,
    }
    resolved = _resolve(config, given, settings)
    stem = "-".join((_word(resolved.space), _word(resolved.data), resolved.method))
    _run_search(resolved, runs.RunFolder(results / (name or runs.free_name(results, stem))), as_json)


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
    typer.echo(f"{report['onnx']}: accuracy {report['accuracy']:.2%}, {report['latency_ms']:.4f} ms")
    typer.echo(f"agrees with PyTorch on {parity['label_agreement']:.2%} of {parity['samples']} validation images")


@app.command()
def profile(
    space: Space = None,
    data: Data = None,
    data_dir: DataDir = None,
    target: Target = None,
    constraint: Constraint = None,
    seed: Seed = None,
    results: Results = _RESULTS,
    name: Name = None,
    config: Config = None,
    settings: Settings = None,
    as_json: Json = False,
) -> None:
    """Tell what a space costs on a target.

    And whether constraints can be met, before any training.
    """
    given = {
        "space": space,
        "data": data,
        "data_dir": data_dir,
        "target": target,
        "constraints": constraint,
        "seed": seed,
    }
    resolved = _resolve(config, given, settings)
    stem = f"profile-{_word(resolved.space)}-{resolved.target}"
    folder = runs.RunFolder(results / (name or runs.free_name(results, stem)))
    report = runs.run_profile(resolved, folder, RichProgress())
    if as_json:
        typer.echo(json.dumps(report))
        return
    print_feasibility(report["space"], report["target"], report["feasibility"])
    errors = report["predictor"]
    typer.echo(f"predictor: {errors['within_10pct']:.0%} of networks within 10 %, Spearman {errors['spearman']:.3f}")
    typer.echo(f"  {folder.path / 'profile.json'}")


class Listing(StrEnum):
    """What can be listed."""

    spaces = "spaces"
    methods = "methods"
    strategies = "strategies"
    targets = "targets"
    data = "data"


@app.command("list")
def list_(what: Annotated[Listing, typer.Argument(help="What to list.")], as_json: Json = False) -> None:
    """List spaces, methods, strategies, targets or data sets."""
    rows = _listing(what)
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


def _resolve(file: Path | None, given: dict[str, Any], settings: Sequence[str] | None) -> runs.RunConfig:
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
    return runs.resolve(values, "command line")


def _listing(what: Listing) -> list[dict[str, str]]:
    if what is Listing.methods:
        from nas.methods import METHODS

        return [{"name": m.name, "family": m.family, "paper": m.paper, "summary": m.summary} for m in METHODS.values()]
    if what is Listing.strategies:
        from nas.search import STRATEGIES

        return [{"name": name, "summary": summary} for name, (_, summary) in STRATEGIES.items()]
    if what is Listing.targets:
        from nas.hardware import available_targets

        found = available_targets()
    elif what is Listing.data:
        from nas.data import available

        found = available()
    else:
        found = runs.available_spaces()
    return [{"name": name, "summary": summary} for name, summary in found.items()]


def _word(name: str) -> str:
    return name.replace(":", "-").replace("/", "-")
