"""Differentiable methods on tasks whose answer is known: an operation, and a kernel size, that alone can solve them.

Run from the repository root:  python results/benchmarks/planted/planted.py
Writes operations.csv, prices.csv, kernels.csv and networks.csv beside it, row by row, and continues with what they lack;
tables.py prints what is in them.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import nas
from nas.data import Augment, ImageData, ImageSplit, load
from nas.evaluation.hessian import sharpness
from nas.evaluation.metrics import evaluate
from nas.files import write_file
from nas.methods import METHODS
from nas.methods.darts_pt import selected, with_selection_rounds
from nas.methods.differentiable import RECIPE, most_likely, relaxed_phases
from nas.nn import OneOf, PartialChannels, Zero
from nas.problem import Budget, Problem
from nas.supernet.relaxations import BinaryGates, GumbelStraightThrough, MaxW
from nas.tasks import Classification
from nas.training import (
    AddedCost,
    CrossEntropy,
    Learning,
    LossTerm,
    Phase,
    PlainStep,
    Recipe,
    RelaxedStep,
    train,
    train_phases,
)
from search_spaces.cell_operations import relu_conv_bn

FOLDER = Path(__file__).parent
EDGES = 3
CHANNELS = 16
TASK = Classification(list("0123456789"))
OPERATIONS = ("zero", "noise", "skip", "conv")
PRICES = (0.0, 1.0, 1.0, 10.0)
KERNELS = (3, 5, 7)
NETWORKS = {
    "5-5-5": ("5-5-5", "3-5-5", "5-3-5", "5-5-3", "7-5-5", "5-7-5", "5-5-7", "7-7-7"),
    "7-5-3": ("7-5-3", "5-5-5", "5-7-3", "7-3-5", "7-7-7"),
}


@dataclass(frozen=True)
class Plan:
    """How a method is run; what is left out is as the method has it.

    Attributes:
        method: its name.
        epochs: of training.
        arch_lr: of the architecture parameters.
        recipe, learning: fields in which the run departs from the method.
        parts: into how many parts the channels are divided, of which operations see one.
        phases: in place of the method's, where that leaves a setting of the experiment no room.
    """

    method: str
    epochs: int
    arch_lr: float
    recipe: Mapping[str, Any] = field(default_factory=dict)
    learning: Mapping[str, Any] = field(default_factory=dict)
    parts: int = 1
    phases: Callable[[Problem], Sequence[Phase]] | None = None


def _gdas(problem: Problem, ghost_terms: bool) -> Sequence[Phase]:
    """The temperatures of the experiment, which the method has no setting for."""
    return relaxed_phases(problem, GumbelStraightThrough((2.0, 0.2), ghost_terms), rule=most_likely)


def _perturbed(problem: Problem) -> Sequence[Phase]:
    """sharpDARTS whose architecture is derived as DARTS-PT derives it."""
    return with_selection_rounds(problem, *relaxed_phases(problem, MaxW(), rule=selected))


OPERATION_PLANS = {
    "darts": Plan("darts", 12, 0.03),
    "darts-2nd": Plan("darts-2nd", 12, 0.03),
    "darts-pt": Plan("darts-pt", 12, 0.03),
    "sd-darts": Plan("sd-darts", 12, 0.03),
    "sharpdarts": Plan("sharpdarts", 12, 0.03),
    "sharpdarts, by perturbation": Plan("sharpdarts", 12, 0.03, phases=_perturbed),
    "pc-darts": Plan("pc-darts", 12, 0.03, learning={"warmup": 1 / 3}, parts=2),
    "dropnas": Plan("dropnas", 12, 0.03),
    "snas": Plan("snas", 12, 0.03),
    "tanglenas": Plan("tanglenas", 12, 0.03),
    "gdas": Plan("gdas", 40, 0.1),
    "gdas, temperature 2 to 0.2": Plan("gdas", 40, 0.1, phases=partial(_gdas, ghost_terms=True)),
    "gdas, temperature 2 to 0.2, batches of 32": Plan(
        "gdas", 40, 0.1, recipe={"batch_size": 32}, phases=partial(_gdas, ghost_terms=True)
    ),
    "gdas, temperature 2 to 0.2, no ghost terms": Plan("gdas", 40, 0.1, phases=partial(_gdas, ghost_terms=False)),
    "proxyless": Plan("proxyless", 40, 0.1, learning={"warmup": 0.25}),
    "proxyless, no warm-up": Plan("proxyless", 40, 0.1, learning={"warmup": 0.0}),
}

KERNEL_PLANS = {
    "tanglenas": Plan("tanglenas", 20, 0.03),
    "tas": Plan("tas", 20, 0.03),
    "single-path": Plan("single-path", 20, 0.03),
}


class Noise(nn.Module):
    """Gaussian noise in place of the input, anew in each pass, in evaluation too."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.randn_like(x)


