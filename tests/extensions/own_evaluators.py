"""Evaluators as somebody writes them beside a run."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pandas as pd
import torch

from nas import Architecture, Problem
from nas.nn import initialise


class Synflow:
    """Zero-cost: the sum of |weight * gradient| at initialisation, of weights made positive (Tanaka et al., 2020)."""

    metrics: ClassVar = {"synflow": "maximise"}

    def __init__(self, problem: Problem, power: float = 1.0) -> None:
        self.problem, self.power = problem, power

    def __call__(self, architectures: Sequence[Architecture]) -> pd.DataFrame:
        return pd.DataFrame({"synflow": [self.score(each) for each in architectures]})

    def score(self, architecture: Architecture) -> float:
        network = initialise(self.problem.delivered.extract(architecture), self.problem.seed).eval()
        for weight in network.parameters():
            weight.data.abs_()
        network(torch.ones(1, *self.problem.data.input_shape)).sum().backward()
        parts = [weight.grad * weight for weight in network.parameters() if weight.grad is not None]
        return float(sum(part.abs().sum() for part in parts)) ** self.power


def simulate(architecture: Architecture, noise: float = 0.0) -> Mapping[str, float]:
    """Nothing is trained: what is known of a network is a formula."""
    kernels = sum(int(str(value).rpartition("k")[2]) for value in architecture.values() if "k" in str(value))
    return {"accuracy": 1 - 1 / (2 + kernels) + noise, "energy_mj": 3.0 + kernels**2}


def depth(architecture: Architecture, problem: Problem) -> float:
    """A number alone stands for what is searched for."""
    return sum(value != "identity" for value in architecture.values()) / len(problem.space.choices)


def nonsense(architecture: Architecture) -> Any:
    return "good"


class Short:
    """Forgets an architecture."""

    def __init__(self, problem: Problem) -> None: ...

    def __call__(self, architectures: Sequence[Architecture]) -> pd.DataFrame:
        return pd.DataFrame({"accuracy": [0.5] * (len(architectures) - 1)})


class Promises(Short):
    """Says that it gives one thing, and gives another."""

    metrics: ClassVar = {"quality": "maximise"}

    def __call__(self, architectures: Sequence[Architecture]) -> pd.DataFrame:
        return pd.DataFrame({"quality": ["good"] * len(architectures), "other": 1.0})


def tested(architecture: Architecture) -> Mapping[str, float]:
    """Calls something as results call something else."""
    return {"accuracy": 0.5, "test_accuracy": 0.6}


class Failing(Short):
    """Fails where its user did not think of it."""

    def __call__(self, architectures: Sequence[Architecture]) -> pd.DataFrame:
        raise KeyError("weights")


class Empty(Short):
    """Asks for no architectures at a time."""

    batch = 0


class Twice(Short):
    """Two columns of one name."""

    def __call__(self, architectures: Sequence[Architecture]) -> pd.DataFrame:
        return pd.DataFrame([[0.5, 0.6]] * len(architectures), columns=["accuracy", "accuracy"])


class Nothing(Short):
    """Judges, but has neither network nor examples to show."""

    def __call__(self, architectures: Sequence[Architecture]) -> pd.DataFrame:
        return pd.DataFrame({"accuracy": [0.5] * len(architectures)})

    def network(self, architecture: Architecture) -> None: ...


class NoExamples(Nothing):
    def tallies(self, architectures: Sequence[Architecture], split: object) -> None: ...


def rarely(architecture: Architecture) -> float:
    """Fails to train all networks but one."""
    return 0.5 if set(architecture.values()) == {"identity"} else float("nan")


def diverged(architecture: Architecture) -> float:
    """Fails to train all."""
    return float("nan")
