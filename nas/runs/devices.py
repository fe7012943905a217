"""Devices without this package: networks go there in a pack, measurements come back as a table."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from nas.errors import UsageError
from nas.files import write_file
from nas.hardware import Catalogue, feature_table, read_setup, write_pack
from nas.predictors import Encoding
from nas.runs.bench import Bench
from nas.runs.config import RunConfig, resolve
from nas.runs.folder import RunFolder
from nas.runs.known import transfer_predictor
from nas.runs.profiling import run_profile
from nas.runs.progress import Progress, Silent
from nas.space import Architecture

__all__ = ["device_table", "import_measurements", "pack_space"]

_CARRIED = ("space", "space_args", "data", "data_dir", "image_size", "limit", "seed")


def device_table(results: Path, name: str) -> Path:
    """Where the measurements of an imported device are kept."""
    return results / "devices" / name / "measurements.csv"


def pack_space(config: RunConfig, out: Path, networks: int, progress: Progress | None = None) -> dict[str, Any]:
    """Writes a device pack with networks of a space: the smallest, the largest and random ones.

    Where ``profile.known`` names known devices, they are those that tell these devices apart best.

    Returns:
        ``pack`` (its path), ``space`` and ``networks`` (their number).

    Raises:
        UsageError: the configuration does not fit together, or ``out`` cannot be written.
    """
    bench = Bench(config)
    chosen = _networks(bench, networks)
    carried = config.model_dump(mode="json", include=set(_CARRIED))
    setup = {"config": carried, "input_shape": bench.data.input_shape, "fingerprint": bench.space.fingerprint}
    with (progress or Silent()).task(f"Packing {len(chosen)} networks of {config.space}", len(chosen)) as task:
        path = write_pack(
            out,
            _Extracted(bench, chosen),
            bench.supernet.extract(bench.space.largest()),
            bench.data.input_shape,
            setup,
            batch=config.latency_batch,
            progress=task.update,
        )
    return {"pack": str(path), "space": config.space, "networks": len(chosen)}


def import_measurements(
    table: Path, name: str, results: Path, values: Mapping[str, Any], progress: Progress | None = None
) -> dict[str, Any]:
    """Keeps what a board measured as a target of its own, and fits its latency predictor.

    Args:
        table: the ``measurements.csv`` that came back.
        name: of the device from now on.
        results: folder of the runs; the device is kept below ``devices/<name>``.
        values: settings of the profile, such as constraints.

    Returns:
        What :func:`nas.runs.run_profile` tells.

    Raises:
        UsageError: the name is taken or not fit for a folder, or the table is damaged or of another space.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name) or name.endswith((".csv", ".parquet")):
        raise UsageError(f"device name {name!r} cannot name a folder; use letters, digits, '-' and '_'.")
    kept = device_table(results, name)
    if kept.parent.exists():
        raise UsageError(
            f"device '{name}' is already in {kept.parent}; choose another --target, or delete that folder."
        )
    setup = read_setup(table)
    if not isinstance(setup.get("config"), dict):
        raise UsageError(f"{table}: column 'setup' tells no space; import what the run.py of a device pack wrote.")
    carried = {**setup["config"], **values}
    bench = Bench(resolve({**carried, "target": str(table)}, str(table)))
    if bench.space.fingerprint != setup.get("fingerprint"):
        raise UsageError(
            f"{table} was measured on another version of space '{bench.config.space}'; pack it and measure again."
        )
    config = resolve({**carried, "target": str(kept)}, str(table))
    folder = RunFolder(kept.parent)
    folder.create(config)
    write_file(kept, table.read_bytes())
    return run_profile(config, folder, progress)


def _networks(bench: Bench, count: int) -> list[Architecture]:
    if not bench.config.profile.known:
        drawn = [bench.space.sample([bench.config.seed, number]) for number in range(4 * count)]
        return list(dict.fromkeys([bench.space.smallest(), bench.space.largest(), *drawn]))[:count]
    encoding = Encoding(bench.space, feature_table(Catalogue(bench.supernet, bench.data.input_shape)))
    places = transfer_predictor(bench, encoding).choose(encoding(bench.samples), count, bench.config.seed)
    return [bench.samples[place] for place in np.sort(places)]


class _Extracted(Mapping[str, nn.Module]):
    """The networks of architectures by their key, each extracted when it is asked for."""

    def __init__(self, bench: Bench, architectures: list[Architecture]) -> None:
        self.bench, self.architectures = bench, {each.key: each for each in architectures}

    def __getitem__(self, key: str) -> nn.Module:
        return self.bench.supernet.extract(self.architectures[key])

    def __iter__(self) -> Iterator[str]:
        return iter(self.architectures)

    def __len__(self) -> int:
        return len(self.architectures)
