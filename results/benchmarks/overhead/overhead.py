"""A supernet's training step against the step of the same subnet by itself, paired in one run, one thread.

Run from the repository root:  python results/benchmarks/overhead/overhead.py
Writes results/benchmarks/overhead/overhead.csv (every subnet) and results/benchmarks/overhead/README.md (the summary).
"""

import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn

import nas
from nas.training import Recipe
from search_spaces.chain import chain
from search_spaces.mobilenet import mobilenet

FOLDER = Path(__file__).parent
CASES = [(mobilenet, (1, 8, 8), 128), (chain, (1, 8, 8), 128), (mobilenet, (3, 32, 32), 64), (chain, (3, 16, 16), 64)]
RANDOM = 20

Row = tuple[str, str, int, str, float, float, float]


def step(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()


def paired(first: Callable[[], None], second: Callable[[], None], seconds: float = 4.0) -> tuple[float, float, float]:
    """Median milliseconds of each, run in turn, and the median of their ratios."""
    for _ in range(3):
        first()
        second()
    times: list[tuple[float, float]] = []
    deadline = time.perf_counter() + seconds
    while len(times) < 9 or (time.perf_counter() < deadline and len(times) < 60):
        before = time.perf_counter()
        first()
        between = time.perf_counter()
        second()
        times.append((between - before, time.perf_counter() - between))
    ratio = statistics.median(a / b for a, b in times)
    return statistics.median(a for a, _ in times) * 1e3, statistics.median(b for _, b in times) * 1e3, ratio


def compare(space: Callable[..., nn.Module], shape: tuple[int, int, int], batch: int) -> list[Row]:
    """Rows of the table for one space: the largest, the smallest and random subnets."""
    torch.manual_seed(0)
    supernet = nas.Supernet(space(input_shape=shape, classes=10))
    optimizer = Recipe().make_optimizer(supernet)
    x, y = torch.randn(batch, *shape), torch.randint(0, 10, (batch,))

    def row(kind: str, architecture: nas.Architecture) -> Row:
        network = supernet.extract(architecture).train()
        own = Recipe().make_optimizer(network)

        def in_supernet() -> None:
            supernet.activate(architecture)
            step(supernet, optimizer, x, y)

        shared, alone, ratio = paired(in_supernet, lambda: step(network, own, x, y))
        print(space.__name__, *shape, batch, kind, f"{shared:.2f} ms against {alone:.2f} ms: {ratio:.3f}", flush=True)
        return space.__name__, "x".join(map(str, shape)), batch, kind, shared, alone, ratio

    random = [row("random", supernet.space.sample(seed)) for seed in range(RANDOM)]
    return [row("largest", supernet.space.largest()), row("smallest", supernet.space.smallest()), *random]


def main() -> None:
    torch.set_num_threads(1)
    rows = [row for case in CASES for row in compare(*case)]
    table = pd.DataFrame(rows, columns=["space", "input", "batch", "subnet", "supernet_ms", "alone_ms", "ratio"])
    table.round(4).to_csv(FOLDER / "overhead.csv", index=False)
    summary = table.groupby(["space", "input", "batch", "subnet"])["ratio"].agg(["median", "min", "max"]).unstack()
    lines = [
        "| space | input | batch | largest | random, median (range) | smallest |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for (name, size, batch), row in summary.iterrows():
        spread = f"{row['median', 'random']:.3f} ({row['min', 'random']:.3f} to {row['max', 'random']:.3f})"
        lines.append(
            f"| {name} | {size} | {batch} | {row['median', 'largest']:.3f} | {spread} | {row['median', 'smallest']:.3f} |"
        )
    (FOLDER / "README.md").write_text(
        "# Step of a subnet inside the supernet against the same subnet by itself\n\n"
        "Time of activate, forward, backward and SGD step in the supernet, divided by the time of forward, backward and "
        f"step of the extracted network; median of alternating pairs, one thread, {RANDOM} random subnets, "
        f"torch {torch.__version__}, {platform.machine()}.\n\n" + "\n".join(lines) + "\n\n"
        "Command: `python results/benchmarks/overhead/overhead.py`\n"
    )
    print("\n".join(lines))


if __name__ == "__main__":
    main()
