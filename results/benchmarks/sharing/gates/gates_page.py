"""The page of results/benchmarks/sharing/gates, from its rows."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

__all__ = ["page"]

_HEAD = """# Gates in regions: what few-shot and gradient matching find in NAS-Bench-201

Six searches for each seed: DARTS and ProxylessNAS, each in one supernet and in the regions of `few-shot:…` and
`gradient-matching:…`, with equal steps in total, so each region has a fraction of them. Supernets have width 8 and one
cell a stage, 4,000 images of CIFAR-10 at 16x16, half of them for the gates, and 8 epochs: some 250 steps, where the
papers have tens of thousands. ProxylessNAS has the expected FLOPs in its loss, so it prefers cheap cells. "Accuracy" is
the published one of the derived cell (CIFAR-10 test, 200 epochs at full size), "best region" that of the best cell that
any region derived: the difference is what choosing on validation loses. A search of gradient matching also runs the
passes that compare gradients (4 batches for each choice and bank, 100 as published), which only CPU seconds count.

A random cell has {mean:.1f} ± {spread:.1f} %, the best {best:.1f} %; so a scheme is shown to find better cells only if its
seeds stand clear of those of the base and of random cells.
"""

_COMMAND = """
```sh
OMP_NUM_THREADS=1 NAS_SHARED_DATA=data python results/benchmarks/sharing/gates/gates.py
```
"""


def page(rows: pd.DataFrame, accuracies: Sequence[float]) -> str:
    """Markdown: a table with a line for each base and scheme.

    Args:
        rows: of the searches.
        accuracies: of all cells of the space, per cent.
    """
    head = _HEAD.format(mean=np.mean(accuracies), spread=np.std(accuracies), best=max(accuracies))
    columns = ["base", "scheme", "seeds", "regions", "accuracy (%)", "by seed", "rank of 15,625 (median)"]
    lines = [_line([*columns, "best region (%)", "CPU seconds"]), _line(["---"] * (len(columns) + 2))]
    for (base, scheme), some in rows.groupby(["base", "scheme"], sort=False):
        lines.append(
            _line(
                [
                    f"`{base}`",
                    str(scheme),
                    str(len(some)),
                    f"{some['regions'].max()}",
                    _spread(some["truth"]),
                    ", ".join(f"{value:.1f}" for value in some["truth"]),
                    f"{some['rank'].median():,.0f}",
                    _spread(some["best_region"]),
                    f"{some['cpu_seconds'].mean():.0f}",
                ]
            )
        )
    verdicts = [_verdict(*each, float(np.mean(accuracies))) for each in _compared(rows)]
    return "\n".join([head, *lines, "", *verdicts, _COMMAND])


def _compared(rows: pd.DataFrame) -> list[tuple[str, str, pd.Series, pd.Series]]:
    """Base, scheme, and by seed its accuracy and that of the base."""
    found = []
    for base, some in rows.groupby("base", sort=False):
        by_seed = some.pivot(index="seed", columns="scheme", values="truth")
        schemes = [scheme for scheme in some["scheme"].unique() if scheme != "shared"]
        found += [(str(base), str(scheme), by_seed[scheme], by_seed["shared"]) for scheme in schemes]
    return found


def _verdict(base: str, scheme: str, accuracies: pd.Series, shared: pd.Series, random: float) -> str:
    gained = (accuracies - shared).dropna()
    points = ", ".join(f"{value:+.1f}" for value in gained)
    if len(gained) < 2:
        word = "one seed shows nothing"
    elif (gained > 0).all():
        word = "better with every seed"
    elif (gained < 0).all():
        word = "worse with every seed"
    else:
        word = "seeds contradict each other: nothing is shown"
    poor = ", and worse than random cells on average" if accuracies.mean() < random else ""
    return f"- `{scheme}:{base}` against `{base}`: {points} points; {word}{poor}."


def _spread(values: pd.Series) -> str:
    spread = f" ± {values.std(ddof=1):.1f}" if len(values) > 1 else ""
    return f"{values.mean():.1f}{spread}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
