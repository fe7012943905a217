"""The options that several commands have, each with its help."""

from pathlib import Path
from typing import Annotated

import typer

from nas.data import InputForm
from nas.setup.names import check_name

__all__ = [
    "RESULTS",
    "AnyRun",
    "Batch",
    "Column",
    "Config",
    "Constraint",
    "Data",
    "DataDir",
    "Dtype",
    "GpusPerWorker",
    "Input",
    "Json",
    "Known",
    "KnownOrColumn",
    "MeasureOn",
    "Name",
    "ProfileName",
    "Ray",
    "Results",
    "Run",
    "Seed",
    "Settings",
    "Space",
    "SpaceOption",
    "Storage",
    "Study",
    "Table",
    "Target",
    "Task",
    "TrainWorkers",
    "Trust",
    "Unit",
    "Workers",
]


def _name(given: str | None) -> str | None:
    return None if given is None else check_name(given, "--name")


Space = Annotated[str | None, typer.Argument(help="A space of `nas list spaces`, or module:function.")]
SpaceOption = Annotated[str | None, typer.Option("--space", help="The same as the argument SPACE.")]
Task = Annotated[
    str | None, typer.Option(help="Data and what to make of them: see `nas list tasks`, or module:function.")
]
Data = Annotated[str | None, typer.Option(hidden=True, help="The old name of --task.")]
DataDir = Annotated[Path | None, typer.Option(help="Folder with the files of the task's data.")]
Target = Annotated[
    str | None,
    typer.Option(help="Where latency is measured: see `nas list targets`, or the name of an imported device."),
]
Dtype = Annotated[
    str | None, typer.Option(help="What networks compute in, measured and as the file: such as float16 or int8.")
]
Input = Annotated[
    InputForm | None,
    typer.Option(
        "--input", help="What the file reads: unit (float32 pixels 0 to 1), bytes or normalised; by default as the run."
    ),
]
Batch = Annotated[int | None, typer.Option(help="Images in one measured inference.")]
Table = Annotated[
    Path | None,
    typer.Option(help="Latencies that exist already, as CSV or parquet, in place of a target; nothing is measured."),
]
Column = Annotated[str | None, typer.Option(help="The table's column with latencies.")]
Unit = Annotated[
    str | None, typer.Option(help="Of the table's latencies: ns, us, ms (default), s, min, or how many ms one is.")
]
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
    str | None,
    typer.Option(help="Database of the ledger, such as postgresql://user@host/name, for several machines."),
]
Study = Annotated[
    str | None, typer.Option(help="Study in the storage; searches for the same in one study share their work.")
]
Results = Annotated[Path, typer.Option(help="Folder that holds the runs.")]
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
Run = Annotated[str, typer.Argument(help="Name of a run.")]
AnyRun = Annotated[str, typer.Argument(help="Name of a search or a profile, or devices/NAME of an import.")]

RESULTS = Path("results")
