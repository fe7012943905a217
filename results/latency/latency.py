"""How well latency is predicted on this machine, from at most 200 measured networks, on 200 others.

Run it on a machine that does nothing else: python results/latency/latency.py
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
from nas.predictors import Encoding, LinearPredictor, RegressionPredictor, choose_uncertain, prediction_errors
from nas.runs import Bench, RunFolder, resolve, run_profile
from nas.runs.latency import LatencyModel
from nas.space import Architecture

HERE = Path(__file__).parent
SETUPS = [
    ("mobilenet", "onnxruntime"),
    ("chain", "onnxruntime"),
    ("nasbench201", "onnxruntime"),
    ("mobilenet", "cpu"),
]
PROFILE = {"networks": 200, "held_out": 200, "repeats": 40, "samples": 640, "seconds": 240, "predictor": "all"}
FEW = 48
COLUMNS = ["within_5pct", "within_10pct", "spearman", "mape"]


def main() -> None:
    """Measures every setup and writes the tables and figures."""
    chosen = sys.argv[1:] or [f"{space}-{target}" for space, target in SETUPS]
    rows, few = [], []
    for space, target in SETUPS:
        if f"{space}-{target}" in chosen:
            found = profile(space, target)
            rows += found["rows"]
            few += found["few"]
            pd.DataFrame(rows).to_csv(HERE / "latency.csv", index=False, float_format="%.4g")
            pd.DataFrame(few).to_csv(HERE / "few.csv", index=False, float_format="%.4g")
    print(pd.DataFrame(rows).to_string())
    print(pd.DataFrame(few).to_string())


def profile(space: str, target: str) -> dict[str, Any]:
    """One run of `nas profile`, and the baselines on what it measured."""
    config = resolve({"space": space, "target": target, "image_size": 32, "profile": PROFILE}, space)
    with tempfile.TemporaryDirectory() as name:
        folder = RunFolder(Path(name) / "profile")
        started = time.perf_counter()
        run_profile(config, folder)
        minutes = (time.perf_counter() - started) / 60
        bench = Bench(config)
        model = LatencyModel.load(folder.predictor, bench)
        measured = measurements(folder)
    draw(f"{space}-{target}", model.summary)
    held_out = bench.samples[-PROFILE["held_out"] :]  # type: ignore[operator]
    trained = [each for each in map(Architecture.from_json, measured) if each not in set(held_out)]
    common = {"space": space, "target": target, "trained": len(trained), "held out": len(held_out)}
    common |= {"noise_floor": model.summary["noise_floor"], "minutes": minutes}
    flops = {"kind": "FLOPs", **flops_line(bench, trained, held_out, measured)}
    rows = [{**common, **each} for each in (flops, *model.summary["compared"])]
    return {"rows": rows, "few": [{**common, **each} for each in few_networks(model, trained, held_out, measured)]}


def measurements(folder: RunFolder) -> dict[str, float]:
    """Milliseconds by architecture key, second measurements left out."""
    lines = [json.loads(line) for line in folder.measurements.read_text().splitlines()]
    found = {line["network"]: line["measurement"]["latency_ms"] for line in lines}
    return {key: value for key, value in found.items() if not key.endswith(" again")}


def flops_line(
    bench: Bench, trained: list[Architecture], held_out: list[Architecture], measured: dict[str, float]
) -> dict[str, float]:
    """A straight line in the FLOPs."""
    X, X_new = (np.array([[bench.costs(each)["flops"] / 1e6] for each in part]) for part in (trained, held_out))
    line = LinearPredictor().fit(X, [measured[each.key] for each in trained])
    return scores(np.array([measured[each.key] for each in held_out]), line.predict(X_new)[0])


def few_networks(
    model: LatencyModel, trained: list[Architecture], held_out: list[Architecture], measured: dict[str, float]
) -> list[dict[str, Any]]:
    """The regression from few of many networks: chosen by predicted spread, and at random (five seeds each)."""
    if len(trained) < 3 * FEW:
        return []
    encoding = block_encoding(model)
    X, X_new = encoding(trained), encoding(held_out)
    y, y_new = (np.array([measured[each.key] for each in part]) for part in (trained, held_out))
    rows = []
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(len(trained))
        first, rest = order[: FEW // 2], order[FEW // 2 :]
        spread = np.concatenate([first, rest[choose_uncertain(X[rest], X[first], FEW - len(first))]])
        for name, chosen in (("by spread", spread), ("at random", order[:FEW])):
            regression = RegressionPredictor(encoding.one_hot).fit(X[chosen], y[chosen])
            rows.append({"chosen": name, "seed": seed, "networks": FEW, **scores(y_new, regression.predict(X_new)[0])})
    return rows


def block_encoding(model: LatencyModel) -> Encoding:
    """One-hot choices and features of blocks, without what was measured of blocks."""
    return Encoding(model.bench.space, feature_table(Catalogue(model.bench.supernet, model.bench.data.input_shape)))


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
