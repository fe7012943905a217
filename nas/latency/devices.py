"""Devices without this package: networks go there in a pack, measurements come back as a table."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from nas.errors import UsageError, did_you_mean
from nas.export import reading
from nas.files import write_file
from nas.hardware import TARGETS, write_pack
from nas.latency.imported import device_table
from nas.latency.profile import write_profile
from nas.latency.transfer import transfer_predictor
from nas.predictors import Encoding
from nas.setup.config import RunConfig
from nas.setup.folder import RunFolder
from nas.setup.names import is_table
from nas.setup.progress import Progress, Silent
from nas.setup.recorded_targets import packed_setup
from nas.setup.resolution import resolve
from nas.setup.run_setup import Setup
from nas.setup.trust import is_sealed, reached, seal
from nas.setup.values import renamed
from nas.space import Architecture
from nas.streams import Stream, rng
from nas.wording import counted

__all__ = ["import_measurements", "pack_space"]

_CARRIED = ("space", "space_args", "task", "data_dir", "image_size", "length", "limit", "seed", "export")
_SEALED = "device pack"


def pack_space(config: RunConfig, out: Path, networks: int, progress: Progress | None = None) -> dict[str, Any]:
    """Writes a device pack with networks of a space: the smallest, the largest and random ones.

    Where ``profile.known`` names known devices, they are those that tell these devices apart best. A space that has
    fewer networks gives all that were found.

    Returns:
        ``pack`` (its path), ``space`` and ``networks`` (their number).

    Raises:
        UsageError: the configuration does not fit together, or asks for what no pack can carry.
        OSError: ``out`` cannot be written.
    """
    _check_carried(config)
    setup, progress = Setup(config), progress or Silent()
    chosen = _networks(setup, networks)
    if len(chosen) < networks:
        progress.say(
            f"Space '{config.space}' gave {counted(len(chosen), 'different network')}, fewer than the {networks} asked "
            "for."
        )
    settings = config.model_dump(mode="json", include=set(_CARRIED))
    carried = {
        "config": settings,
        "seal": seal(_SEALED, resolve(settings, _SEALED)),
        "input_shape": setup.data.input_shape,
        "fingerprint": setup.space.fingerprint,
    }
    with progress.task(f"Packing {counted(len(chosen), 'network')} of {config.space}", len(chosen)) as task:
        path = write_pack(
            out,
            _Extracted(setup, chosen),
            reading(setup.supernet.extract(setup.space.largest()), setup.inputs),
            setup.data.input_shape,
            carried,
            batch=config.latency_batch,
            input_dtype=setup.inputs.dtype,
            progress=task.update,
        )
    return {"pack": str(path), "space": config.space, "networks": len(chosen)}


def import_measurements(
    table: Path,
    name: str,
    results: Path,
    values: Mapping[str, Any],
    progress: Progress | None = None,
    *,
    trusted: bool = False,
) -> dict[str, Any]:
    """Keeps what a board measured as a target of its own, and fits its latency predictor.

    An import that was interrupted goes on where it is begun again.

    Args:
        table: the ``measurements.csv`` that came back.
        name: of the device from now on.
        results: folder of the runs; the device is kept below ``devices/<name>``.
        values: settings of the profile, such as constraints.
        trusted: whether functions that the table names may be imported and called; those that this user packed, or
            that ``values`` name too, are in any case.

    Returns:
        What :func:`nas.latency.run_profile` tells.

    Raises:
        UsageError: the name is taken or not fit for a folder, the table is damaged, of another space or names what it
            may not, the folder of the data is not here, or an interrupted import had other settings.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name) or is_table(name):
        raise UsageError(f"device name {name!r} cannot name a folder; use letters, digits, '-' and '_'.")
    if name in TARGETS:
        raise UsageError(f"device name '{name}' is that of a target of this machine; choose another --target.")
    kept = device_table(results, name)
    if (kept.parent / "profile.json").exists():
        raise UsageError(
            f"device '{name}' is already in {kept.parent}; choose another --target, or delete that folder."
        )
    carried = {"constraints": [], **_carried(table, values, trusted), **values}
    _check_data_dir(table, carried.get("data_dir"))
    Setup(resolve({**carried, "target": str(table)}, str(table)))
    config = resolve({**carried, "target": str(kept)}, str(table))
    folder = RunFolder(kept.parent)
    with folder.begin(config, "profile"):
        write_file(kept, table.read_bytes())
        return write_profile(Setup(config), folder, progress or Silent())