class EverySeventh(nn.Module):
    """The middle of each seven positions: ``[N, C, 1, 7 n]`` → ``[N, C, 1, n]``."""

    def forward(self, x: Tensor) -> Tensor:
        return x[..., 3::7]


def operation_chain(parts: int = 1) -> nas.Supernet:
    """Three edges in a row between a stem and a linear classifier of digits; only a convolution can learn on them."""

    def edge(number: int) -> nn.Module:
        share = PartialChannels.share_of(CHANNELS, parts)
        modules = (Zero(), Noise(), nn.Identity(), relu_conv_bn(share, share, 3, affine=False))
        one = OneOf(dict(zip(OPERATIONS, modules, strict=True)), nas.Choice(OPERATIONS, name=f"edge{number}"))
        return one if parts == 1 else PartialChannels(one, CHANNELS, parts)

    stem = nn.Sequential(nn.Conv2d(1, CHANNELS, 3, padding=1, bias=False), nn.BatchNorm2d(CHANNELS))
    head = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(CHANNELS, 10))
    return nas.Supernet(nn.Sequential(stem, *map(edge, range(EDGES)), head))


def kernel_chain() -> nas.Supernet:
    """Three elastic convolutions in a row on signals of 343 values, each read at every seventh position."""

    def layer(number: int) -> nn.Module:
        kernel = nas.Choice(KERNELS, name=f"layer{number}")
        inputs = CHANNELS if number else 1
        conv = nas.nn.Conv2d(inputs, CHANNELS, (1, kernel), padding=(0, kernel // 2), bias=False)
        return nn.Sequential(conv, EverySeventh(), nn.BatchNorm2d(CHANNELS, affine=False), nn.ReLU())

    return nas.Supernet(nn.Sequential(*map(layer, range(EDGES)), nn.Flatten(), nn.Linear(CHANNELS, 8)))


def signals(count: int, seed: int, planted: str) -> ImageSplit:
    """Labelled signals ``[count, 1, 1, 343]`` that a kernel of the planted size sees all of, in each of three layers.

    A signal is seven parts of seven parts of seven values. Of any seven, two carry the code of the class: those at the
    ends of the planted kernel around the middle. All others are random signs. All values have noise on top.

    Args:
        planted: sizes of the kernels, from the first layer to the last, such as "5-5-5".
    """
    draws = torch.Generator().manual_seed(seed)
    code = torch.tensor([[1.0]])
    for _ in range(EDGES):
        code = torch.cat([torch.cat([code, code], 1), torch.cat([code, -code], 1)])
    ends = [(3 - size // 2, 3 + size // 2) for size in sizes(planted)]
    carriers = [49 * i + 7 * j + k for i in ends[2] for j in ends[1] for k in ends[0]]
    labels = torch.arange(count) % len(code)
    values = torch.randint(0, 2, (count, 343), generator=draws) * 2.0 - 1
    values[:, carriers] = code[labels]
    values += 0.5 * torch.randn(count, 343, generator=draws)
    return ImageSplit(values[:, None, None], labels, torch.zeros(1), torch.ones(1))


def sizes(kernels: str) -> list[int]:
    """Those of "7-5-3", for example."""
    return list(map(int, kernels.split("-")))


def taps(probabilities: Mapping[str, Tensor]) -> Tensor:
    """The expected sum of the kernel sizes."""
    return torch.stack([each @ torch.tensor(KERNELS, dtype=each.dtype) for each in probabilities.values()]).sum()


def price(probabilities: Mapping[str, Tensor], prices: Sequence[float]) -> Tensor:
    """The expected sum of what the operations of all edges cost."""
    return torch.stack([each @ torch.tensor(prices, dtype=each.dtype) for each in probabilities.values()]).sum()


def prepared(
    plan: Plan, supernet: nas.Supernet, images: ImageSplit, validation: ImageSplit, budget: Budget, seed: int
) -> Problem:
    """What the method trains: its recipe and learning with the settings of the plan."""
    method = METHODS[plan.method]
    return Problem(
        supernet,
        ImageData("planted", TASK, images, validation, validation, Augment()),
        seed,
        Recipe(**{**method.recipe, "epochs": plan.epochs, **plan.recipe}),
        Learning(**{**method.learning, "learning_rate": plan.arch_lr, **plan.learning}),
        budget=budget,
    )


class Training:
    """The training of a plan, with a look after its first phase: all but the decisions by perturbation."""

    def __init__(self, plan: Plan, problem: Problem, folder: str) -> None:
        self.plan, self.problem, self.file = plan, problem, Path(folder) / "supernet.safetensors"
        self.phases = (plan.phases or METHODS[plan.method].phases)(problem)
        train_phases(self.phases, seed=problem.seed, checkpoint=self.file, until=problem.recipe.epochs)

    @property
    def step(self) -> RelaxedStep:
        assert isinstance(self.phases[0].step, RelaxedStep)
        return self.phases[0].step

    def proposed(self) -> nas.Architecture:
        """What the method proposes in the end."""
        train_phases(self.phases, seed=self.problem.seed, checkpoint=self.file)
        return self.step.derived


@torch.no_grad()
def accuracy(model: nn.Module, images: ImageSplit) -> float:
    """Under the active gates, with the batch-norm statistics of each batch."""
    model.train()
    tally = TASK.tally()
    for x, y in images.batches(256):
        tally.add(model(x), y)
    return tally.metrics()["accuracy"]


def sharpness_of(step: RelaxedStep, images: ImageSplit) -> float:
    """The largest curvature of the loss on these images in the architecture parameters."""
    ((x, y),) = images.batches(len(images))
    step.model.train()
    step.relaxed.show()
    return sharpness(lambda: F.cross_entropy(step.model(x), y), list(step.relaxed.parameters.parameters()))


def gap(step: RelaxedStep, images: ImageSplit) -> float:
    """The accuracy that the trained supernet loses when the likeliest operations alone stay, without more training."""
    step.relaxed.show()
    mixed = accuracy(step.model, images)
    step.model.activate(most_likely(step.relaxed))
    return mixed - accuracy(step.model, images)


def find_operations(method: str, seed: int) -> list[dict[str, Any]]:
    """One row for each edge: what the method makes of it."""
    plan, started = OPERATION_PLANS[method], time.perf_counter()
    data = load("digits", seed=seed)
    torch.manual_seed(seed)
    budget = Budget(partial(price, prices=(10.0,) * 4), 30.0, 30.0)
    problem = prepared(plan, operation_chain(plan.parts), data.train, data.validation, budget, seed)
    with TemporaryDirectory() as folder:
        training = Training(plan, problem, folder)
        common = {
            "sharpness": round(sharpness_of(training.step, data.validation), 4),
            "gap": round(gap(training.step, data.validation), 4),
        }
        return _rows(training, started, common)


def find_priced(weight: float, seed: int) -> list[dict[str, Any]]:
    """As :func:`find_operations` with the gates of ProxylessNAS, where a convolution is dear and the loss knows it."""
    plan, started = OPERATION_PLANS["proxyless"], time.perf_counter()
    expected = partial(price, prices=PRICES)
    term = AddedCost(expected, reference=EDGES * max(PRICES), weight=weight)
    plan = replace(plan, phases=partial(_priced, term))
    data = load("digits", seed=seed)
    torch.manual_seed(seed)
    budget = Budget(expected, 30.0, 30.0)
    problem = prepared(plan, operation_chain(), data.train, data.validation, budget, seed)
    with TemporaryDirectory() as folder:
        training = Training(plan, problem, folder)
        with torch.no_grad():
            cost = float(expected(training.step.relaxed.probabilities()))
        return _rows(training, started, {"expected": round(cost, 3)})


def _priced(term: LossTerm, problem: Problem) -> Sequence[Phase]:
    return relaxed_phases(problem, BinaryGates(), rule=most_likely, objective=lambda relaxed: [CrossEntropy(), term])


def find_kernels(planted: str, method: str, seed: int) -> list[dict[str, Any]]:
    """One row for each layer: what the method makes of it. The budget is what the planted kernels cost."""
    plan, started = KERNEL_PLANS[method], time.perf_counter()
    torch.manual_seed(seed)
    budget = Budget(taps, float(sum(sizes(planted))), 21.0)
    training, validation = signals(2048, seed, planted), signals(1024, seed + 1000, planted)
    problem = prepared(plan, kernel_chain(), training, validation, budget, seed)
    with TemporaryDirectory() as folder:
        return _rows(Training(plan, problem, folder), started, {})


def judge_network(planted: str, kernels: str, seed: int) -> list[dict[str, Any]]:
    """How well a network of these kernels, trained by itself, does on signals that it has not seen."""
    torch.manual_seed(seed)
    supernet = kernel_chain()
    network = supernet.extract(dict(zip(supernet.space.choices, sizes(kernels), strict=True)))
    step = PlainStep(network, [CrossEntropy()])
    train(step, signals(2048, seed, planted), Recipe(epochs=20, **RECIPE), seed=seed)
    found = evaluate(network, signals(1024, seed + 1000, planted).batches(256))
    return [{name: round(found[name], 4) for name in ("accuracy", "loss")}]


def _rows(training: Training, started: float, common: dict[str, Any]) -> list[dict[str, Any]]:
    problem, learnt, space = training.problem, training.step.relaxed.arrays(), training.step.model.space
    proposed = training.proposed()
    seconds = round(time.perf_counter() - started, 2)
    return [
        {
            "epochs": problem.recipe.epochs,
            "arch_lr": problem.learning.learning_rate,
            "choice": choice,
            "likeliest": candidates[int(learnt[choice].argmax())],
            "proposed": proposed[choice],
            **{f"p({each})": round(float(p), 4) for each, p in zip(candidates, learnt[choice], strict=True)},
            **common,
            "seconds": seconds,
        }
        for choice, candidates in space.choices.items()
    ]


def grow(path: Path, find: Callable[..., list[dict[str, Any]]], jobs: Iterable[Mapping[str, Any]]) -> None:
    """Adds the rows of the jobs that the table in the file lacks."""
    rows: list[dict[Any, Any]] = pd.read_csv(path).to_dict("records") if path.exists() else []
    for job in jobs:
        if not any(job.items() <= row.items() for row in rows):
            rows += [{**job, **row} for row in find(**job)]
            write_file(path, pd.DataFrame(rows).to_csv(index=False))
            print(path.name, *job.values(), *(row.get("likeliest", "") for row in rows[-EDGES:]), flush=True)


def main() -> None:
    torch.set_num_threads(1)
    ten, five = range(10), range(5)
    operations = [{"method": name, "seed": seed} for seed in ten for name in OPERATION_PLANS]
    prices = [{"weight": weight, "seed": seed} for seed in five for weight in (0.0, 0.0003, 0.001, 0.003, 0.01)]
    kernels = [
        {"planted": planted, "method": name, "seed": seed}
        for planted in ("5-5-5", "7-5-3")
        for seed in five
        for name in KERNEL_PLANS
    ]
    networks = [
        {"planted": planted, "kernels": each, "seed": seed}
        for planted, tried in NETWORKS.items()
        for each in tried
        for seed in five
    ]
    grow(FOLDER / "operations.csv", find_operations, operations)
    grow(FOLDER / "prices.csv", find_priced, prices)
    grow(FOLDER / "kernels.csv", find_kernels, kernels)
    grow(FOLDER / "networks.csv", judge_network, networks)


if __name__ == "__main__":
    main()
