"""Networks that grew from a trained one beside the same networks from fresh weights, on digits.

Run from the repository root; seeds that are there are not trained again:

    python results/benchmarks/growth/growth.py

Writes rows.csv and README.md.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

import nas
from nas.evaluation.grown_weights import GrownWeights
from nas.evaluation.trained_alone import TrainedAlone
from nas.problem import Problem
from nas.space.growth import grown
from nas.training import Recipe
from search_spaces.mobilenet import mobilenet

FOLDER = Path(__file__).parent
STEPS = ("stage2.depth", "stage2.0.kernel", "stage2.width")
SEEDS, FIRST, MORE = 5, 10, 3
COLUMNS = {
    "parent": f"the smallest, {FIRST} epochs",
    "grown": f"grown, {MORE} more",
    "few": f"fresh, {MORE}",
    "all": f"fresh, {FIRST + MORE}",
}


def trained(seed: int) -> Iterator[dict[str, Any]]:
    """A row for each step from the smallest network."""
    data, recipe = nas.data.load("digits", seed=seed), Recipe(epochs=FIRST, batch_size=64)
    with TemporaryDirectory() as folder:
        supernet = nas.Supernet(mobilenet((1, 8, 8), 10))
        kept = Problem(supernet, data, seed=seed, retraining=recipe, folder=Path(folder))
        growing, fresh = GrownWeights(kept, MORE), Problem(supernet, data, seed=seed, retraining=recipe)
        start = kept.space.smallest()
        larger = {name: each for each in grown(kept.space, start) for name in STEPS if each[name] != start[name]}
        for name in STEPS:
            networks = {
                "parent": growing([start]),
                "grown": growing([larger[name]]),
                "few": TrainedAlone(fresh, MORE)([larger[name]]),
                "all": TrainedAlone(fresh, FIRST + MORE)([larger[name]]),
            }
            yield {
                "seed": seed,
                "step": name,
                **{column: float(table["accuracy"][0]) for column, table in networks.items()},
            }


def page(rows: pd.DataFrame) -> str:
    """README.md: the text, then a line for each step."""
    lines = [
        (FOLDER / "about.md").read_text(),
        f"{rows['seed'].nunique()} seeds; of {len(rows)} pairs the grown network is above the fresh one of as many epochs "
        f"as it was trained more in {(rows['grown'] > rows['few']).sum()}, above that of as many epochs in all in "
        f"{(rows['grown'] > rows['all']).sum()}, and above the network that it grew from in "
        f"{(rows['grown'] > rows['parent']).sum()}.\n",
        f"| step | {' | '.join(COLUMNS.values())} |",
        "| --- " * (1 + len(COLUMNS)) + "|",
    ]
    for name, group in rows.groupby("step", sort=False):
        cells = [f"{100 * group[column].mean():.1f} ± {100 * group[column].std():.1f}" for column in COLUMNS]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    file = FOLDER / "rows.csv"
    rows = pd.read_csv(file) if file.exists() else pd.DataFrame(columns=["seed"])
    for seed in sorted({*range(SEEDS)} - {*rows["seed"]}):
        rows = pd.DataFrame([*rows.to_dict("records"), *trained(seed)])
        rows.round(6).to_csv(file, index=False)
    (FOLDER / "README.md").write_text(page(rows))


if __name__ == "__main__":
    main()
