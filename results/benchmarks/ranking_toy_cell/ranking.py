"""Do supernets of the TangleNAS cell space rank its cells as stand-alone training does?

Run from the repository root:  OMP_NUM_THREADS=1 python results/benchmarks/ranking_toy_cell/ranking.py
Reads fashion_mnist/ and tanglenas_toy/ from the folder named by NAS_SHARED_DATA (default: data in the current folder).
Trains a supernet for each method and seed, minutes each; one that is in runs.csv is not trained again, so the command
continues where it was stopped. Writes runs.csv, probabilities.csv, scores.csv, summary.csv and README.md.
"""

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import pandas as pd
import torch
from summary import best_scored, summarise

from nas import Supernet
from nas.costs import StaticCosts
from nas.data import Augment, ImageData, load
from nas.evaluation import SharedWeights
from nas.files import write_file
from nas.methods import METHODS, Method
from nas.problem import Problem
from nas.space import Architecture
from nas.training import Learning, Phase, Recipe, RelaxedStep, train_phases
from search_spaces.toy_cell import NOTATION, toy_cell

HERE = Path(__file__).parent
DATA = Path(os.environ.get("NAS_SHARED_DATA", "data"))

SPACE_METHODS = {
    "darts": {},
    "pc-darts": {"partial_channels": 4},
    "gdas": {},
    "tanglenas": {"entangled": True},
    "spos": {},
}
"""Method → arguments of the space while it is searched."""

REFERENCE = "spos"
"""Learns no probabilities; trained last."""

SEEDS = range(3)
PIXELS, WIDTH, IMAGES, EPOCHS, BATCH = 14, 16, 10_000, 12, 64
CELLS, VALIDATION_SHARE, CALIBRATION = 500, 0.25, 256

PUBLISHED_STEPS = 50 * 390
"""Of the architecture parameters in DARTS: 50 epochs of 25,000 images in batches of 64."""

