"""Latency predictors on published tables: NAS-Bench-201 on 27 devices, once-for-all networks on 12.

Run from the repository root:  OMP_NUM_THREADS=1 python results/benchmarks/latency_tables/latency_tables.py
Reads help_latency/ and nasbench201/ from the folder named by NAS_SHARED_DATA (default: data in the current folder).
Writes results/benchmarks/latency_tables/README.md, devices.csv and scores.csv.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from published import DEVICES, Published, nasbench201_table, once_for_all_table
from sklearn.ensemble import RandomForestRegressor

from nas.predictors import LinearPredictor, RegressionPredictor, TransferPredictor, prediction_errors
from nas.predictors.samples import Array, rank_correlation

HERE = Path(__file__).parent
SIZES, SEEDS, TESTED, KNOWN = (10, 50, 200, 900), 5, 2000, 900
ERRORS = ("spearman", "within_10pct", "within_5pct")
MANY_TWINS = 5
TWIN_PAIRS = (("gold_6240", "silver_4114"), ("pixel3", "raspi4"))
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


def judge_alone(table: Published) -> Iterator[dict]:
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
                    yield row(table, device, method, "alone", size, seed, y[tested], predicted)


def judge_transfer(table: Published, split: str, device: str, known: list[str]) -> Iterator[dict]:
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
                yield row(table, device, method, split, size, seed, y[tested], predicted)


def row(
    table: Published, device: str, method: str, split: str, size: int, seed: int, y: Array, predicted: Array
) -> dict:
    errors = prediction_errors(y, predicted)
    names = {"space": table.space, "device": device, "method": method, "split": split, "samples": size, "seed": seed}
    return names | {key: round(getattr(errors, key), 4) for key in ERRORS}


def judge(table: Published) -> Iterator[dict]:
    yield from judge_alone(table)
    for device in table.latencies:
        others = [each for each in table.latencies if DEVICES[each][0] != DEVICES[device][0]]
        yield from judge_transfer(table, "platform left out", device, others)
    if table.space == "nasbench201":
        for device in HELP_NEW:
            yield from judge_transfer(table, "HELP's split", device, HELP_KNOWN)


def noise(table: Published, device: str) -> dict[str, float]:
    """How often the noise of a device leaves networks within 10 %, told by twins.

    "two twins" are within 10 % of each other; then, of the networks with four twins or more, those within 10 % of the
    median of their twins, and those within 10 % of what the regression predicts from the most samples without them.
    """
    y, rows = table.latencies[device], np.random.default_rng(0).permutation(table.valid([device]))
    groups = [group.to_numpy() for _, group in pd.Series(y[rows]).groupby(table.twins[rows])]
    many = [group for group in groups if len(group) >= MANY_TWINS]
    few, rest = rows[: max(SIZES)], rows[max(SIZES) :]
    sizes = np.bincount(table.twins[rows])
    evaluated = rest[sizes[table.twins[rest]] >= MANY_TWINS]
    predicted = regression(table.X[few], y[few], table.X[evaluated], table.one_hot)
    shares = {
        "two twins": [abs(group[0] / group[1] - 1) <= 0.1 for group in groups if len(group) > 1],
        "median of twins": [
            abs(np.median(np.delete(group, place)) / each - 1) <= 0.1
            for group in many
            for place, each in enumerate(group)
        ],
        "regression of twins": np.abs(predicted / y[evaluated] - 1) <= 0.1,
    }
    return {name: round(float(np.mean(hits)), 3) for name, hits in shares.items()}


def shared_noise(table: Published, one: str, other: str) -> float:
    """Rank correlation of two devices' deviations from the median of twins: 0 if these are noise and nothing else."""
    rows = table.valid([one, other])
    twins = table.twins[rows]
    many = np.bincount(twins)[twins] >= MANY_TWINS
    logs = pd.DataFrame({device: np.log(table.latencies[device][rows]) for device in (one, other)})
    away = (logs - logs.groupby(twins).transform("median"))[many]
    return rank_correlation(away[one].to_numpy(), away[other].to_numpy())


def by_device(table: Published, scores: pd.DataFrame) -> pd.DataFrame:
    """Where each table of latencies comes from, its noise, and the regression with the most samples."""
    facts = [
        {"device": each, "platform": DEVICES[each][0], "table": DEVICES[each][1], **noise(table, each)}
        for each in table.latencies
    ]
    most = scores[(scores["space"] == table.space) & (scores["method"] == "regression")]
    means = most[most["samples"] == max(SIZES)].groupby("device")[list(ERRORS)].mean().round(3)
    return pd.DataFrame(facts).set_index("device").join(means)


def markdown(frame: pd.DataFrame) -> str:
    cells = [[str(each) for each in frame.columns], ["---"] * frame.shape[1]]
    cells += [["" if pd.isna(each) else str(each) for each in line] for line in frame.to_numpy(dtype=object)]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def summary(scores: pd.DataFrame) -> str:
    """Rows: predictor and split; columns: Spearman / shares within 10 % and 5 % by the number of samples."""
    means = scores.groupby(["split", "method", "samples"])[list(ERRORS)].mean()
    shares = ["within_10pct", "within_5pct"]
    text = (
        means["spearman"]
        .map("{:.3f}".format)
        .str.cat([(100 * means[each]).map("{:.0f} %".format) for each in shares], " / ")
    )
    return markdown(text.unstack("samples").reset_index())


