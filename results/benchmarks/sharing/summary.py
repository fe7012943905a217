"""What the runs of this folder say: README.md, from the tables that the other scripts wrote.

Run from the repository root:  python results/benchmarks/sharing/summary.py
"""

from collections.abc import Sequence
from pathlib import Path

import compare
import layers
import numpy as np
import pandas as pd
import pooling
import toy_cell
import transformer

from nas import Supernet
from nas.costs import StaticCosts
from nas.evaluation import ranking
from nas.files import write_file
from nas.space import Architecture
from nas.training import Recipe

HERE = Path(__file__).parent
JUDGE = "A ground truth may judge where two trainings of it agree by a tau of 0.5 or more."


def pooling_truth() -> pd.DataFrame:
    """A row a placement: ``key``, accuracy in percent of each training, ``flops``."""
    rows = pd.read_csv(pooling.TRUTH)
    trainings = 100 * rows.pivot(index="placement", columns="seed", values="accuracy")
    table = trainings.rename(columns=lambda seed: f"training {seed}").reset_index()
    table["flops"] = table["placement"].map(rows.groupby("placement")["flops"].first())
    table["key"] = [Architecture({"downsampling": placement}).key for placement in table["placement"]]
    return table


def cell_truth() -> pd.DataFrame:
    """A row a cell: ``key``, the published accuracy in percent, ``flops`` and ``params`` of the published network."""
    table = toy_cell.truth().rename(columns={"truth": "training 0"})
    supernet = Supernet(toy_cell.published())
    costs = StaticCosts(supernet, (1, 28, 28))
    found = pd.DataFrame([costs(supernet.space.architecture(Architecture.from_json(key))) for key in table["key"]])
    return table.assign(flops=found["flops"], params=found["params"])


def evaluated(name: str, truth: pd.DataFrame, costs: Sequence[str]) -> pd.DataFrame:
    """A row for each supernet: how well it ranks after its last epoch."""
    trainings = [column for column in truth if column.startswith("training")]
    rows = []
    for keys, scores in compare.stored(f"scores_{name}").groupby(["scheme", "budget", "seed"], sort=False):
        last = scores[scores["epoch"] == scores["epoch"].max()].merge(truth, on="key")
        found = ranking.rank(
            last["accuracy"], last[trainings], {cost: last[cost] for cost in costs}, threshold=0.1, samples=200
        )
        true = last[trainings].mean(axis=1)
        rows.append(
            {
                **dict(zip(("scheme", "budget", "seed"), keys, strict=True)),
                "tau": found.tau.value,
                "sparse_tau": found.sparse_tau.value,
                "weighted_tau": found.weighted_tau.value,
                "within": found.costs["flops"].within.value,
                "precision_10": found.precision.get(10, np.nan),
                "best_found": true[last["accuracy"].to_numpy().argmax()],
                "regret": found.regret[1],
                "accuracy": 100 * last["accuracy"].mean(),
                "epochs": _between_epochs(scores),
            }
        )
    return pd.DataFrame(rows)


def summarised(name: str, rows: pd.DataFrame) -> pd.DataFrame:
    """A row for each scheme and budget: means with standard deviations over seeds."""
    lines = []
    for (budget, scheme), group in rows.groupby(["budget", "scheme"], sort=False):
        own = group.set_index("seed")["tau"]
        plain = rows[(rows["scheme"] == "shared") & (rows["budget"] == budget)].set_index("seed")["tau"]
        gains = (own - plain).dropna()
        lines.append(
            {
                "steps": {"total": "equal in total", "per bank": "equal per bank"}[budget],
                "scheme": scheme,
                "seeds": len(group),
                "accuracy (%)": f"{group['accuracy'].mean():.1f}",
                "tau": _spread(group["tau"]),
                "tau gained on shared, by seed": "" if scheme == "shared" else ", ".join(f"{g:+.2f}" for g in gains),
                "sparse tau": _spread(group["sparse_tau"]),
                "tau at equal FLOPs": _spread(group["within"]),
                "best found (%)": _spread(group["best_found"]),
                "tau between seeds": _between_seeds(name, scheme, budget),
                "tau between last epochs": _spread(group["epochs"]),
            }
        )
    return pd.DataFrame(lines)


def _between_epochs(scores: pd.DataFrame) -> float:
    """Mean tau between one epoch and the next, over the architectures that all of them scored."""
    table = scores.pivot(index="key", columns="epoch", values="accuracy").dropna()
    return float(ranking.consecutive(table.to_numpy().T).mean())


def _between_seeds(name: str, scheme: str, budget: str) -> str:
    scores = compare.stored(f"scores_{name}")
    scores = scores[(scores["scheme"] == scheme) & (scores["budget"] == budget)]
    last = scores[scores["epoch"] == scores["epoch"].max()]
    table = last.pivot(index="key", columns="seed", values="accuracy")
    if table.shape[1] < 2:
        return ""
    found = ranking.agreement(table.to_numpy().T)
    return f"{found.mean:.2f}"


def _spread(values: pd.Series) -> str:
    return f"{values.mean():.2f} ± {values.std():.2f}" if len(values) > 1 else f"{values.mean():.2f}"


