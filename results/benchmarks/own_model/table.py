"""The page of the benchmark: about.md, then a table for each network and bound.

python results/benchmarks/own_model/table.py [--rows ROWS]
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

__all__ = ["page"]

HERE = Path(__file__).parent
CELL = ["network", "share", "before", "after"]
OVER = 1.03
"""Of the bound; a measurement repeats within about so much."""


def page(rows: pd.DataFrame) -> str:
    parts = [(HERE / "about.md").read_text()]
    for (network, share, before, after), part in rows.groupby(CELL, sort=False):
        seeds = part["seed"].nunique()
        parts.append(
            f"\n## {network} at {share} % of its latency: {before:g} s before, {after:g} s after\n\n"
            f"Whole network: {whole(part['dense_test'])} %, {part['dense_ms'].median():.3f} ms; "
            f"{seeds} seed{'s' if seeds > 1 else ''}.\n\n" + "\n".join(table(part)) + "\n"
        )
    parts.append(f"\n{len(rows)} rows; {', '.join(dict.fromkeys(rows['versions']))}.\n")
    return "".join(parts)


def whole(accuracies: pd.Series) -> str:
    """The accuracy of what the arms were given, which is trained once for each seed and work folder."""
    found = sorted({f"{100 * each:.2f}" for each in accuracies})
    return found[0] if len(found) == 1 else f"{found[0]} to {found[-1]}"


def table(part: pd.DataFrame) -> Iterator[str]:
    """A row for each arm, the most accurate first; with one seed the interval over test images."""
    yield "| arm | test accuracy | points over the whole | latency of the whole | CPU seconds |"
    yield "| --- | --- | --- | --- | --- |"
    order = part.groupby("arm")["test"].mean().sort_values(ascending=False).index
    for arm in order:
        rows = part[part["arm"] == arm]
        mean, latency = rows["test"].mean(), rows["latency_share"].mean()
        sure = (
            f"± {100 * rows['test'].std():.2f} ({len(rows)})"
            if len(rows) > 1
            else f"({100 * rows['test_low'].iloc[0]:.2f} to {100 * rows['test_high'].iloc[0]:.2f})"
        )
        over = " over the bound" if latency > OVER * rows["share"].iloc[0] / 100 else ""
        points = 100 * (rows["test"] - rows["dense_test"]).mean()
        seconds = rows["cpu_seconds"].mean()
        yield f"| {arm} | {100 * mean:.2f} {sure} | {points:+.2f} | {100 * latency:.1f} %{over} | {seconds:.0f} |"


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=Path, default=HERE / "rows.csv")
    parser.add_argument("--out", type=Path, default=HERE / "README.md")
    asked = parser.parse_args(words)
    asked.out.write_text(page(pd.read_csv(asked.rows)))
    print(asked.out)


if __name__ == "__main__":
    main()
