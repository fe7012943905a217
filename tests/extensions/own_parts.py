"""Parts as somebody writes them beside a run: nothing here is registered anywhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from nas import Architecture, CrossEntropy, LinearPredictor, Method, RandomSearch, Space, SupernetStep, Target, Uniform


class Smoothed(CrossEntropy):
    """Loss terms are objects, so another loss is another class."""

    def __call__(self, *arguments: Any) -> Tensor:
        loss: Tensor = super().__call__(*arguments)
        return loss.clamp(max=4.0)


METHOD = Method(
    name="clamped",
    family="single-path",
    paper="Nobody, 2026",
    summary="one uniform path a step, a loss that is cut off",
    phases=lambda problem: [
        problem.phase(SupernetStep(problem.supernet, Uniform(problem.space, problem.seed), [Smoothed()]))
    ],
    recipe={"epochs": 2},
)


class Alphabetical:
    """A strategy with an option that is a text."""

    def __init__(self, space: Space, seed: int = 0, *, order: str = "up", skip: Sequence[int] = ()) -> None:
        drawn = RandomSearch(space, seed).ask(64)
        self._rest = sorted(drawn, key=lambda each: each.id, reverse=order == "down")

    def ask(self, n: int) -> list[Architecture]:
        asked, self._rest = self._rest[:n], self._rest[n:]
        return asked

    def tell(self, results: Any) -> None: ...


@dataclass(frozen=True)
class Simulated(Target):
    """A chip of which only its speed is known."""

    name: ClassVar[str] = "simulated"
    flops_per_ms: float = 1e6
    threads: int = 1
    batch: int = 1
    dtype: str = "float32"

    def device(self) -> str:
        return f"a chip of {self.flops_per_ms:g} FLOPs a millisecond"

    def versions(self) -> dict[str, str]:
        return {"simulated": "1"}

    def prepare(self, network: nn.Module, input_shape: Sequence[int], input_dtype: torch.dtype = torch.float32) -> Any:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(torch.zeros(2, *input_shape, dtype=input_dtype))
        flops = counter.get_total_flops() / 2
        return lambda: flops / self.flops_per_ms


class Halved(LinearPredictor):
    """Predicts what it has learnt, with half the spread."""

    def predict(self, X: Any) -> tuple[np.ndarray, np.ndarray]:  # noqa: N803
        mean, spread = super().predict(X)
        return mean, spread / 2
