"""Images and candidates a second, by `nas`, NNI, ModelOpt and a bare loop in turn, one thread.

Run from the repository root; architectures that are there are not measured again:

    OMP_NUM_THREADS=1 python results/benchmarks/peers/peers.py

Writes rows.csv (a tool's time for an architecture each) and README.md. Tools that are not installed are skipped.
"""

import argparse
import itertools
import sys
import time
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path

import pandas as pd
import torch
from engines import SHAPE, Engine, installed, new_supernet
from torch import Tensor, nn

import nas
from nas.training import Recipe

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))
from kept_rows import ABOUT, KeptRows, about

BATCH, IMAGES, EVALUATED_BATCH = 64, 512, 256
TOLERANCE = 1e-5
KEY = ["measure", "draw", "tool"]
COLUMNS = [*KEY, "rounds", "milliseconds", "over_bare", "over_nas", "architecture", *ABOUT]
EXAMPLES = {"training": BATCH, "evaluation": 1, "recalibrated": 1}
"""Of what a measure counts: images of a step, candidates."""

Jobs = Mapping[str, Callable[[nas.Architecture], object]]
"""What is timed of a tool, by measure."""


class Data:
    """Random images, channels last: a batch for training with labels, and two halves for evaluation and statistics."""

    def __init__(self) -> None:
        self.x, self.y = _images(BATCH), torch.randint(0, 10, (BATCH,))
        self.evaluated = _images(IMAGES).split(EVALUATED_BATCH)
        self.calibrating = _images(IMAGES).split(EVALUATED_BATCH)


def _images(count: int) -> Tensor:
    return torch.randn(count, *SHAPE).to(memory_format=torch.channels_last)


def jobs_of(engine: Engine, data: Data) -> Jobs:
    optimizer = cache(Recipe().make_optimizer)

    def training(architecture: nas.Architecture) -> None:
        network = engine.network(architecture)
        optimizer(network).zero_grad(set_to_none=True)
        nn.functional.cross_entropy(network(data.x), data.y).backward()
        optimizer(network).step()

    @torch.no_grad()
    def evaluation(architecture: nas.Architecture) -> list[Tensor]:
        network = engine.network(architecture)
        return [network(x) for x in data.evaluated]

    jobs: dict[str, Callable[[nas.Architecture], object]] = {"training": training, "evaluation": evaluation}
    if (recalibrate := engine.recalibrated) is not None:

        @torch.no_grad()
        def recalibrated(architecture: nas.Architecture) -> list[Tensor]:
            forward = recalibrate(architecture, data.calibrating)
            return [forward(x) for x in data.evaluated]

        jobs["recalibrated"] = recalibrated
    return jobs


def check_equal(tools: list[Engine], architectures: list[nas.Architecture], x: Tensor) -> float:
    """The largest difference of an output from the bare loop's, in training mode: the same batch, its own statistics.

    Raises:
        RuntimeError: it is more than the tolerance.
    """
    largest = 0.0
    for architecture in architectures:
        with torch.no_grad():
            first, *others = [engine.network(architecture).train()(x) for engine in tools]
        for engine, output in zip(tools[1:], others, strict=True):
            difference = float((output - first).abs().max())
            if not difference <= TOLERANCE:
                raise RuntimeError(f"{engine.name} differs by {difference:.2g} on {architecture.key}")
            largest = max(largest, difference)
    return largest


def in_turn(jobs: Mapping[str, Callable[[], object]], rounds: int) -> pd.DataFrame:
    """CPU milliseconds of each, a row for each round; a first round is not counted."""
    times: list[dict[str, float]] = []
    for _ in range(rounds + 1):
        times.append({})
        for name, job in jobs.items():
            before = time.process_time()
            job()
            times[-1][name] = 1e3 * (time.process_time() - before)
    return pd.DataFrame(times[1:])


def measured(
    tools: list[Engine], jobs: Mapping[str, Jobs], measure: str, architecture: nas.Architecture, rounds: int
) -> pd.DataFrame:
    """A row for each tool that has the measure, by its name."""
    for engine in tools:
        engine.network(architecture).train(measure == "training")
    timed = {name: partial(each[measure], architecture) for name, each in jobs.items() if measure in each}
    times = in_turn(timed, rounds)
    return pd.DataFrame(
        {
            "milliseconds": times.median(),
            "over_bare": times.div(times["bare loop"], axis=0).median(),
            "over_nas": times.div(times["nas"], axis=0).median(),
        }
    )


def page(rows: pd.DataFrame) -> str:
    """about.md, then a table for each measure: medians over architectures, and the range of ratios."""
    parts = [(HERE / "about.md").read_text()]
    for measure, part in rows.groupby("measure", sort=False):
        unit = "images/s" if measure == "training" else "candidates/s"
        parts.append(
            f"\n## {measure}\n\n| tool | {unit} | time over the bare loop | time over `nas` |\n| --- | --- | --- | --- |"
        )
        for tool, each in part.groupby("tool", sort=False):
            speed = EXAMPLES[str(measure)] * 1e3 / each["milliseconds"].median()
            parts.append(f"| {tool} | {speed:.4g} | {spread(each['over_bare'])} | {spread(each['over_nas'])} |")
    architectures = rows["draw"].nunique()
    parts.append(
        f"\nMedian (range) over {architectures} architectures; {'; '.join(dict.fromkeys(rows['versions']))}.\n"
    )
    return "\n".join(parts)


def spread(ratios: pd.Series) -> str:
    return f"{ratios.median():.3f} ({ratios.min():.3f} to {ratios.max():.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=20, help="random architectures")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=Path, default=HERE / "rows.csv", help="where rows are kept")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    supernet, data = new_supernet(), Data()
    tools = installed(supernet)
    architectures = [supernet.space.sample(draw) for draw in range(asked.draws)]
    print(f"largest difference of an output: {check_equal(tools, architectures, data.x):.2g}", flush=True)
    jobs = {engine.name: jobs_of(engine, data) for engine in tools}
    rows = KeptRows(asked.rows, KEY, COLUMNS)
    for measure, draw in itertools.product(EXAMPLES, range(asked.draws)):
        key = {"measure": measure, "draw": draw}
        if {**key, "tool": "nas"} in rows:
            continue
        found = measured(tools, jobs, measure, architectures[draw], asked.rounds)
        print(measure, draw, found["over_bare"].round(3).to_dict(), flush=True)
        made_by = about("nas-supernet", "torch", "nni", "nvidia-modelopt")
        for tool, figures in found.iterrows():
            said = {"rounds": asked.rounds, "architecture": architectures[draw].key}
            rows.add({**key, "tool": tool, **said, **figures, **made_by})
    (asked.rows.parent / "README.md").write_text(page(pd.read_csv(asked.rows)))


if __name__ == "__main__":
    main()