def baselines(truth: pd.DataFrame, costs: Sequence[str]) -> str:
    trainings = [column for column in truth if column.startswith("training")]
    true = truth[trainings].mean(axis=1)
    named = {"flops": "FLOPs", "params": "parameters"}
    said = " and ".join(f"{ranking.tau(truth[cost], true):.2f} by {named[cost]}" for cost in costs)
    return f"Counting alone ranks with tau {said}; accuracies span {true.min():.1f} to {true.max():.1f} %."


def gaps() -> tuple[pd.DataFrame, float]:
    """Bits per character of subnets inside a supernet beyond those of training alone; and how far two seeds differ."""
    alone = pd.read_csv(HERE / "transformer_alone.csv")
    by_id = alone.groupby("id")["bits"].agg(["mean", "std"])
    rows = pd.read_csv(HERE / "transformer.csv")
    rows["gap"] = rows["bits"] - rows["id"].map(by_id["mean"])
    lines = []
    for scheme, group in rows.groupby("scheme", sort=False):
        by_seed, gates = group.groupby("seed")["gap"].mean(), group["gates"].mean()
        lines.append(
            {
                "scheme": scheme,
                "parameters": f"{group['parameters'].iloc[0]:,}",
                "mean gap (bits)": _spread(by_seed),
                "smallest": _spread(group[group["id"] == alone["id"].iloc[0]]["gap"]),
                "largest": _spread(group[group["id"] == alone["id"].iloc[1]]["gap"]),
                "seeds": group["seed"].nunique(),
                "gates differ in": "" if np.isnan(gates) else f"{gates:.1%}",
                "CPU seconds": f"{group.groupby('seed')['cpu_seconds'].first().mean():.0f}",
            }
        )
    return pd.DataFrame(lines), float(by_id["std"].mean())


def layered() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Bits per character of networks of six layers by what these share: trained so, and made of a trained one."""
    rows = pd.read_csv(HERE / "layers.csv")
    untied = rows[rows["scheme"] == layers.UNTIED].set_index("seed")["bits"]
    trained, made = [], []
    for scheme, group in rows.groupby("scheme", sort=False):
        behind = group.set_index("seed")["bits"] - untied
        line = {
            "scheme": scheme,
            "stored parameters": f"{group['stored'].iloc[0]:,}",
            "bits per character": f"{group['bits'].mean():.3f} ± {group['bits'].std():.3f}",
            "behind untied, by seed": "" if scheme == layers.UNTIED else ", ".join(f"{gap:+.3f}" for gap in behind),
        }
        if scheme in layers.SCHEMES:
            trained.append({**line, "CPU seconds": f"{group['cpu_seconds'].mean():.0f}"})
        else:
            made.append({**line, "before training": f"{group['before'].mean():.3f} ± {group['before'].std():.3f}"})
    return pd.DataFrame(trained), pd.DataFrame(made)


def _verdict(agreement: float) -> str:
    return ", so it may judge" if agreement >= ranking.LEAST_CEILING else ", so what follows is inconclusive"


def _steps(recipe: Recipe) -> int:
    """Of a training on the windows of the text."""
    return recipe.epochs * (transformer.WINDOWS // recipe.batch_size)


def table(rows: pd.DataFrame) -> str:
    head = [f"| {' | '.join(rows.columns)} |", f"| {' | '.join('---' for _ in rows.columns)} |"]
    return "\n".join([*head, *(f"| {' | '.join(map(str, row))} |" for row in rows.itertuples(index=False))])


def main() -> None:
    placements, cells = pooling_truth(), cell_truth()
    judged_placements = evaluated("pooling", placements, ["flops"])
    judged_cells = evaluated("toy_cell", cells, ["flops", "params"])
    for name, rows in (("pooling", judged_placements), ("toy_cell", judged_cells)):
        write_file(HERE / f"summary_{name}.csv", rows.to_csv(index=False, float_format="%.4g"))
    transformers, noise = gaps()
    trained, made = layered()
    complete = placements.dropna()
    between = ranking.ceiling(*complete[["training 0", "training 1"]].to_numpy().T)
    own = toy_cell.own_trainings()
    text = (
        (HERE / "template.md")
        .read_text()
        .format(
            judge=JUDGE,
            placements_ceiling=f"{between:.2f} over {len(complete)} placements",
            placements_baselines=baselines(complete, ["flops"]),
            placements=table(summarised("pooling", judged_placements)),
            cells_ceiling=own,
            cells_baselines=baselines(cells, ["flops", "params"]),
            cells=table(summarised("toy_cell", judged_cells)),
            cell_count=len(cells),
            transformers=table(transformers),
            alone_noise=f"{noise:.3f}",
            layers=table(trained),
            layers_made=table(made),
            layer_steps=_steps(layers.FRESH),
            tuning_steps=_steps(layers.TUNING),
            cell_epochs=toy_cell.RECIPE.epochs,
            truth_epochs=pooling.RECIPE.epochs,
            placement_epochs=compare.TASKS["pooling"].recipe.epochs,
            placements_verdict=_verdict(between),
            last=compare.LAST,
            steps=_steps(transformer.RECIPE),
        )
    )
    write_file(HERE / "README.md", text)
    print(text)


if __name__ == "__main__":
    main()
