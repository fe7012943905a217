"""A table of devices that nobody had to measure, and the profile of one of them."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nas.setup import Setup, resolve

__all__ = ["DEVICES", "setup_of", "write_devices"]

DEVICES = ("alpha", "beta", "gamma", "new")
_OPERATIONS = ("identity", "mb3_k3", "mb6_k5")
_LAYERS = 6


def write_devices(folder: Path, neighbours: float = 0.0) -> Path:
    """Latencies of all 729 architectures on devices much alike.

    Args:
        neighbours: what two equal neighbouring layers cost beside the sum over layers.
    """
    rng = np.random.default_rng(0)
    architectures = np.array(list(product(range(len(_OPERATIONS)), repeat=_LAYERS)))
    common = np.hstack([np.zeros((_LAYERS, 1)), rng.uniform(0.3, 1.0, (_LAYERS, 2))])
    equal = (architectures[:, 1:] == architectures[:, :-1]).sum(1)
    names = [{f"layer{layer}": _OPERATIONS[each] for layer, each in enumerate(row)} for row in architectures]
    columns: dict[str, Any] = {"architecture": [json.dumps(each) for each in names]}
    for place, device in enumerate(DEVICES):
        costs = (1 + place) * common * rng.uniform(0.8, 1.2, common.shape)
        columns[device] = (1 + place) * (1 + neighbours * equal) + costs[np.arange(_LAYERS), architectures].sum(1)
    file = folder / "devices.csv"
    pd.DataFrame(columns).to_csv(file, index=False)
    return file


def setup_of(table: Path, seed: int = 0, device: str = "new", **profile: Any) -> Setup:
    """What a profile of that device is made from."""
    config = {
        "space": "chain",
        "space_args": {"layers": [2, 2, 2], "width": 4, "head": 16},
        "target": str(table),
        "target_args": {"column": device},
        "data": "digits",
        "limit": 200,
        "seed": seed,
        "profile": profile,
    }
    return Setup(resolve(config, "test"))
