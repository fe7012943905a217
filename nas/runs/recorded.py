"""Targets that are tables: published measurements, and what came back from a board."""

from pathlib import Path

from nas.errors import UsageError
from nas.hardware import Recorded, read_measurements
from nas.runs.config import RunConfig
from nas.runs.tables import Measured, read_table
from nas.space import Space, find_notation

__all__ = ["is_table", "read_recorded"]

_ENDINGS = (".csv", ".parquet")


def is_table(target: str) -> bool:
    """Whether a target is a file of measurements, not a runtime."""
    return target.endswith(_ENDINGS)


def read_recorded(config: RunConfig, space: Space, input_size: int) -> Recorded:
    """The measurements that ``config.target`` names, of the column that ``target_args`` names or of a board.

    Raises:
        UsageError: the file is missing or damaged, or its rows do not belong to the space.
    """
    path, options = Path(config.target), dict(config.target_args)
    column = options.pop("column", None)
    if options:
        raise UsageError(f"target_args names '{next(iter(options))}', but a table of measurements has only 'column'.")
    if column is None:
        return _of_board(path, space)
    measured, *known = (_read(path, each, space, config.space, input_size) for each in (column, *config.profile.known))
    return Recorded(
        name=str(column),
        about=f"column {column} of {path}",
        latencies=_by_key(measured),
        noise_floor=measured.noise_floor,
        known={each.column: _by_key(each) for each in known},
    )


def _of_board(path: Path, space: Space) -> Recorded:
    board = read_measurements(path, space, target=path.parent.name)
    first = board.measurements[0]
    return Recorded(
        name=path.parent.name,
        about=f"{first.device}, threads {first.threads}, batch {first.batch}, {first.dtype}",
        latencies={
            architecture.key: measurement.latency_ms
            for architecture, measurement in zip(board.architectures, board.measurements, strict=True)
        },
        noise_floor=board.noise_floor,
    )


def _read(path: Path, column: str, space: Space, name: str, input_size: int) -> Measured:
    return read_table(path, column, space, find_notation(name), input_size)


def _by_key(measured: Measured) -> dict[str, float]:
    return {
        architecture.key: float(latency)
        for architecture, latency in zip(measured.architectures, measured.latencies, strict=True)
    }
