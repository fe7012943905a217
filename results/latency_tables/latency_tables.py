"""Latency predictors on published tables: NAS-Bench-201 on 27 devices, once-for-all networks on 12.

Run from the repository root:  OMP_NUM_THREADS=1 python results/latency_tables/latency_tables.py
Reads help_latency/ and nasbench201/ from the folder named by NAS_SHARED_DATA (default: ../shared/data beside the
repository). Writes results/latency_tables/README.md, devices.csv and scores.csv.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestRegressor

from nas.predictors import LinearPredictor, RegressionPredictor, TransferPredictor
from nas.predictors.samples import Array, rank_correlation

HERE = Path(__file__).parent
DATA = Path(os.environ.get("NAS_SHARED_DATA", HERE.parents[2] / "shared" / "data"))
SIZES, SEEDS, TESTED, KNOWN = (10, 50, 200, 900), 5, 2000, 900
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
HELP_KNOWN = [
    "1080ti_1",
    "1080ti_32",
    "1080ti_256",
    "silver_4114",
    "silver_4210r",
    "samsung_a50",
    "pixel3",
    "essential_ph_1",
    "samsung_s7",
]
HELP_NEW = ["titan_rtx_256", "gold_6226", "fpga", "pixel2", "raspi4", "eyeriss"]


@dataclass(frozen=True)
class Table:
    """Latencies of devices on architectures: one-hot choices first, then analytic features, MFLOPs the first of them."""

    space: str
    X: Array
    one_hot: int
    latencies: dict[str, Array]

    def valid(self, devices: list[str]) -> np.ndarray:
        """Rows where every one of the devices has a real latency."""
        return np.flatnonzero(np.stack([self.latencies[device] > DEGENERATE_MS for device in devices]).all(0))


def read(name: str) -> pd.DataFrame:
    path = DATA / name
    if not path.exists():
        sys.exit(f"{path} does not exist; set NAS_SHARED_DATA to the folder that holds {name}.")
    return pd.read_parquet(path)


def columns_of(frame: pd.DataFrame) -> dict[str, Array]:
    prefix = "lat_ms__"
    return {
        name.removeprefix(prefix): frame[name].to_numpy(np.float64) for name in frame.columns if name.startswith(prefix)
    }


def nasbench201() -> tuple[Table, pd.DataFrame]:
    """Choices: 6 edges of 5 operations. Features: MFLOPs, params, and the operations on a path from input to output."""
    facts = read("nasbench201/nb201.parquet")
    latencies = read("help_latency/help_nasbench201.parquet")
    if not (facts["idx"].to_numpy() == latencies["idx"].to_numpy()).all():
        sys.exit("nb201.parquet and help_nasbench201.parquet list different architectures; fetch both again.")
    operations = facts[["e01", "e02", "e03", "e12", "e13", "e23"]].to_numpy()
    one_hot = np.eye(5)[operations].reshape(len(operations), -1)
    live = live_operations(operations)
    counts = np.stack([(live == operation).sum(1) for operation in range(5)], 1)
    costs = facts[["cifar10_mflops_naslib", "cifar10_mparams"]].to_numpy(np.float64)
    X = np.hstack([one_hot, costs, np.eye(5)[live].reshape(len(live), -1), counts, longest_path(live)[:, None]])
    return Table("nasbench201", X, 30, columns_of(latencies)), facts


def live_operations(operations: np.ndarray) -> np.ndarray:
    """Operations ``[n, 6]`` with those replaced by none (0) that no path from input to output runs through."""
    a01, a02, a03, a12, a13, a23 = (operations != 0).T
    reached1, reached2 = a01, a02 | (a01 & a12)
    used1, used2 = a13 | (a12 & a23), a23
    live = np.stack([a01 & used1, a02 & used2, a03, a12 & reached1 & a23, a13 & reached1, a23 & reached2], 1)
    return np.where(live, operations, 0)


def longest_path(live: np.ndarray) -> Array:
    """The most convolutions on one path from input to output."""
    e01, e02, e03, e12, e13, e23 = np.where(live == 0, -9.0, np.isin(live, (2, 3)) * 1.0).T
    return np.maximum.reduce([e03, e01 + e13, np.maximum(e02, e01 + e12) + e23]).clip(0)


def once_for_all() -> Table:
    """Choices: depth, kernel and expansion of active layers, resolution. Features: MFLOPs, in all and by stage."""
    frame = read("help_latency/help_ofa.parquet")
    depth, kernel, expand = (
        np.stack([np.fromstring(text, sep=",", dtype=int) for text in frame[key]]) for key in ("d", "ks", "e")
    )
    resolution = frame["r"].to_numpy()
    active = (np.arange(4) < depth[:, :, None]).reshape(len(frame), 20, 1)
    layers = np.concatenate([kernel[:, :, None] == (3, 5, 7), expand[:, :, None] == (3, 4, 6)], 2) & active
    one_hot = np.hstack([layers.reshape(len(frame), -1), resolution[:, None] == np.unique(resolution)])
    size, channels, stages = np.ceil(resolution / 2), 16, []
    for stage, (width, stride) in enumerate(zip((24, 40, 80, 112, 160), (2, 2, 2, 1, 2), strict=True)):
        flops = np.zeros(len(frame))
        for layer in range(4 * stage, 4 * stage + 4):
            hidden, smaller = channels * expand[:, layer], np.ceil(size / (stride if layer % 4 == 0 else 1))
            work = size**2 * channels * hidden + smaller**2 * hidden * (kernel[:, layer] ** 2 + width)
            flops += np.where(active[:, layer, 0], work, 0) / 1e6
            size, channels = smaller, width
        stages.append(flops)
    square = (resolution / 224.0) ** 2
    X = np.hstack([one_hot, np.stack([np.sum(stages, 0), *stages, square, square * depth.sum(1), depth.sum(1)], 1)])
    return Table("once-for-all", X, one_hot.shape[1], columns_of(frame))


def scores(y: Array, predicted: Array) -> dict[str, float]:
    return {
        "spearman": rank_correlation(y, predicted),
        "within_10pct": float((np.abs(predicted / y - 1) <= 0.1).mean()),
    }


def flops_line(x: Array, y: Array, x_new: Array, one_hot: int) -> Array:
    slope, intercept = np.polyfit(x[:, one_hot], y, 1)
    return slope * x_new[:, one_hot] + intercept


def ridge(x: Array, y: Array, x_new: Array, one_hot: int) -> Array:
    return LinearPredictor().fit(x[:, :one_hot], y).predict(x_new[:, :one_hot])[0]


def forest(x: Array, y: Array, x_new: Array, one_hot: int) -> Array:
    return RandomForestRegressor(50, random_state=0, n_jobs=1).fit(x[:, :one_hot], y).predict(x_new[:, :one_hot])


def regression(x: Array, y: Array, x_new: Array, one_hot: int) -> Array:
    return RegressionPredictor(one_hot=one_hot, folds=3).fit(x, y).predict(x_new)[0]


ALONE: dict[str, Callable[[Array, Array, Array, int], Array]] = {
    "FLOPs line": flops_line,
    "plain ridge": ridge,
    "random forest": forest,
    "regression": regression,
}


def judge_alone(table: Table) -> Iterator[dict]:
    """Predictors that see the new device alone."""
    for device, y in table.latencies.items():
        rows = table.valid([device])
        for seed in range(SEEDS):
            order = np.random.default_rng(seed).permutation(rows)
            tested = order[max(SIZES) : max(SIZES) + TESTED]
            for size in SIZES:
                few = order[:size]
                for method, predict in ALONE.items():
                    predicted = predict(table.X[few], y[few], table.X[tested], table.one_hot)
                    yield row(table, device, method, "alone", size, seed, scores(y[tested], predicted))


def judge_transfer(table: Table, split: str, device: str, known: list[str]) -> Iterator[dict]:
    """Transfer to one device from the others; up to 50 samples are chosen, and drawn at random for comparison."""
    rows = np.random.default_rng(0).permutation(table.valid([device, *known]))
    base, rest, y = rows[:KNOWN], rows[KNOWN:], table.latencies[device]
    platforms = [DEVICES[each][0] for each in known]
    transfer = TransferPredictor(table.X[base], [table.latencies[each][base] for each in known], platforms)
    for seed in range(SEEDS):
        order = np.random.default_rng(seed).permutation(rest)
        pool, tested = order[:-TESTED], order[-TESTED:]
        for size in SIZES:
            samples = {"transfer, random samples": pool[:size]}
            if size <= 50:
                samples["transfer, chosen samples"] = pool[transfer.choose(table.X[pool], size, seed)]
            for method, few in samples.items():
                predicted = transfer.fit(table.X[few], y[few]).predict(table.X[tested])[0]
                yield row(table, device, method, split, size, seed, scores(y[tested], predicted))


def row(table: Table, device: str, method: str, split: str, size: int, seed: int, values: dict[str, float]) -> dict:
    names = {"space": table.space, "device": device, "method": method, "split": split, "samples": size, "seed": seed}
    return names | {key: round(value, 4) for key, value in values.items()}


def judge(table: Table) -> Iterator[dict]:
    yield from judge_alone(table)
    for device in table.latencies:
        others = [each for each in table.latencies if DEVICES[each][0] != DEVICES[device][0]]
        yield from judge_transfer(table, "platform left out", device, others)
    if table.space == "nasbench201":
        for device in HELP_NEW:
            yield from judge_transfer(table, "HELP's split", device, HELP_KNOWN)


def twin_agreement(facts: pd.DataFrame, latencies: dict[str, Array]) -> pd.Series:
    """For each device, how often two isomorphic cells with the same operations are measured within 10 %."""
    operations = np.sort(facts[["e01", "e02", "e03", "e12", "e13", "e23"]].to_numpy(), 1)
    groups = facts["unique_repr"] + [str(each) for each in operations.tolist()]
    agreement = {}
    for device, values in latencies.items():
        real = values > DEGENERATE_MS
        twins = pd.Series(values[real]).groupby(groups[real].to_numpy()).agg(["first", "last", "size"])
        twins = twins[twins["size"] >= 2]
        agreement[device] = float(((twins["first"] / twins["last"] - 1).abs() <= 0.1).mean())
    return pd.Series(agreement, name="twins within 10 %").round(3)


def markdown(frame: pd.DataFrame) -> str:
    cells = [[str(each) for each in frame.columns], ["---"] * frame.shape[1]]
    cells += [["" if pd.isna(each) else str(each) for each in line] for line in frame.to_numpy(dtype=object)]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def summary(scores: pd.DataFrame) -> str:
    """Rows: predictor and split; columns: Spearman / share within 10 % by the number of samples."""
    means = scores.groupby(["split", "method", "samples"])[["spearman", "within_10pct"]].mean()
    text = means["spearman"].map("{:.3f}".format) + " / " + (100 * means["within_10pct"]).map("{:.0f} %".format)
    return markdown(text.unstack("samples").reset_index())


def readme(table: pd.DataFrame, devices: pd.DataFrame, minutes: float) -> str:
    bench, ofa = (table[table["space"] == space] for space in ("nasbench201", "once-for-all"))
    six = bench[bench["device"].isin(HELP_NEW)]
    measured = devices[devices["table"] == "measured"]
    reached = measured[measured["within_10pct at 900"] >= 0.95]
    return f"""# Latency predictors on published tables

