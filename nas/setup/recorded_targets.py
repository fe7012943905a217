"""Targets that are tables: published measurements, and what came back from a board."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas.errors import UsageError
from nas.hardware import Recorded, read_measurements, read_setup
from nas.hardware.board_run import COLUMNS
from nas.setup.config import RunConfig
from nas.setup.platforms import known_platforms
from nas.space import Space, find_notation
from nas.tables.latencies import Measured, read_table
from nas.wording import counted

__all__ = ["packed_setup", "read_recorded"]

_FEWEST = 6


def packed_setup(path: Path) -> dict[str, Any]:
    """The setup that a device pack carried, as its measurements tell it, with the settings of the space in ``config``.

    Raises:
        UsageError: the file is no table of measurements, or they do not tell of what space they are.
    """
    setup = read_setup(path)
    if not isinstance(setup.get("config"), dict):
        raise UsageError(f"{path}: column 'setup' names no space; import what the run.py of a device pack wrote.")
    return setup


def read_recorded(config: RunConfig, space: Space, input_shape: tuple[int, ...]) -> Recorded:
    """The measurements that ``config.target`` names, of the column that ``target_args`` names or of a board.

    Raises:
        UsageError: the file is missing, damaged or too short to learn from, its rows do not belong to the space, or
            they were measured with other settings than are asked for.
    """
    path, options = Path(config.target), dict(config.target_args)
    column, unit = options.pop("column", None), options.pop("unit", None)
    if options:
        raise UsageError(
            f"target_args names '{next(iter(options))}', but a table of measurements has only 'column' and 'unit'."
        )
    if column is None and unit is not None:
        raise UsageError(
            f"unit is {unit!r}, but {path} names no column; what a device pack measured is in milliseconds."
        )
    table = (
        _of_board(config, path, space, input_shape)
        if column is None
        else _of_column(config, column, unit or "ms", space, input_shape)
    )
    if len(table.latencies) < _FEWEST:
        raise UsageError(
            f"{path} has {counted(len(table.latencies), 'architecture')}, too few to learn latency from and to "
            f"judge by others; measure {_FEWEST} or more."
        )
    return table


def _of_column(
    config: RunConfig, column: str, unit: str | float, space: Space, input_shape: tuple[int, ...]
) -> Recorded:
    path, size = Path(config.target), input_shape[1] if len(input_shape) > 1 else None
    if _is_of_board(path):
        raise UsageError(
            f"{path} is what a device pack measured, which needs no column; make it a target with nas device "
            "import, and name that as --target."
        )
    _check_settings(config, {})
    names = (column, *known_platforms(config.profile.known))
    measured, *known = (read_table(path, each, space, find_notation(config.space), size, unit) for each in names)
    return Recorded(
        name=str(column),
        about=f"column {column} of {path}",
        latencies=_by_key(measured),
        noise_floor=measured.noise_floor,
        known={each.column: _by_key(each) for each in known},
        notes=[note for each in (measured, *known) for note in each.notes],
    )


def _of_board(config: RunConfig, path: Path, space: Space, input_shape: tuple[int, ...]) -> Recorded:
    if path.suffix.lower() != ".csv":
        raise UsageError(f"table {path} needs the name of its column of latencies; give --table {path} --column NAME.")
    _check_setup(config, path, space, input_shape)
    board = read_measurements(path, space, target=path.parent.name)
    first = board.measurements[0]
    _check_settings(config, {"dtype": first.dtype, "threads": first.threads, "latency_batch": first.batch})
    return Recorded(
        name=path.parent.name,
        about=f"{first.device}, threads {first.threads}, batch {first.batch}, {first.dtype}",
        latencies={
            architecture.key: measurement.latency_ms
            for architecture, measurement in zip(board.architectures, board.measurements, strict=True)
        },
        noise_floor=board.noise_floor,
        notes=board.notes,
    )


def _is_of_board(path: Path) -> bool:
    """Whether the first line of a file names the columns that ``run.py`` of a device pack writes."""
    if path.suffix.lower() != ".csv" or not path.is_file():
        return False
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        return set(COLUMNS) <= set(file.readline().strip().split(","))


def _check_setup(config: RunConfig, path: Path, space: Space, input_shape: tuple[int, ...]) -> None:
    """Refuses measurements of other networks than those of the run."""
    setup = packed_setup(path)
    packed = setup["config"]
    pairs = {
        "space": (packed.get("space"), config.space),
        "space_args": (packed.get("space_args"), config.model_dump(mode="json")["space_args"]),
        "input_shape": (setup.get("input_shape"), list(input_shape)),
    }
    for name, (theirs, ours) in pairs.items():
        if theirs != ours:
            raise UsageError(
                f"{path} was measured with {name} {theirs!r}, but this run has {ours!r}; "
                "give it the same, or pack this space and measure it on the device."
            )
    if setup.get("fingerprint") != space.fingerprint:
        raise UsageError(
            f"{path} was measured on another version of space '{config.space}'; pack it and measure again."
        )


def _check_settings(config: RunConfig, measured: Mapping[str, Any]) -> None:
    """Refuses settings that the measurements do not have; defaults stand for whatever was measured."""
    for name in ("dtype", "threads", "latency_batch"):
        value = getattr(config, name)
        if value not in (RunConfig.model_fields[name].default, measured.get(name)):
            raise UsageError(
                f"{name} is {value!r}, but target '{config.target}' is a table that "
                f"{f'was measured with {measured[name]!r}' if name in measured else 'does not say'}; leave it out."
            )


def _by_key(measured: Measured) -> dict[str, float]:
    return {
        architecture.key: float(latency)
        for architecture, latency in zip(measured.architectures, measured.latencies, strict=True)
    }
