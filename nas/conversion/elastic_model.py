"""A model that was made elastic, and what of it varies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from nas.conversion.plan_table import table
from nas.conversion.replacement import Plan
from nas.space import Choice

__all__ = ["ElasticModel"]


@dataclass(frozen=True, eq=False)
class ElasticModel:
    """What :func:`nas.elastic` gives; ``nas.Supernet`` takes it, ``print`` shows what varies.

    Attributes:
        network: the copy of the model with elastic modules, whose weights have the names that they had.
        plan: what varies and what stays.
        parameters: the number of elements of each parameter, by name.
    """

    network: nn.Module
    plan: Plan
    parameters: Mapping[str, int]

    @property
    def choices(self) -> list[Choice]:
        """Widths, kernels and depths."""
        plan = self.plan
        stages: Sequence[Any] = [choice for stage in plan.stages for choice in stage.runs.values()]
        return [*(width.choice for width in plan.widths), *(each.choice for each in plan.kernels.values()), *stages]

    def __str__(self) -> str:
        return table(self.plan, self.parameters)
