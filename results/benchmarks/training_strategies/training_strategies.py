"""Which training makes the subnets of a supernet good soonest, at equal forward and backward passes?

Run from the repository root; rows that are in rows.csv are not computed again, and a training that was killed goes on:

    python results/benchmarks/training_strategies/training_strategies.py --data-dir DATA --work WORK [--device cuda]
    python results/benchmarks/training_strategies/strategies_page.py

DATA holds cifar10/, fashion_mnist/, nasbench_macro/nasbench_macro_cifar10.parquet and
tanglenas_toy/cell_fashion_mnist.parquet. `--smoke` needs none of them and takes seconds.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from nas import Supernet
from nas.costs import StaticCosts
from nas.data import Augment, ImageData, load
from nas.evaluation import SharedWeights
from nas.evaluation.ranking import equal_cost, precision_at, regret, tau, tau_within_strata
from nas.methods import METHODS
from nas.problem import Problem
from nas.search.pareto import hypervolume, pareto_front
from nas.space import Architecture
from nas.supernet import takes_channels_last
from nas.training import Context, Phase, Recipe, SupernetStep, train_phases
from nas.training.phase import spans
from search_spaces import chain as chain_space, toy_cell as cell_space
from search_spaces.mobilenet import mobilenet

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))
from kept_rows import KeptRows

COLUMNS = (
    "space", "method", "seed", "passes", "steps", "training_s", "scoring_s", "tau", "within", "precision", "regret",
    "hypervolume",
)  # fmt: skip

Row = dict[str, Any]
Truth = tuple[list[Architecture], pd.DataFrame]
"""Architectures, and of each its ``truth`` (greater is better) and its ``flops``."""


@dataclass(frozen=True)
class Strategy:
    """A method with its options, what differs in the recipe, and the spaces in which that makes a difference."""

    method: str
    options: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    spaces: Sequence[str] = ("chain", "toy_cell", "front")


STRATEGIES = {
    "spos": Strategy("spos"),
    "fairnas": Strategy("fairnas"),
    "bignas": Strategy("bignas"),
    "alphanet": Strategy("alphanet"),
    "bignas, single paths first": Strategy("bignas", {"single_paths": 0.5}),
    "spos, largest first": Strategy("spos", {"largest_first": 0.1}),
    "spos, average": Strategy("spos", recipe={"weight_average": 0.999}),
    "spos, rate by size": Strategy("spos", recipe={"rate_by_size": 0.5}),
    "spos, masked": Strategy("spos", recipe={"masked": True}, spaces=["front"]),
    "spos, double batches": Strategy("spos", {"double_batches": 0.3}),
}


@dataclass(frozen=True)
class Contest:
    """What all strategies train and are asked.

    Attributes:
        supernet: of the shape of the data.
        data: of a seed.
        truth: of an untrained supernet; None where the front of random architectures is asked for.
        passes: forward and backward passes of a batch.
        epochs: into which they are divided.
        batch: examples of a pass.
        calibration: images for batch norms of an evaluated architecture.
        candidates: random architectures of a front.
    """

    supernet: Callable[[ImageData], Supernet]
    data: Callable[[int], ImageData]
    truth: Callable[[Supernet], Truth] | None = None
    passes: int = 6000
    epochs: int = 30
    batch: int = 64
    calibration: int = 256
    candidates: int = 300


def contests(folder: Path, device: str, width: int) -> dict[str, Contest]:
    """Those of the study.

    Args:
        folder: of data and tables.
        device: where supernets train.
        width: channels of the stem of chains.
    """

    def cifar(seed: int) -> ImageData:
        return few(load("cifar10", folder / "cifar10", seed, device=device, limit=16_000), 500, seed)

    def fashion(seed: int) -> ImageData:
        data = load("fashion_mnist", folder / "fashion_mnist", seed, image_size=14, device=device, limit=16_000)
        return few(data, 1000, seed)

    chains = folder / "nasbench_macro" / "nasbench_macro_cifar10.parquet"
    cells = folder / "tanglenas_toy" / "cell_fashion_mnist.parquet"
    return {
        "chain": Contest(
            lambda data: Supernet(chain_space.chain(data.input_shape, width=width)), cifar, lambda _: published(chains)
        ),
        "toy_cell": Contest(
            lambda data: Supernet(cell_space.toy_cell(data.input_shape, width=16)),
            lambda seed: replace(fashion(seed), augment=Augment()),
            lambda supernet: published_cells(cells, supernet),
        ),
        "front": Contest(lambda data: Supernet(mobilenet(data.input_shape, 10)), fashion),
    }


def smoke() -> dict[str, Contest]:
    """The same questions of tiny spaces and digits, with a made-up truth."""

    def digits(seed: int) -> ImageData:
        return few(load("digits", seed=seed, limit=100), 40, seed)

    def made_up(supernet: Supernet) -> Truth:
        drawn = list(dict.fromkeys(supernet.space.sample(seed) for seed in range(4)))
        costs = StaticCosts(supernet, (1, 8, 8))
        flops = [costs(each)["flops"] for each in drawn]
        return drawn, pd.DataFrame({"truth": np.log(flops) + np.arange(len(drawn)) % 3, "flops": flops})

    tiny: dict[str, Any] = {"passes": 12, "epochs": 4, "batch": 8, "calibration": 16, "candidates": 4}
    widths = {"widths": (8,), "strides": (1,), "depths": (1, 2), "stem": 8, "head": 16}
    return {
        "chain": Contest(
            lambda data: Supernet(chain_space.chain(data.input_shape, layers=(1, 2), width=4, head=8)),
            digits, made_up, **tiny,
        ),
        "toy_cell": Contest(lambda data: Supernet(cell_space.toy_cell(data.input_shape, width=4)), digits, made_up, **tiny),
        "front": Contest(lambda data: Supernet(mobilenet(data.input_shape, 10, **widths)), digits, **tiny),
    }  # fmt: skip


def few(data: ImageData, images: int, seed: int) -> ImageData:
    """With so many validation images at most, since thousands of architectures are evaluated."""
    if images >= len(data.validation):
        return data
    return replace(data, validation=data.validation.divided(images / len(data.validation), (seed, 5))[0])


def published(path: Path) -> Truth:
    """All 6,561 chains, the mean of three trainings of each in percent, and the FLOPs that were published with them."""
    table = pd.read_parquet(path)
    architectures = [Architecture(chain_space.NOTATION.parse(text)) for text in table["arch"]]
    return architectures, pd.DataFrame({"truth": table["mean_acc"], "flops": table["flops"]})


def published_cells(path: Path, supernet: Supernet, count: int = 500) -> Truth:
    """Some random cells of the table, alike for all, with the FLOPs that they have here."""
    table = pd.read_parquet(path).sort_values(["normal", "reduce"]).sample(count, random_state=0)
    parsed = [cell_space.NOTATION.parse(*cells) for cells in zip(table["normal"], table["reduce"], strict=True)]
    architectures = [supernet.space.architecture(each) for each in parsed]
    costs = StaticCosts(supernet, (1, 14, 14))
    flops = [costs(each)["flops"] for each in architectures]
    return architectures, pd.DataFrame({"truth": table["test_acc"].to_numpy(), "flops": flops})


def phases_of(strategy: Strategy, problem: Problem, passes: int) -> tuple[Sequence[Phase], int]:
    """A training of so many passes, and how many it really has: paths of a step times steps, and a batch of twice the
    size counts twice. A strategy of several paths has fewer steps in as many epochs."""
    recipe = problem.recipe
    method = METHODS[strategy.method]

    def made(steps: int) -> tuple[Sequence[Phase], int]:
        of_length = recipe.model_copy(
            update={**method.recipe, **strategy.recipe, "epoch_examples": steps * recipe.batch_size}
        )
        phases = method.phases(replace(problem, recipe=of_length), **method.check_options(strategy.options))
        return phases, sum(passes_of(span.phase) * span.epochs for span in spans(phases))

    _, of_two = made(2)
    return made(max(1, round(2 * passes / of_two)))


def passes_of(phase: Phase) -> int:
    """Of an epoch, in batches of the recipe as it was given: examples of a step are counted by each path."""
    assert isinstance(phase.step, SupernetStep) and phase.recipe.epoch_examples is not None
    asked = phase.recipe.epoch_examples
    assert phase.steps_per_epoch * phase.recipe.batch_size >= asked, "more examples are asked for than there are"
    return len(phase.step.paths.draw(Context(0))) * asked


def row_of(space: str, name: str, seed: int, contest: Contest, truth: Truth | None, checkpoint: Path) -> Row:
    """Trains a supernet and asks it."""
    torch.manual_seed(seed)
    data = contest.data(seed)
    supernet = contest.supernet(data).to(data.train.device)
    if takes_channels_last(supernet, next(iter(data.validation.batches(2)))[0]):
        data = data.laid_out(torch.channels_last)
    recipe = Recipe(epochs=contest.epochs, batch_size=contest.batch)
    problem = Problem(supernet, data, seed, recipe)
    phases, examples = phases_of(STRATEGIES[name], problem, contest.passes * contest.batch)
    started = time.perf_counter()
    train_phases(phases, seed=seed, checkpoint=checkpoint)
    trained = time.perf_counter()
    found = answers(contest, problem, truth)
    steps = sum(span.phase.steps_per_epoch * span.epochs for span in spans(phases))
    seconds = {"training_s": trained - started, "scoring_s": time.perf_counter() - trained}
    return {
        "space": space,
        "method": name,
        "seed": seed,
        "passes": examples / contest.batch,
        "steps": steps,
        **seconds,
        **found,
    }


def answers(contest: Contest, problem: Problem, truth: Truth | None) -> Row:
    """How a trained supernet ranks, or what its front is worth."""
    evaluate = SharedWeights(problem.supernet, problem.data, contest.calibration)
    if truth is not None:
        architectures, table = truth
        return ranked(evaluate(architectures)["accuracy"], table)
    draws = [problem.space.smallest(), *(problem.space.sample([0, number]) for number in range(contest.candidates))]
    architectures = list(dict.fromkeys(draws))
    flops = problem.cost_table(architectures)["flops"] / problem.costs(problem.space.largest())["flops"]
    front = pareto_front(np.stack([flops, 1 - evaluate(architectures)["accuracy"]], axis=1))
    chosen = [each for each, best in zip(architectures, front, strict=True) if best]
    errors = [1 - tally.metrics()["accuracy"] for tally in evaluate.tallies(chosen, problem.data.test)]
    return {"hypervolume": hypervolume(np.stack([flops[front], errors], axis=1), (1.0, 1.0))}


def ranked(scores: Any, table: pd.DataFrame) -> Row:
    """How scores order architectures of which the truth is known."""
    truth, tenth = table["truth"], max(1, len(table) // 10)
    return {
        "tau": tau(scores, truth),
        "within": tau_within_strata(scores, truth, equal_cost(table["flops"]).labels),
        "precision": precision_at(scores, truth, tenth),
        "regret": regret(scores, truth, 1),
    }


def counting(space: str, truth: Truth) -> Row:
    """The row of counting FLOPs alone."""
    _, table = truth
    return {"space": space, "method": "flops", "seed": 0, "passes": 0, "steps": 0, **ranked(table["flops"], table)}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    parser.add_argument("--work", type=Path, default=Path("training_strategies"), help="checkpoints of trainings")
    parser.add_argument("--rows", type=Path, default=HERE / "rows.csv")
    parser.add_argument("--spaces", nargs="+", choices=["chain", "toy_cell", "front"])
    parser.add_argument("--methods", nargs="+", choices=[*STRATEGIES])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--budget", type=int, help="passes of each training")
    parser.add_argument("--chain-width", type=int, default=32, help="channels of the stem; 32 as published")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--smoke", action="store_true", help="tiny spaces and digits")
    asked = parser.parse_args(arguments)
    found = smoke() if asked.smoke else contests(asked.data_dir, asked.device, asked.chain_width)
    asked.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(asked.threads)
    rows = KeptRows(asked.rows, ("space", "method", "seed"), COLUMNS)
    for space in asked.spaces or found:
        contest = found[space] if asked.budget is None else replace(found[space], passes=asked.budget)
        truth = None if contest.truth is None else contest.truth(contest.supernet(contest.data(0)))
        if truth is not None and {"space": space, "method": "flops", "seed": 0} not in rows:
            rows.add(counting(space, truth))
        for seed in asked.seeds:
            for name in asked.methods or STRATEGIES:
                if space not in STRATEGIES[name].spaces or {"space": space, "method": name, "seed": seed} in rows:
                    continue
                checkpoint = asked.work / f"{space}-{name.replace(', ', '-').replace(' ', '-')}-{seed}.safetensors"
                row = row_of(space, name, seed, contest, truth, checkpoint)
                rows.add(row)
                checkpoint.unlink()
                print(row, flush=True)


if __name__ == "__main__":
    main()