Each cell: mean Spearman / mean share of architectures predicted within 10 %, over all devices and {SEEDS} seeds, by the
number of samples of the new device. {TESTED:,} other architectures are tested. Transfer knows {KNOWN} architectures on
the known devices, none of which is sampled or tested on the new one.

## HELP's split: 9 known devices, 6 new ones, NAS-Bench-201
{summary(six[six["split"].isin(["HELP's split", "alone"])])}

Published by HELP (its README) for these 6 devices, Spearman: HELP with 10 samples 0.932, BRP-NAS with 900 samples
0.789, with 3,200 samples 0.805, layer-wise sums 0.767, FLOPs 0.787. HELP draws its 10 samples at random, beside 10 fixed
reference architectures, so it measures up to 20: the like of it here are random samples; chosen samples are 10 in all,
and an answer to what to measure. Its query set is not the one of this table. BRP-NAS's own tables are of other devices, and no
figure of theirs is comparable.

Transfer and regression see the one-hot choices and the analytic features, ridge and forest the one-hot choices alone. The
encoding and the grids of transfer were tried out on these six devices, so the table of all devices is the fairer judge.

With 10 samples by device:
{by_device(six[(six["split"] == "HELP's split") & (six["samples"] == 10)])}

## All {bench["device"].nunique()} devices, NAS-Bench-201
{summary(bench[bench["split"] != "HELP's split"])}

