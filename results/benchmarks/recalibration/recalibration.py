"""Over how many training images should batch-norm statistics be averaged before a candidate is evaluated?

Run from the repository root, with the four idx files of Fashion-MNIST in a folder:

    python results/benchmarks/recalibration/recalibration.py --work WORK --fashion-mnist FOLDER [--seeds 1]

Trained supernets are kept in WORK, so that an interrupted study goes on. Writes scores.csv and README.md beside itself.
"""

import argparse
import math
import time
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from scipy.stats import kendalltau

from nas.evaluation import SharedWeights
from nas.setup import Setup, resolve
from nas.space import Architecture
from nas.training import train_phases
from nas.wording import counted

FOLDER = Path(__file__).parent
COUNTS = (64, 256, 512, 2048, 8192)
"""Images; a task with fewer for training is asked for fewer."""
CANDIDATES = 40

Row = dict[str, Any]


def tasks(fashion_mnist: Path | None) -> dict[str, Row]:
    """Settings by name: the first command, and a task with enough images for the largest count."""
    found: dict[str, Row] = {"noisy_digits": {"data": "noisy_digits"}}
    if fashion_mnist is not None:
        found["fashion_mnist"] = {
            "data": "fashion_mnist",
            "data_dir": str(fashion_mnist),
            "image_size": 16,
            "limit": 10_000,
            "training": {"epochs": 8, "batch_size": 128},
        }
    return found


def trained(settings: Row, seed: int, checkpoint: Path) -> Setup:
    """The supernet of a run with these settings, trained or read from its checkpoint."""
    setup = Setup(resolve({**settings, "constraints": ["flops <= 50% of largest"], "seed": seed}, "study"))
    train_phases(setup.phases(), seed=seed, checkpoint=checkpoint)
    return setup


def study(setup: Setup) -> list[Row]:
    """A row for each count: how its scores rank, and what the candidate that it ranks first is worth on the test split."""
    draws = (setup.space.sample([setup.config.seed, number]) for number in range(10 * CANDIDATES))
    bound = 0.5 * setup.costs(setup.space.largest())["flops"]
    candidates = [each for each in dict.fromkeys(draws) if setup.costs(each)["flops"] <= bound][:CANDIDATES]
    counts = [count for count in COUNTS if count <= len(setup.data.train)]
    scores, tests, seconds = {}, {}, {}
    for count in counts:
        evaluator = SharedWeights(setup.searched, setup.data, count, setup.config.evaluation.batch_size)
        started = time.process_time()
        scores[count] = accuracies(evaluator, candidates, setup.data.validation)
        seconds[count] = (time.process_time() - started) / len(candidates)
        tests[count] = accuracies(evaluator, candidates, setup.data.test)
    truest = counts[-1]
    return [
        {
            "images": count,
            "seconds_each": seconds[count],
            "tau_largest": kendalltau(scores[count], scores[truest]).statistic,
            "tau_test": kendalltau(scores[count], tests[truest]).statistic,
            "mean_test": float(tests[count].mean()),
            "chosen_test": float(tests[count][scores[count].argmax()]),
        }
        for count in counts
    ]


def accuracies(evaluator: SharedWeights, candidates: list[Architecture], split: Any) -> Any:
    tallies = evaluator.tallies(candidates, split)
    return torch.tensor([tally.correct / tally.seen for tally in tallies]).numpy()


def tables(table: pd.DataFrame) -> str:
    """Means over seeds, with standard errors."""
    lines = []
    for name, rows in table.groupby("task", sort=False):
        lines += [
            f"## {name}, {counted(rows['seed'].nunique(), 'supernet')}, {CANDIDATES} candidates each",
            "",
            "| images | tau with the most images | tau with the test split | test accuracy, mean of all | test accuracy of the first | seconds a candidate |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        for count, group in rows.groupby("images"):
            cells = [f"{mean(group[column])}" for column in ("tau_largest", "tau_test")]
            cells += [f"{mean(100 * group[column])}" for column in ("mean_test", "chosen_test")]
            lines.append(f"| {count:,} | {' | '.join(cells)} | {group['seconds_each'].mean():.3f} |")
        lines.append("")
    return "\n".join(lines)


def mean(values: pd.Series) -> str:
    error = values.std() / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return f"{values.mean():.3g}" + ("" if math.isnan(error) else f" ± {error:.1g}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("recalibration"))
    parser.add_argument("--fashion-mnist", type=Path)
    parser.add_argument("--seeds", type=int, default=1)
    asked = parser.parse_args()
    asked.work.mkdir(exist_ok=True)
    file = FOLDER / "scores.csv"
    rows: list[Row] = pd.read_csv(file).to_dict("records") if file.exists() else []
    for seed in range(asked.seeds):
        for name, settings in tasks(asked.fashion_mnist).items():
            if any((row["task"], row["seed"]) == (name, seed) for row in rows):
                continue
            setup = trained(settings, seed, asked.work / f"{name}-{seed}.safetensors")
            rows += [{"task": name, "seed": seed, **row} for row in study(setup)]
            pd.DataFrame(rows).round(5).to_csv(file, index=False)
    text = (FOLDER / "about.md").read_text() + "\n" + tables(pd.DataFrame(rows))
    (FOLDER / "README.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
