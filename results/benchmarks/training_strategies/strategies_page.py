"""Writes README.md from about.md and rows.csv:  python results/benchmarks/training_strategies/strategies_page.py"""

import argparse
import math
from pathlib import Path

import pandas as pd

HERE = Path(__file__).parent
REFERENCE = "spos"
MEASURES = {
    "tau": "Kendall tau",
    "within": "tau among equal FLOPs",
    "precision": "precision at 10 %",
    "regret": "regret of the first, points",
    "hypervolume": "hypervolume",
}


def page(rows: pd.DataFrame) -> str:
    """A table for each space: means over seeds with standard errors, beside the difference to the reference."""
    lines: list[str] = []
    for space, found in rows.groupby("space", sort=False):
        measures = [name for name in MEASURES if found[name].notna().any()]
        first = measures[0]
        passes = found.loc[found["method"] != "flops", "passes"]
        lines += [
            f"## {space}",
            "",
            f"{passes.min():,.0f} to {passes.max():,.0f} passes, {found['seed'].nunique()} seeds.",
            "",
            f"| training | {' | '.join(MEASURES[name] for name in measures)} | {MEASURES[first]} less {REFERENCE}'s | steps | seconds |",
            f"| --- |{' --- |' * (len(measures) + 3)}",
        ]
        reference = found[found["method"] == REFERENCE].set_index("seed")[first]
        for method, group in found.groupby("method", sort=False):
            own = group.set_index("seed")[first]
            ahead = (own - reference).dropna() if method not in (REFERENCE, "flops") else pd.Series(dtype=float)
            cells = [*(spread(group[name]) for name in measures), spread(ahead) if len(ahead) else ""]
            seconds = group["training_s"].mean()
            cells += [f"{group['steps'].mean():,.0f}", "" if math.isnan(seconds) else f"{seconds:,.0f}"]
            lines.append(f"| {method} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def spread(values: pd.Series) -> str:
    """Mean and its standard error, over more than one value."""
    error = values.std() / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return f"{values.mean():.3f}" + ("" if math.isnan(error) else f" ± {error:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=Path, default=HERE / "rows.csv")
    parser.add_argument("--out", type=Path, default=HERE / "README.md")
    asked = parser.parse_args()
    asked.out.write_text((HERE / "about.md").read_text() + "\n" + page(pd.read_csv(asked.rows)))


if __name__ == "__main__":
    main()