Transfer to a device knows nothing of its other batch sizes: they are the same platform.

## All {ofa["device"].nunique()} devices, once-for-all
{summary(ofa)}

The FLOPs of once-for-all networks are ours: convolutions of the layers, without squeeze-and-excitation, stem and head.

## Devices of NAS-Bench-201
{markdown(devices.reset_index())}

"Twins" are two isomorphic cells with the same operations, one network written twice: how often their latencies agree says
how noisy a table is (a guide, not a bound: a prediction between the two may be within 10 % of both). The regression with 900 samples has {100 * measured["within_10pct at 900"].mean():.1f} % within 10 % as a mean over the {len(measured)} measured
tables, and at least 95 % on {len(reached)} of them; the others are {missed(measured)}. Architectures below {DEGENERATE_MS} ms
(cells without a live operation, on pixel3 and raspi4) are left out.

Command: `OMP_NUM_THREADS=1 python results/latency_tables/latency_tables.py` ({minutes:.1f} minutes on one core). Every number: `scores.csv`.
"""


def by_device(scores: pd.DataFrame) -> str:
    means = scores.groupby(["method", "device"])["spearman"].mean().map("{:.3f}".format)
    return markdown(means.unstack("device")[HELP_NEW].reset_index())


def missed(measured: pd.DataFrame) -> str:
    below = measured[measured["within_10pct at 900"] < 0.95]
    return ", ".join(
        f"{device} ({100 * line['within_10pct at 900']:.0f} %, twins {100 * line['twins within 10 %']:.0f} %)"
        for device, line in below.iterrows()
    )


def main() -> None:
    start = time.perf_counter()
    bench, facts = nasbench201()
    table = pd.DataFrame([each for space in (bench, once_for_all()) for each in judge(space)])
    most = table[(table["space"] == bench.space) & (table["method"] == "regression") & (table["samples"] == 900)]
    devices = pd.DataFrame(
        {"platform": DEVICES[each][0], "table": DEVICES[each][1]} for each in bench.latencies
    ).set_index(pd.Index(bench.latencies, name="device"))
    devices = devices.join(twin_agreement(facts, bench.latencies))
    devices = devices.join(most.groupby("device")["within_10pct"].mean().round(3).rename("within_10pct at 900"))
    table.to_csv(HERE / "scores.csv", index=False)
    devices.to_csv(HERE / "devices.csv")
    (HERE / "README.md").write_text(readme(table, devices, (time.perf_counter() - start) / 60))


if __name__ == "__main__":
    main()