STEPS = EPOCHS * (IMAGES // 2 // BATCH)
LEARNING_RATE = round(3e-4 * PUBLISHED_STEPS / STEPS, 4)
"""Of the architecture parameters: raised from 3e-4 so that its product with the number of steps stays as published.
Methods that say themselves how far a logit may move, such as gdas, get their own."""

ABOUT = f"""Supernets of `toy_cell` are trained on {IMAGES:,} images of Fashion-MNIST for {EPOCHS} epochs, at {PIXELS}x{PIXELS} pixels and
width {WIDTH} where the published cells had 28x28 and 32, without augmentation as in the table. Differentiable methods give
half of the images to the architecture parameters; these learn with a rate of {LEARNING_RATE} (3e-4 as published, raised so that
its product with the number of steps stays), in gdas with {METHODS["gdas"].learning["reach"] / STEPS:.2g}, since there it was published with more steps. All else
is as in `nas.methods`. All edges of these cells are kept, so the edge weights of pc-darts have nothing to decide. Methods
get equal epochs, not equal time."""


def published_cells() -> pd.DataFrame:
    """The table: ``test_acc`` in percent, its ``rank`` (1 is best, of equals the best), and the architecture's key."""
    path = DATA / "tanglenas_toy" / "cell_fashion_mnist.parquet"
    if not path.exists():
        sys.exit(f"{path} does not exist; set NAS_SHARED_DATA to the folder that holds tanglenas_toy.")
    table = pd.read_parquet(path)[["normal", "reduce", "test_acc"]]
    parsed = [NOTATION.parse(*cells) for cells in zip(table["normal"], table["reduce"], strict=True)]
    table["key"] = [Architecture(values).key for values in parsed]
    table["rank"] = table["test_acc"].rank(method="min", ascending=False).astype(int)
    return table


def drawn_cells(table: pd.DataFrame) -> pd.DataFrame:
    """The same random cells for every supernet, with the static costs of the published networks."""
    cells = table.sort_values("key").sample(CELLS, random_state=0).reset_index(drop=True)
    supernet = Supernet(toy_cell())
    costs = StaticCosts(supernet, (1, 28, 28))
    found = pd.DataFrame([costs(architecture) for architecture in architectures(supernet, cells["key"])])
    return cells.assign(params=found["params"], flops=found["flops"])


def architectures(supernet: Supernet, keys: Sequence[str]) -> list[Architecture]:
    return [supernet.space.architecture(Architecture.from_json(key)) for key in keys]


def images(seed: int, limit: int = IMAGES) -> ImageData:
    """Small Fashion-MNIST; some validation images are enough to evaluate many cells."""
    data = load("fashion_mnist", data_dir=DATA / "fashion_mnist", seed=seed, image_size=PIXELS, limit=limit)
    judging, _ = data.validation.fraction(VALIDATION_SHARE, (seed, 5))
    return replace(data, validation=judging)


def phases_of(method: Method, supernet: Supernet, data: ImageData, seed: int, epochs: int) -> Sequence[Phase]:
    """The method's own training; images are not augmented, as in the table."""
    rate = None if "reach" in method.learning else LEARNING_RATE
    learning = Learning(**{**method.learning, "learning_rate": rate})
    recipe = Recipe(**{**method.recipe, "epochs": epochs, "batch_size": BATCH})
    return method.phases(Problem(supernet, replace(data, augment=Augment()), seed, recipe, learning))


def run(name: str, seed: int, keys: Sequence[str], data: ImageData, epochs: int = EPOCHS) -> dict[str, pd.DataFrame]:
    """Trains a supernet and asks it for probabilities and scores; table → its rows of this run."""
    torch.manual_seed(seed)
    arguments = SPACE_METHODS[name]
    supernet = Supernet(toy_cell(data.input_shape, data.output_shape[0], width=WIDTH, **arguments))
    started = time.process_time()
    phases = phases_of(METHODS[name], supernet, data, seed, epochs)
    step, history = phases[-1].step, train_phases(phases, seed=seed)
    trained = time.process_time()
    scores = SharedWeights(supernet, data, CALIBRATION, batch_size=250)(architectures(supernet, keys))
    scores = scores[["accuracy", "loss"]].assign(cell=range(len(keys)))
    rows = {"scores": scores, "probabilities": pd.DataFrame()}
    derived = keys[best_scored(scores)]
    if isinstance(step, RelaxedStep):
        derived = step.derived.key
        options = supernet.options
        rows["probabilities"] = pd.DataFrame(
            [
                {"choice": choice, "option": option, "probability": probability}
                for choice, values in step.relaxed.arrays().items()
                for option, probability in zip(options[choice], values.tolist(), strict=True)
            ]
        )
    seconds = {"training_s": trained - started, "scoring_s": time.process_time() - trained}
    loss = history[-1].get("loss_weights", history[-1]["loss"])
    rows["runs"] = pd.DataFrame([{**seconds, "loss": loss, "derived": derived}])
    return {table: values.assign(method=name, seed=seed) for table, values in rows.items()}


def stored(name: str) -> pd.DataFrame:
    path = HERE / f"{name}.csv"
    return pd.read_csv(path) if path.exists() else pd.DataFrame({"method": [], "seed": []})


def store(name: str, rows: pd.DataFrame) -> None:
    """Adds the rows of one run in place of any it had."""
    if rows.empty:
        return
    before, (method, seed) = stored(name), rows[["method", "seed"]].iloc[0]
    others = before[(before["method"] != method) | (before["seed"] != seed)]
    joined = pd.concat([others, rows], ignore_index=True) if len(others) else rows
    joined = joined.sort_values(["seed", "method"], key=_position, kind="stable")
    first = ["method", "seed"]
    joined = joined[first + [column for column in joined if column not in first]]
    write_file(HERE / f"{name}.csv", joined.to_csv(index=False, float_format="%.5g"))


def _position(values: pd.Series) -> pd.Series:
    """Of methods in their list; of seeds themselves."""
    return values.map(list(SPACE_METHODS).index) if values.name == "method" else values


def main() -> None:
    torch.set_num_threads(1)
    table = published_cells()
    cells = drawn_cells(table)
    for seed, name in sorted(product(SEEDS, SPACE_METHODS), key=lambda each: each[1] == REFERENCE):
        runs = stored("runs")
        if ((runs["method"] == name) & (runs["seed"] == seed)).any():
            continue
        rows = run(name, seed, cells["key"].tolist(), images(seed))
        for part in ("scores", "probabilities", "runs"):
            store(part, rows[part])
        print(name, seed, rows["runs"].round(1).to_dict("records"), flush=True)
    summarise(table, cells, {name: stored(name) for name in ("runs", "probabilities", "scores")}, ABOUT, HERE)


if __name__ == "__main__":
    main()
