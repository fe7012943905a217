import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nas.report import LatencyContent, ReportContent


def network(latency: float, accuracy: float) -> dict[str, Any]:
    return {
        "architecture": {"stage.kernel": 3},
        "accuracy": accuracy,
        "accuracy_low": accuracy - 0.01,
        "accuracy_high": accuracy + 0.01,
        "latency_ms": latency,
        "latency_spread_ms": 0.02,
        "params": int(latency * 1e6),
        "flops": int(latency * 5e7),
        "peak_memory_bytes": int(latency * 2e5),
    }


def table(rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    latency = rng.uniform(0.5, 3.0, rows)
    accuracy = 0.6 + 0.08 * latency + rng.normal(0, 0.01, rows)
    return pd.DataFrame(
        {
            "id": range(rows),
            "architecture": [json.dumps({"stage.kernel": 3, "row": row}) for row in range(rows)],
            "accuracy": accuracy,
            "params": latency * 1e6,
            "flops": latency * 5e7,
            "latency_ms": latency,
            "measured_latency_ms": np.nan,
            "feasible": latency <= 2.0,
            "pareto": False,
        }
    )


@pytest.fixture(name="table")
def table_fixture() -> Callable[[int, int], pd.DataFrame]:
    return table


@pytest.fixture
def content() -> ReportContent:
    blocks = [
        {"path": "stem", "kind": "Conv2d", "choices": {}, "skipped": False, "params": 432, "flops": 9e5},
        {"path": "stage.0", "kind": "Block", "choices": {"kernel": 5}, "skipped": False, "params": 4000, "flops": 3e6},
        {"path": "stage.1", "kind": "Block", "choices": {"kernel": 3}, "skipped": True, "params": 0, "flops": 0},
    ]
    baseline = table(20, 1)
    return ReportContent(
        title="demo",
        summary={
            "space": "mobilenet",
            "method": "once-for-all",
            "constraints": ["latency_ms <= 2", "gibberish"],
            "seed": 3,
            "command": "nas run --seed 3",
            "versions": {"torch": "2.13.0"},
            "seconds": {"train": 75.0, "search": 30.0},
            "config": "seed: 3\n",
        },
        best=network(1.9, 0.80) | {"test_accuracy": 0.79},
        largest=network(4.0, 0.85) | {"test_accuracy": 0.84},
        front=[network(1.9, 0.80), network(0.6, 0.70)],
        candidates=table(40, 0),
        random=baseline[baseline.feasible],
        epochs=[{"epoch": epoch, "loss": 2.0 / epoch, "loss_largest": 1.0 / epoch} for epoch in (1, 2, 3)],
        blocks=[block | {"output_shape": [16, 8, 8]} for block in blocks],
        notes=["Batch norm was recalibrated."],
    )


@pytest.fixture
def changed(content: ReportContent) -> Callable[..., ReportContent]:
    """The content with some fields replaced."""
    return lambda **fields: dataclasses.replace(content, **fields)


BITS = {
    "accuracy": "bits_per_character",
    "accuracy_low": "bits_per_character_high",
    "accuracy_high": "bits_per_character_low",
    "test_accuracy": "test_bits_per_character",
}


@pytest.fixture
def minimised(content: ReportContent) -> ReportContent:
    """The same networks evaluated by bits per character, 3 less their accuracy."""

    def in_bits(row: Mapping[str, Any]) -> dict[str, Any]:
        return {BITS.get(name, name): 3 - value if name in BITS else value for name, value in row.items()}

    candidates, random = (
        table.assign(accuracy=3 - table["accuracy"]).rename(columns=BITS)
        for table in (content.candidates, content.random)
    )
    return dataclasses.replace(
        content,
        metric="bits_per_character",
        maximise=False,
        best=in_bits(content.best),
        largest=in_bits(content.largest),
        front=[in_bits(network) for network in content.front],
        candidates=candidates,
        random=random,
        epochs=[{**epoch, "images_per_second": 1200.0} for epoch in content.epochs],
        examples="windows",
    )


@pytest.fixture
def feasible() -> dict[str, Any]:
    """Two costs and two constraints of a space, as :func:`nas.latency.feasibility_report` tells them."""
    named = {"id": "0123456789", "architecture": {"stage.kernel": 3}}
    cost = {"architectures": dict.fromkeys(("smallest", "median", "largest"), named)}
    return {
        "architectures": 12,
        "sampled": 12,
        "exact": True,
        "costs": {
            "params": {"smallest": 1e6, "median": 2e6, "largest": 3e6}
            | {**cost, "histogram": {"edges": [1e6, 2e6, 3e6], "counts": [6, 6]}},
            "latency_ms": {"smallest": 0.5, "median": 1.0, "largest": 2.5}
            | {**cost, "histogram": {"edges": [0.5, 1.5, 2.5], "counts": [3, 9]}},
        },
        "satisfied": {"latency_ms <= 50% of largest": 0.5, "latency_ms <= 0.1": 0.0},
        "constraints": {
            "latency_ms <= 50% of largest": {"metric": "latency_ms", "bound": 1.25, "share": 0.5}
            | {"low": 0.41, "high": 0.59, "met": True, "nearest": None},
            "latency_ms <= 0.1": {"metric": "latency_ms", "bound": 0.1, "share": 0.0}
            | {"low": 0.0, "high": 0.0, "met": False, "nearest": 0.5},
        },
    }


@pytest.fixture
def latency(feasible: dict[str, Any]) -> LatencyContent:
    return LatencyContent(
        target="a CPU",
        measured=[1.0, 2.0, 4.0],
        predicted=[1.04, 1.8, 4.0],
        trained=48,
        noise_floor=0.05,
        errors={"mape": 0.047, "within_10pct": 0.93, "spearman": 1.0},
        predictors=[
            {"kind": "linear", "within_10pct": 0.93, "spearman": 1.0, "mape": 0.047, "chosen": True},
            {"kind": "lookup", "within_10pct": 0.5, "spearman": 0.9, "mape": None, "chosen": False},
        ],
        front=[
            {"id": "b", "flops": 3e6, "latency_ms": 3.0, "latency_spread_ms": 0.02, "predicted_latency_ms": 3.3},
            {"id": "a", "flops": 1e6, "latency_ms": 0.9},
        ],
        feasibility=feasible,
    )