def ten_samples(scores: pd.DataFrame) -> str:
    """Rows: ways to sample; columns: Spearman on each of HELP's new devices, and their mean."""
    ten = scores[(scores["split"] == "HELP's split") & (scores["samples"] == 10)]
    means = ten.groupby(["method", "device"])["spearman"].mean().unstack("device")[HELP_NEW]
    return markdown(means.assign(mean=means.mean(axis=1)).map("{:.3f}".format).reset_index())


def verdict(devices: pd.DataFrame) -> str:
    """Whether 95 % within 10 % are reached on the measured tables, and what their noise allows where they are not."""
    measured = devices[devices["table"] == "measured"]
    reached = measured["within_10pct"] >= 0.95
    quiet = measured[measured["median of twins"] >= 0.95]
    others = ", ".join(
        f"{device} ({100 * line['within_10pct']:.1f} %; of its twins {100 * line['regression of twins']:.1f} %, "
        f"their median {100 * line['median of twins']:.1f} %)"
        for device, line in measured[~reached].iterrows()
    )
    return (
        f"With {max(SIZES)} samples the regression has {100 * measured['within_10pct'].mean():.1f} % within 10 % in the "
        f"mean of the {len(measured)} measured tables, and {100 * quiet['within_10pct'].mean():.1f} % in that of the "
        f"{len(quiet)} tables where the median of twins has 95 %. It has 95 % or more on {reached.sum()} tables. "
        f"The others: {others}."
    )


def readme(scores: pd.DataFrame, devices: pd.DataFrame, shared: dict[str, float], minutes: float) -> str:
    bench, ofa = (scores[scores["space"] == space] for space in ("nasbench201", "once-for-all"))
    six = bench[bench["device"].isin(HELP_NEW)]
    pairs = " and ".join(f"{value:.2f} ({pair})" for pair, value in shared.items())
    return f"""# Latency predictors on published tables

Each cell: mean Spearman / mean share of architectures predicted within 10 % / within 5 %, over all devices and {SEEDS}
seeds, by the number of samples of the new device. {TESTED:,} other architectures are tested. Transfer knows {KNOWN}
architectures on the known devices, none of which is sampled or tested on the new one.

Transfer and regression see what `nas profile` shows them: the one-hot choices, then FLOPs, parameters, bytes moved and
calls by kind of layer, and for cells what a runtime executes. Ridge and forest see the one-hot choices alone, the line
the FLOPs alone.

## HELP's split: 9 known devices, 6 new ones, NAS-Bench-201
{summary(six[six["split"].isin(["HELP's split", "alone"])])}

Spearman with 10 samples by device:
{ten_samples(six)}

Published by HELP (its README) for these 6 devices, Spearman: HELP with 10 samples 0.932, BRP-NAS with 900 samples
0.789, with 3,200 samples 0.805, layer-wise sums 0.767, FLOPs 0.787. HELP draws its 10 samples at random, beside 10 fixed
reference architectures, so it measures up to 20: the like of it here are random samples; chosen samples are 10 in all,
and an answer to what to measure. Its query set is not the one of this table. BRP-NAS's own tables are of other devices,
and no figure of theirs is comparable.

The grids of transfer were once tried out on these six devices, so the next table is the fairer judge.

## All {bench["device"].nunique()} devices, NAS-Bench-201
{summary(bench[bench["split"] != "HELP's split"])}

Transfer to a device knows nothing of its other batch sizes: they are the same platform.

## All {ofa["device"].nunique()} devices, once-for-all
{summary(ofa)}

Networks are measured at 25 resolutions; each is one more one-hot choice, and its square one more number for transfer
and regression.

## Devices of NAS-Bench-201, regression with {max(SIZES)} samples
{markdown(devices.reset_index())}

Twins are isomorphic cells that do the same work: one network measured several times, so they tell the noise of a table.
"two twins" is how often two of them agree within 10 %. Then, for the networks with {MANY_TWINS - 1} twins or more: how often one is
within 10 % of the median of its twins, which no predictor is shown, and within 10 % of the regression. The last three
columns are of all networks.

{verdict(devices)}

Two tables' deviations from the median of twins have the rank correlation {pairs}.
So on the first two what twins disagree about is noise, and the regression is as good as they are. On pixel3 and raspi4
part of it is how their runtime treats operations that lead nowhere: some are run and others not, which no column tells
and which matters to small cells. One 3x3 convolution from input to output and another that leads nowhere take 18 ms on
raspi4 if an identity joins the latter, 35 ms if nothing does (8 and 14 ms on pixel3).

Architectures below 0.05 ms (cells without a live operation, on pixel3 and raspi4) are left out.

Command: `OMP_NUM_THREADS=1 python results/benchmarks/latency_tables/latency_tables.py` ({minutes:.1f} minutes on one core). Every
number: `scores.csv`, `devices.csv`.
"""


def main() -> None:
    start = time.perf_counter()
    tables = nasbench201_table(), once_for_all_table()
    scores = pd.DataFrame([each for table in tables for each in judge(table)])
    devices = by_device(tables[0], scores)
    shared = {f"{one} and {other}": shared_noise(tables[0], one, other) for one, other in TWIN_PAIRS}
    scores.to_csv(HERE / "scores.csv", index=False)
    devices.to_csv(HERE / "devices.csv")
    (HERE / "README.md").write_text(readme(scores, devices, shared, (time.perf_counter() - start) / 60))


if __name__ == "__main__":
    main()
