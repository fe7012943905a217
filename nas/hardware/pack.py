"""A device pack: networks and a script that measures them on a board that has no PyTorch."""

import hashlib
import json
import random
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nas.errors import UsageError
from nas.export import static_onnx
from nas.files import whole_file
from nas.hardware import board_run
from nas.space import Architecture

__all__ = ["write_pack"]

_REFERENCE = "networks/reference.onnx"
_README = """\
Copy this folder to the device and install there: pip install onnxruntime numpy
Measure with: python run.py   (--help lists the options; stop it at any time, the same command goes on)
Bring measurements.csv back and run: nas device import measurements.csv --target my-board
"""
_TWICE_SHARE, _TWICE_LEAST = 0.1, 3
_LONGEST_SETUP = 100_000  # characters; Python's csv module reads no cell beyond 131,072


def write_pack(
    path: str | Path,
    networks: Mapping[str, nn.Module],
    reference: nn.Module,
    input_shape: Sequence[int],
    setup: Mapping[str, Any],
    *,
    batch: int = 1,
    input_dtype: torch.dtype = torch.float32,
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Write the zip that a user copies to a board, and return its path.

    It holds one folder named like the zip, with ``run.py``, ``manifest.json``, ``README.txt`` and an ONNX file of a
    fixed batch size for each network. Equal arguments give equal bytes; the file is there whole or not at all.

    Args:
        path: ends in ``.zip``; an old file is replaced.
        networks: JSON text of an architecture (:attr:`nas.space.Architecture.key`) → its network. Each is taken
            once and let go, so a mapping that makes them when asked keeps one at a time in memory.
        reference: measured between all others, so that drift of the board is divided out.
        input_shape: one example's shape without the batch.
        setup: plain JSON values that describe the space; they come back with every measurement.
        batch: examples in one call.
        input_dtype: type of the input, ``torch.int64`` for token ids.
        progress: told the number of networks written so far.

    Raises:
        UsageError: an argument is wrong or a network cannot be exported.
        OSError: the file cannot be written; the old file is still there.
    """
    path = Path(path)
    _require_arguments(path, networks, setup, batch)
    files: dict[str, str] = {}
    names = {key: f"networks/{number:04d}.onnx" for number, key in enumerate(networks)}

    def add(name: str, network: nn.Module) -> None:
        model = static_onnx(network, input_shape, batch=batch, dtype=input_dtype)
        files[name] = hashlib.sha256(model).hexdigest()
        _add(archive, f"{path.stem}/{name}", model)

    with whole_file(path) as file, zipfile.ZipFile(file, "w") as archive:
        add(_REFERENCE, reference)
        for count, (key, name) in enumerate(names.items(), 1):
            add(name, networks[key])
            if progress is not None:
                progress(count)
        content = {
            "setup": dict(setup),
            "input_shape": list(input_shape),
            "input_dtype": str(input_dtype).removeprefix("torch."),
            "batch": batch,
            "dtype": _weights_dtype(reference),
            "versions": {"torch": torch.__version__},
        }
        identity = hashlib.sha256(json.dumps([content, names, files], sort_keys=True).encode()).hexdigest()[:12]
        manifest = {"pack": identity, **content, "reference": _REFERENCE, "networks": _entries(names, identity)}
        _add(archive, f"{path.stem}/{board_run.MANIFEST}", json.dumps(manifest, indent=1).encode())
        _add(archive, f"{path.stem}/run.py", Path(board_run.__file__).read_bytes())
        _add(archive, f"{path.stem}/README.txt", _README.encode())
    return path


def _require_arguments(path: Path, networks: Mapping[str, nn.Module], setup: Mapping[str, Any], batch: int) -> None:
    if path.suffix.lower() != ".zip":
        raise UsageError(f"device pack '{path}' has no name that ends in .zip; call it '{path.name}.zip'.")
    if not networks:
        raise UsageError(f"device pack '{path}' has no networks; give at least one.")
    if not isinstance(batch, int) or batch < 1:
        raise UsageError(f"batch of device pack '{path}' is {batch!r}; give a whole number from 1.")
    for key in networks:
        Architecture.from_json(key)
    try:
        length = len(json.dumps(dict(setup), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise UsageError(f"setup of device pack '{path}' is no plain JSON ({error}); give texts and numbers.") from None
    if length > _LONGEST_SETUP:
        raise UsageError(
            f"setup of device pack '{path}' has {length} characters, but every measurement carries it and "
            f"{_LONGEST_SETUP} is the most; describe the space by its name and arguments."
        )


def _entries(names: Mapping[str, str], seed: str) -> list[dict[str, Any]]:
    """A line of the manifest for each network; a random tenth, at least three, is to be measured twice."""
    count = min(len(names), max(_TWICE_LEAST, round(_TWICE_SHARE * len(names))))
    twice = set(random.Random(seed).sample(list(names), count))
    return [{"architecture": key, "file": file, "twice": key in twice} for key, file in names.items()]


def _weights_dtype(network: nn.Module) -> str:
    dtypes = [each.dtype for each in network.parameters() if each.is_floating_point()] or [torch.float32]
    return str(dtypes[0]).removeprefix("torch.")


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    """Stored with the zip format's first date and plain permissions, so that only the content decides the bytes."""
    entry = zipfile.ZipInfo(name)
    entry.create_system = 3
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, content)