def _carried(table: Path, typed: Mapping[str, Any], trusted: bool) -> dict[str, Any]:
    """The settings of a space that a table tells; UsageError if it names others, or a function nobody asked for."""
    setup = packed_setup(table)
    carried = renamed(setup["config"], f"{table}, column 'setup'")
    for key in carried:
        if key not in _CARRIED:
            raise UsageError(
                f"{table}: column 'setup' names '{key}', which no device pack carries; {did_you_mean(key, _CARRIED)}"
            )
    config = resolve(carried, f"{table}, column 'setup'")
    foreign = {key: name for key, name in reached(config).items() if typed.get(key) is None}
    if foreign and not trusted and not is_sealed(_SEALED, config, setup.get("seal")):
        key, name = next(iter(foreign.items()))
        raise UsageError(
            f"{table} names {key} '{name}', which this would import and call, and was not packed by you here; leave it "
            f"alone unless you know what that is. If it is your own, say so by --set {key}=…; or give --trust if you "
            "trust whoever made the table."
        )
    return carried


def _check_carried(config: RunConfig) -> None:
    """Refuses settings of measurements that a pack cannot carry."""
    if config.dtype != "float32":
        raise UsageError(f"dtype is '{config.dtype}', but a device pack holds float32 networks; leave it out.")
    if config.extra:
        raise UsageError(
            f"extra names '{next(iter(config.extra))}', but the networks of a device pack all read inputs of one "
            "shape; leave it out, and give image_size to pack for another."
        )
    if config.threads != 1:
        raise UsageError(
            f"threads is {config.threads}, but a device pack leaves them to the device; leave it out, and give "
            f"--threads {config.threads} to the pack's run.py there."
        )
    if config.target_args:
        raise UsageError(
            f"target_args names '{next(iter(config.target_args))}', but a device pack runs on ONNX Runtime wherever it "
            "is copied; leave it out, and give --provider to the pack's run.py there."
        )


def _check_data_dir(table: Path, data_dir: Any) -> None:
    """Refuses a folder of data that was on the machine where the pack was made, but is not on this one."""
    if data_dir is not None and not Path(str(data_dir)).exists():
        raise UsageError(
            f"{table} is of a pack that was made with data_dir={data_dir}, which is not here; give --set "
            "data_dir=FOLDER with the folder that holds the same data on this machine."
        )


def _networks(setup: Setup, count: int) -> list[Architecture]:
    """``count`` different architectures, fewer where the space does not give so many."""
    known, seed = setup.config.profile.known, setup.config.seed
    number = max(4 * count, setup.config.profile.samples if known else 0)
    drawn = (setup.space.sample(rng(seed, Stream.DEVICE_PACK, each)) for each in range(number))
    everything = setup.space if setup.space.size <= count else drawn
    pool = list(dict.fromkeys([setup.space.smallest(), setup.space.largest(), *everything]))
    if not known:
        return pool[:count]
    encoding = Encoding(setup.space, setup.features())
    indices = transfer_predictor(setup, encoding).choose(encoding(pool), min(count, len(pool)), seed)
    return [pool[index] for index in np.sort(indices)]


class _Extracted(Mapping[str, nn.Module]):
    """The networks of architectures by their key as they are handed over, each made when it is asked for."""

    def __init__(self, setup: Setup, architectures: list[Architecture]) -> None:
        self.setup, self.architectures = setup, {each.key: each for each in architectures}

    def __getitem__(self, key: str) -> nn.Module:
        return reading(self.setup.supernet.extract(self.architectures[key]), self.setup.inputs)

    def __iter__(self) -> Iterator[str]:
        return iter(self.architectures)

    def __len__(self) -> int:
        return len(self.architectures)
