"""The options that several commands have, each with its help."""

from pathlib import Path
from typing import Annotated

import typer

from nas.cli.completion import run_names, run_or_import_names
from nas.data import InputForm
from nas.setup.finding import RESULTS_VARIABLE
from nas.setup.names import check_name

__all__ = [
    "RESULTS", "AnyRun", "Batch", "Config", "Constraint", "GpusPerWorker", "Input", "Json", "Known", "KnownOrColumn",
    "MeasureOn", "Name", "ProfileName", "Ray", "Results", "Run", "Seed", "Settings", "Storage", "Study", "TrainWorkers",
    "Trust", "Workers",
]  # fmt: skip


def _name(given: str | None) -> str | None:
    return None if given is None else check_name(given, "--name")


Input = Annotated[
    InputForm | None,
    typer.Option(
        "--input", help="What the file reads: unit (float32 pixels 0 to 1), bytes or normalised; by default as the run."
    ),
]
Batch = Annotated[int | None, typer.Option(help="Images in one measured inference.")]
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
Workers = Annotated[
    int | None, typer.Option(help="Processes that evaluate candidates; on a cluster as many as fit by default.")
]
Ray = Annotated[
    str | None,
    typer.Option(
        help="Ray cluster to work on: host:port, or auto for that of this machine. By default one of its own."
    ),
]
GpusPerWorker = Annotated[float | None, typer.Option(help="GPUs of each worker; 0.5 puts two on one.")]
TrainWorkers = Annotated[
    int | None, typer.Option(help="Processes that train the supernet together, each on a part of every batch.")
]
MeasureOn = Annotated[
    str | None,
    typer.Option(help="Ray resource that marks the machine for latency; nothing else of the run works there."),
]
Storage = Annotated[
    str | None, typer.Option(help="Database of the ledger, such as postgresql://user@host/name, for several machines.")
]
Study = Annotated[
    str | None, typer.Option(help="Study in the storage; searches for the same in one study share their work.")
]
Results = Annotated[Path, typer.Option(envvar=RESULTS_VARIABLE, help="Folder that holds the runs.")]
Name = Annotated[str | None, typer.Option(help="Name of the run; by default space-data-method.", callback=_name)]
ProfileName = Annotated[
    str | None, typer.Option(help="Name of the profile; by default profile-space-target.", callback=_name)
]
Config = Annotated[Path | None, typer.Option(help="YAML file with any of the keys of a run's config.yaml.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="key=value for any key, such as training.batch_size=32.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
Trust = Annotated[
    bool, typer.Option("--trust", help="Import and connect to what this names, though somebody else made it.")
]
Run = Annotated[str, typer.Argument(help="Name of a run, or the path of its folder.", autocompletion=run_names)]
AnyRun = Annotated[
    str,
    typer.Argument(
        help="Name of a search or a profile, or devices/NAME of an import; or the path of its folder.",
        autocompletion=run_or_import_names,
    ),
]

RESULTS = Path("results")
