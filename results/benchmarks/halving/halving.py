"""Successive halving on real learning curves: 180 small perceptrons on digits after 1, 3, 9 and 27 epochs.

Run from the repository root; trainings that are there are not made again:

    python results/benchmarks/halving/halving.py

Writes rows.csv (a training each), strategies.csv (of ``nas benchmark`` on it) and README.md.
"""

import itertools
import warnings
from pathlib import Path

import pandas as pd
import yaml
from scipy.stats import kendalltau
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from nas.benchmark import benchmark_question, compare

FOLDER = Path(__file__).parent
WORK = Path("build/halving")
CHOICES = {
    "width": [4, 8, 16, 32, 64],
    "layers": [1, 2, 3],
    "activation": ["relu", "tanh", "logistic"],
    "rate": [0.001, 0.003, 0.01, 0.03],
}
EPOCHS = (1, 3, 9, 27)
STRATEGIES = ("random", "evolution", "ridge", "hyperband", "asha")
CANDIDATES, SEEDS, AT = 20, 50, (5, 10, 20)


def trained() -> pd.DataFrame:
    """A row for each architecture and number of epochs, at a constant learning rate: validation and test accuracy."""
    file = FOLDER / "rows.csv"
    if file.exists():
        return pd.read_csv(file)
    images, labels = load_digits(return_X_y=True)
    x, others, y, classes = train_test_split(images / 16, labels, train_size=900, random_state=0, stratify=labels)
    parts = train_test_split(others, classes, train_size=0.5, random_state=0, stratify=classes)
    rows = []
    for values in itertools.product(*CHOICES.values()):
        chosen = dict(zip(CHOICES, values, strict=True))
        network = MLPClassifier(
            (chosen["width"],) * chosen["layers"],
            activation=chosen["activation"],
            learning_rate_init=chosen["rate"],
            batch_size=100,
            random_state=0,
        )
        for epoch in range(1, EPOCHS[-1] + 1):
            network.partial_fit(x, y, classes=range(10))
            if epoch in EPOCHS:
                scores = {"val": network.score(parts[0], parts[2]), "test": network.score(parts[1], parts[3])}
                rows.append({**chosen, "epochs": epoch, **scores})
    table = pd.DataFrame(rows)
    table.to_csv(file, index=False)
    return table


def compared() -> pd.DataFrame:
    """Validation and test accuracy of what each strategy holds best, in epochs of so many whole trainings."""
    WORK.mkdir(parents=True, exist_ok=True)
    (WORK / "space.yaml").write_text(yaml.safe_dump({"choices": CHOICES}))
    question = benchmark_question(
        str(WORK / "space.yaml"),
        table=FOLDER / "rows.csv",
        metric="val",
        test="test",
        candidates=CANDIDATES,
        settings={"extra": {"epochs": list(EPOCHS)}},
    )
    compare(question, STRATEGIES, WORK / "searches", seeds=SEEDS)
    curves = pd.read_csv(WORK / "searches/curves.csv")
    kept = curves[curves["evaluation"].isin(AT)]
    found = kept.groupby(["strategy", "evaluation"], sort=False)[["best", "test"]].agg(["mean", "std", "count"])
    found.columns = ["_".join(names) for names in found.columns]
    return found


def page(table: pd.DataFrame, found: pd.DataFrame) -> str:
    """README.md: the text, then what the rows say."""
    wide = table.pivot_table(index=list(CHOICES), columns="epochs", values="val")
    last = wide[EPOCHS[-1]]
    taus = ", ".join(f"{kendalltau(wide[epochs], last).statistic:.2f} after {epochs}" for epochs in EPOCHS[:-1])
    lines = [
        (FOLDER / "about.md").read_text(),
        f"Kendall's tau of validation accuracies with those after {EPOCHS[-1]} epochs: {taus}. The best there is has "
        f"{last.max():.2%}.\n",
        f"| strategy | {' | '.join(f'{count}: validation | test' for count in AT)} |",
        "| --- " * (1 + 2 * len(AT)) + "|",
    ]
    for strategy in STRATEGIES:
        cells = [cell(found.loc[(strategy, count)], name) for count in AT for name in ("best", "test")]
        lines.append(f"| {strategy} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def cell(row: "pd.Series[float]", name: str) -> str:
    """Mean and standard deviation over the seeds that had trained any network wholly by then."""
    if not row[f"{name}_count"]:
        return "none yet"
    missing = SEEDS - int(row[f"{name}_count"])
    figures = f"{100 * row[f'{name}_mean']:.2f} ± {100 * row[f'{name}_std']:.2f}"
    return figures + (f" ({missing} seeds: none yet)" if missing else "")


def main() -> None:
    warnings.simplefilter("ignore")
    table, found = trained(), compared()
    found.round(6).to_csv(FOLDER / "strategies.csv")
    (FOLDER / "README.md").write_text(page(table, found))


if __name__ == "__main__":
    main()
