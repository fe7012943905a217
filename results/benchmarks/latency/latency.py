"""How well latency is predicted on this machine, from at most 200 measured networks, on 200 others.

Run it on a machine that does nothing else: python results/benchmarks/latency/latency.py [SPACE-TARGET ...]
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nas.hardware import Catalogue, feature_table
from nas.latency import run_profile
from nas.latency.model import LatencyModel
from nas.predictors import (
    ArchitecturePredictor,
    Encoding,
    LinearPredictor,
    LookupPredictor,
    RegressionPredictor,
    choose_uncertain,
    prediction_errors,
)
from nas.setup import RunFolder, Setup, resolve
from nas.space import Architecture

HERE = Path(__file__).parent
SETUPS = [("mobilenet", "onnxruntime"), ("chain", "onnxruntime"), ("nasbench201", "onnxruntime"), ("mobilenet", "cpu")]
PROFILE = {"networks": 200, "held_out": 200, "repeats": 24, "samples": 640, "seconds": 160, "predictor": "all"}
FEW = 48
COLUMNS = ["within_5pct", "within_10pct", "spearman", "mape"]


def main() -> None:
    """Measures the setups that are named, or all, and puts them into the tables and figures."""
    named = sys.argv[1:] or [f"{space}-{target}" for space, target in SETUPS]
    for space, target in SETUPS:
        if f"{space}-{target}" in named:
            found = profile(space, target)
            write("latency.csv", found["rows"], ["space", "target"])
            write("few.csv", found["few"], ["space", "target"])
            write("million.csv", million(space), ["space"])


def profile(space: str, target: str) -> dict[str, Any]:
    """One run of `nas profile`, and the baselines on what it measured."""
    config = resolve({"space": space, "target": target, "image_size": 32, "profile": PROFILE}, space)
    with tempfile.TemporaryDirectory() as name:
        folder = RunFolder(Path(name) / "profile")
        run_profile(config, folder)
        setup = Setup(config)
        model = LatencyModel.load(folder.predictor, setup)
        measured = measurements(folder)
    draw(f"{space}-{target}", model.summary)
    names = set(model.summary["held_out"]["ids"])
    everything = [Architecture.from_json(key) for key in measured]
    held_out = [each for each in everything if each.id in names]
    trained = [each for each in everything if each.id not in names][-model.summary["samples"] :]
    common = {"space": space, "target": target, "trained": len(trained), "held_out": len(held_out)}
    common |= {name: model.summary[name] for name in ("noise_floor", "drift")}
    common |= {"minutes_measuring": model.summary["measuring_seconds"] / 60}
    flops = {"kind": "FLOPs", **flops_line(setup, trained, held_out, measured)}
    rows = [{**common, **each} for each in (flops, *model.summary["compared"])]
    few = few_networks(model, held_out, measured)
    return {"rows": rows, "few": [{"space": space, "target": target, **each} for each in few]}


def measurements(folder: RunFolder) -> dict[str, float]:
    """Latencies relative to the largest network by architecture key, second measurements left out."""
    lines = [json.loads(line) for line in folder.measurements.read_text().splitlines()]
    found = {line["network"]: line["measurement"]["latency_ms"] / line["measurement"]["reference_ms"] for line in lines}
    return {key: value for key, value in found.items() if not key.endswith(" again")}


def flops_line(
    setup: Setup, trained: list[Architecture], held_out: list[Architecture], measured: dict[str, float]
) -> dict[str, float]:
    """A straight line in the FLOPs."""
    X, X_new = (np.array([[setup.costs(each)["flops"] / 1e6] for each in part]) for part in (trained, held_out))
    line = LinearPredictor().fit(X, [measured[each.key] for each in trained])
    return scores(np.array([measured[each.key] for each in held_out]), line.predict(X_new)[0])


def few_networks(model: LatencyModel, drawn: list[Architecture], measured: dict[str, float]) -> list[dict[str, Any]]:
    """The regression from few of the randomly drawn networks, half of them chosen by predicted spread or none.

    Five seeds each; evaluated on those drawn networks among which none was chosen.
    """
    catalogue = Catalogue(model.setup.supernet, model.setup.data.input_shape)
    encoding = Encoding(model.setup.space, feature_table(catalogue))
    X, y = encoding(drawn), np.array([measured[each.key] for each in drawn])
    rows = []
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(len(drawn))
        pool, judges = order[: len(order) * 2 // 3], order[len(order) * 2 // 3 :]
        first, rest = pool[: FEW // 2], pool[FEW // 2 :]
        spread = np.concatenate([first, rest[choose_uncertain(X[rest], X[first], FEW - len(first))]])
        for name, chosen in (("by spread", spread), ("at random", pool[:FEW])):
            predicted = RegressionPredictor(encoding.one_hot).fit(X[chosen], y[chosen]).predict(X[judges])[0]
            rows.append({"chosen": name, "seed": seed, "networks": FEW, **scores(y[judges], predicted)})
    return rows


def million(space: str) -> list[dict[str, Any]]:
    """Seconds in which one process predicts a million architectures from an integer matrix."""
    setup = Setup(resolve({"space": space, "image_size": 32}, space))
    catalogue = Catalogue(setup.supernet, setup.data.input_shape)
    table = feature_table(catalogue, np.random.default_rng(0).random(len(catalogue.blocks)))
    everything, sums = Encoding(setup.space, table), Encoding(setup.space, table.part(["ms", "blocks"]))
    architectures = [setup.space.sample([0, number]) for number in range(200)]
    matrix = np.repeat(setup.space.indices(architectures), 5000, axis=0)
    rows = []
    for kind, encoding, predictor in (
        ("regression", everything, RegressionPredictor(everything.one_hot)),
        ("lookup", sums, LookupPredictor(sums.one_hot)),
    ):
        model = ArchitecturePredictor(kind, encoding, predictor).fit(architectures, sums(architectures)[:, -2] + 1)
        started = time.perf_counter()
        model.predict(matrix)
        rows.append({"space": space, "kind": kind, "rows": len(matrix), "seconds": time.perf_counter() - started})
    return rows


def write(name: str, rows: list[dict[str, Any]], keys: list[str]) -> None:
    """A table beside this script; the rows take the place of those with the same keys."""
    path, table = HERE / name, pd.DataFrame(rows)
    if path.exists():
        before = pd.read_csv(path)
        same = before[keys].apply(tuple, axis=1).isin(table[keys].apply(tuple, axis=1))
        table = pd.concat([before[~same], table], ignore_index=True)
    table.to_csv(path, index=False, float_format="%.4g")
    print(table.to_string(), flush=True)


def scores(y: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Errors by name."""
    errors = prediction_errors(y, predicted)
    return {name: getattr(errors, name) for name in COLUMNS}


