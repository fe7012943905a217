"""Tables of latencies that nobody had to measure, for the tiny space of these tests."""

import csv
import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from nas.hardware.board_run import COLUMNS

__all__ = ["DEVICES", "OPERATIONS", "board_rows", "write_board", "write_table"]

OPERATIONS = ("identity", "mb3_k3", "mb6_k5")
DEVICES = ("alpha", "beta", "gamma", "delta")


def latencies(layers: int = 3) -> dict[str, list[float]]:
    """JSON of an architecture → its milliseconds on each device: a sum over layers, devices much alike."""
    rng = np.random.default_rng(0)
    costs = rng.uniform(0.1, 1.0, (layers, len(OPERATIONS)))
    speeds = [costs * rng.uniform(0.8, 1.2, costs.shape) * (1 + place) for place in range(len(DEVICES))]
    found = {}
    for chosen in product(range(len(OPERATIONS)), repeat=layers):
        key = json.dumps({f"layer{layer}": OPERATIONS[operation] for layer, operation in enumerate(chosen)})
        found[key] = [1 + float(sum(speed[range(layers), chosen])) for speed in speeds]
    return found


def write_table(file: Path, rows: int | None = None) -> Path:
    """A CSV file with the column ``architecture`` and one for each device."""
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["architecture", *DEVICES])
        writer.writerows([key, *values] for key, values in list(latencies().items())[:rows])
    return file


def board_rows(setup: dict[str, Any], count: int = 20) -> list[dict[str, Any]]:
    """What ``run.py`` would have written of a pack with that setup, three networks twice."""
    same = {"spread_ms": 0.01, "repeats": 50, "reference_ms": 2.0, "threads": 1, "batch": 1, "dtype": "float32"}
    same |= {"device": "Toy Board", "versions": '{"onnxruntime": "1.0"}', "pack": "0123", "setup": json.dumps(setup)}
    measured = list(latencies().items())[-count:]
    first = [{"architecture": key, "latency_ms": values[0], "repeat": 0, **same} for key, values in measured]
    return first + [{**row, "latency_ms": row["latency_ms"] * 1.02, "repeat": 1} for row in first[:3]]


def write_board(file: Path, rows: list[dict[str, Any]]) -> Path:
    """A ``measurements.csv``."""
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return file
