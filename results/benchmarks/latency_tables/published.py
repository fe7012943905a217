"""Published latency tables, encoded as `nas profile` encodes the architectures of a space."""

import copy
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from nas.hardware import Catalogue, feature_table
from nas.predictors import Encoding
from nas.predictors.samples import Array
from nas.space import Architecture, Notation, Space
from nas.supernet import Supernet
from search_spaces import nasbench201, once_for_all

__all__ = ["DEVICES", "Published", "nasbench201_table", "once_for_all_table"]

DATA = Path(os.environ.get("NAS_SHARED_DATA", "data"))
DEGENERATE_MS = 0.05  # cells of pixel3 and raspi4 without a single live operation

# device: (platform, how the numbers came to be). Batch sizes of one device are one platform.
GPUS = ("1080ti", "2080ti", "titan_rtx", "titanx", "titanxp", "titan_xp", "v100")
DEVICES = {f"{gpu}_{batch}": (gpu, "measured") for gpu in GPUS for batch in (1, 32, 64, 256)} | {
    "gold_6226": ("gold_6226", "measured"),
    "gold_6240": ("gold_6240", "measured"),
    "silver_4114": ("silver_4114", "measured"),
    "silver_4210r": ("silver_4210r", "measured"),
    "pixel3": ("pixel3", "measured"),
    "raspi4": ("raspi4", "measured"),
    "pixel2": ("pixel2", "whole ms"),
    "essential_ph_1": ("essential_ph_1", "whole ms"),
    "samsung_a50": ("samsung_a50", "whole ms"),
    "samsung_s7": ("samsung_s7", "whole ms"),
    "eyeriss": ("eyeriss", "simulated"),
    "fpga": ("fpga", "simulated"),
}


@dataclass(frozen=True)
class Published:
    """Latencies of devices on the architectures of one space.

    Attributes:
        space: its name.
        X: ``[architectures, columns]``, one-hot choices first, FLOPs the first column after them.
        one_hot: how many columns are choices.
        latencies: device → milliseconds ``[architectures]``.
        twins: ``[architectures]``, a number for each group of isomorphic networks that do the same work.
    """

    space: str
    X: Array
    one_hot: int
    latencies: dict[str, Array]
    twins: np.ndarray

    def valid(self, devices: Sequence[str]) -> np.ndarray:
        """Rows where every one of the devices has a real latency."""
        return np.flatnonzero(np.stack([self.latencies[device] > DEGENERATE_MS for device in devices]).all(0))


def nasbench201_table() -> Published:
    """The cells of NAS-Bench-201 on 27 devices."""
    facts, latencies = read("nasbench201/nb201.parquet"), read("help_latency/help_nasbench201.parquet")
    if not (facts["idx"].to_numpy() == latencies["idx"].to_numpy()).all():
        sys.exit("nb201.parquet and help_nasbench201.parquet list different architectures; fetch both again.")
    supernet = Supernet(nasbench201.nasbench201())
    encoding = Encoding(supernet.space, feature_table(Catalogue(supernet, (3, 32, 32))))
    X = encoding(architectures(facts, supernet.space, nasbench201.NOTATION))
    work = pd.DataFrame(X[:, encoding.one_hot :]).round(3).assign(cell=facts["unique_repr"])
    twins = work.groupby(list(work.columns)).ngroup().to_numpy()
    return Published("nasbench201", X, encoding.one_hot, columns_of(latencies), twins)


def once_for_all_table() -> Published:
    """Once-for-all networks on 12 devices; the resolution is one choice more, and its square one feature more."""
    frame, notation = read("help_latency/help_ofa.parquet"), once_for_all.NOTATION
    supernet = Supernet(once_for_all.once_for_all())
    catalogue = Catalogue(supernet, (3, 224, 224))
    resolutions = frame[notation.input_size].to_numpy()
    parts = []
    for resolution in np.unique(resolutions):
        rows = frame[resolutions == resolution]
        encoding = Encoding(supernet.space, feature_table(resized(catalogue, int(resolution))))
        encoded = encoding(architectures(rows, supernet.space, notation))
        parts.append(pd.DataFrame(encoded, rows.index, encoding.columns))
    encoded = pd.concat(parts).loc[frame.index].to_numpy()
    choices, sums = np.hsplit(encoded, [len(supernet.space.columns)])
    one_hot = np.hstack([choices, resolutions[:, None] == np.unique(resolutions)])
    X = np.hstack([one_hot, sums, (resolutions[:, None] / 224) ** 2])
    return Published("once-for-all", X, one_hot.shape[1], columns_of(frame), np.arange(len(frame)))


def resized(catalogue: Catalogue, size: int) -> Catalogue:
    """The catalogue for images of another size: each block's inputs shrink alike, since all strides round up."""
    full = catalogue.example.shape[-1]

    def shrunk(tensor: torch.Tensor) -> torch.Tensor:
        return tensor.new_empty((*tensor.shape[:2], *(math.ceil(size * side / full) for side in tensor.shape[2:])))

    other = copy.copy(catalogue)
    other.blocks = [replace(block, inputs=tuple(map(shrunk, block.inputs))) for block in catalogue.blocks]
    return other


def read(name: str) -> pd.DataFrame:
    path = DATA / name
    if not path.exists():
        sys.exit(f"{path} does not exist; set NAS_SHARED_DATA to the folder that holds {name}.")
    return pd.read_parquet(path)


def architectures(frame: pd.DataFrame, space: Space, notation: Notation) -> list[Architecture]:
    cells = (frame[column] for column in notation.columns)
    return [space.architecture(notation.parse(*values)) for values in zip(*cells, strict=True)]


def columns_of(frame: pd.DataFrame) -> dict[str, Array]:
    prefix = "lat_ms__"
    return {
        name.removeprefix(prefix): frame[name].to_numpy(np.float64) for name in frame.columns if name.startswith(prefix)
    }