def draw(name: str, summary: Any) -> None:
    """Predicted against measured milliseconds of held-out networks as SVG, with lines at 10 %."""
    x, y = np.array(summary["held_out"]["measured"]), np.array(summary["held_out"]["predicted"])
    low, high = np.log(min(x.min(), y[y > 0].min())) - 0.05, np.log(max(x.max(), y.max())) + 0.05

    def place(value: float) -> float:
        return round(20 + 360 * (np.log(max(value, 1e-9)) - low) / (high - low), 1)

    points = "".join(f'<circle cx="{place(a)}" cy="{400 - place(b)}" r="2.5"/>' for a, b in zip(x, y, strict=True))
    ends = np.exp([low, high])
    lines = "".join(
        f'<line x1="{place(ends[0])}" y1="{400 - place(ends[0] * f)}" '
        f'x2="{place(ends[1])}" y2="{400 - place(ends[1] * f)}"/>'
        for f in (0.9, 1.0, 1.1)
    )
    text = f"{name}: predicted against measured, {x.min():.3g} to {x.max():.3g} ms (log scale), lines at 10 %"
    (HERE / f"{name}.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 420" font-family="sans-serif" font-size="9">'
        f'<rect width="400" height="420" fill="#fff"/><g stroke="#bbb">{lines}</g><g fill="#2a6fb0">{points}</g>'
        f'<text x="20" y="412">{text}</text></svg>\n'
    )


if __name__ == "__main__":
    main()
