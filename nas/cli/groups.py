"""Options that go together: several commands have them, and each group knows what settings of a run it stands for."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from nas.cli.completion import part_names
from nas.cli.options import Batch, GpusPerWorker, MeasureOn, Ray, TrainWorkers, Workers
from nas.data import TASKS
from nas.errors import UsageError
from nas.hardware import TARGETS
from nas.setup.names import is_table
from nas.setup.spaces import OWN_MODEL, SPACES

__all__ = ["LatencyOptions", "PlaceOptions", "SpaceOptions", "TaskOptions", "grouped"]


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the fields of its groups as options of its own, in their place.

    >>> def climb(*, where: SpaceOptions, high: bool = False) -> None: ...
    >>> list(inspect.signature(grouped(climb)).parameters)
    ['space', 'space_option', 'model', 'checkpoint', 'high']
    """
    signature = inspect.signature(command)
    taken = [(name, each.annotation) for name, each in signature.parameters.items()]
    groups: dict[str, Any] = {name: kind for name, kind in taken if is_dataclass(kind)}

    @wraps(command)
    def ungrouped(**given: Any) -> None:
        for name, group in groups.items():
            given[name] = group(**{field: given.pop(field) for field in inspect.signature(group).parameters})
        command(**given)

    options = [
        option.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for name, each in signature.parameters.items()
        for option in (inspect.signature(groups[name]).parameters.values() if name in groups else [each])
    ]
    vars(ungrouped).update(__signature__=signature.replace(parameters=options))
    ungrouped.__annotations__ = {each.name: each.annotation for each in options}
    return ungrouped


@dataclass(frozen=True)
class SpaceOptions:
    """What is searched."""

    space: Annotated[
        str | None,
        typer.Argument(help="A space of `nas list spaces`, or module:function.", autocompletion=part_names(SPACES)),
    ] = None
    space_option: Annotated[
        str | None, typer.Option("--space", help="The same as the argument SPACE.", autocompletion=part_names(SPACES))
    ] = None
    model: Annotated[
        str | None,
        typer.Option(
            help="A model that you have, in place of a space: module:function, torchvision:NAME or timm:NAME."
        ),
    ] = None
    checkpoint: Annotated[
        Path | None, typer.Option(help="Its trained weights: safetensors, or a state_dict that torch.save wrote.")
    ] = None

    @property
    def settings(self) -> dict[str, Any]:
        space = self._space
        if self.model is not None:
            if space not in (None, OWN_MODEL):
                raise UsageError(
                    f"--model is '{self.model}', which is a space of its own, but space '{space}' is named too; drop "
                    "one of them."
                )
            space = OWN_MODEL
        elif self.checkpoint is not None:
            raise UsageError(f"--checkpoint is {self.checkpoint}, but no model has its weights; name it by --model.")
        checkpoint = None if self.checkpoint is None else str(self.checkpoint.absolute())
        return {"space": space, "space_args.model": self.model, "space_args.checkpoint": checkpoint}

    @property
    def _space(self) -> str | None:
        if self.space and self.space_option and self.space != self.space_option:
            raise UsageError(
                f"the space is given twice, as '{self.space}' and as --space {self.space_option}; drop one of them."
            )
        return self.space or self.space_option


@dataclass(frozen=True)
class TaskOptions:
    """What networks learn from."""

    task: Annotated[
        str | None,
        typer.Option(
            help="Data and what to make of them: see `nas list tasks`, or module:function.",
            autocompletion=part_names(TASKS),
        ),
    ] = None
    data: Annotated[str | None, typer.Option(hidden=True, help="The old name of --task.")] = None
    data_dir: Annotated[Path | None, typer.Option(help="Folder with the files of the task's data.")] = None
    image_size: Annotated[int | None, typer.Option(help="Resize images to this height and width.")] = None

    @property
    def settings(self) -> dict[str, Any]:
        if self.task and self.data and self.task != self.data:
            raise UsageError(
                f"the task is given twice, as --task {self.task} and as --data {self.data}, its old name; drop --data."
            )
        return {"task": self.task or self.data, "data_dir": self.data_dir, "image_size": self.image_size}


@dataclass(frozen=True)
class LatencyOptions:
    """Where latency comes from: a target, or a table with its column, perhaps in another unit."""

    target: Annotated[
        str | None,
        typer.Option(
            help="Where latency is measured: see `nas list targets`, or the name of an imported device.",
            autocompletion=part_names(TARGETS),
        ),
    ] = None
    dtype: Annotated[
        str | None, typer.Option(help="What networks compute in, measured and as the file: such as float16 or int8.")
    ] = None
    batch: Batch = None
    table: Annotated[
        Path | None,
        typer.Option(
            help="Latencies that exist already, as CSV or parquet, in place of a target; nothing is measured."
        ),
    ] = None
    column: Annotated[str | None, typer.Option(help="The table's column with latencies.")] = None
    unit: Annotated[
        str | None, typer.Option(help="Of the table's latencies: ns, us, ms (default), s, min, or how many ms one is.")
    ] = None

    @property
    def settings(self) -> dict[str, Any]:
        table, column, unit, target = self.table, self.column, self.unit, self.target
        if (table is None) != (column is None):
            raise UsageError(
                "a table needs its column of latencies: give --table FILE and --column NAME together "
                "(what a device pack measured: nas device import FILE --target NAME)."
            )
        if table and target:
            raise UsageError(f"latency comes from the table {table} or from target '{target}'; drop one of them.")
        if table and not is_table(str(table)):
            raise UsageError(f"table {table} is neither a .csv nor a .parquet file; convert it to one of them.")
        if unit and not table:
            raise UsageError(
                f"--unit is '{unit}', but there is no column that it is of; give --table and --column too."
            )
        options = {"column": column, "unit": unit} if unit else {"column": column}
        return {
            "target": str(table) if table else target,
            "target_args": options if column else None,
            "dtype": self.dtype,
            "latency_batch": self.batch,
        }


@dataclass(frozen=True)
class PlaceOptions:
    """Where the work of a run is done."""

    workers: Workers = None
    ray: Ray = None
    gpus_per_worker: GpusPerWorker = None
    train_workers: TrainWorkers = None
    measure_on: MeasureOn = None

    @property
    def settings(self) -> dict[str, Any]:
        there = {"address": self.ray, "gpus_per_worker": self.gpus_per_worker, "train_workers": self.train_workers}
        there["measure_on"] = self.measure_on
        return {"workers": self.workers, **{f"ray.{key}": value for key, value in there.items()}}
