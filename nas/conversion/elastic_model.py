"""A model that was made elastic, and what of it varies."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from nas.conversion.following.graph import Place
from nas.conversion.plan import Plan
from nas.conversion.plan_table import table
from nas.space import Choice

__all__ = ["ElasticModel"]


@dataclass(frozen=True, eq=False)
class ElasticModel:
    """What :func:`nas.elastic` gives; ``nas.Supernet`` takes it, ``print`` shows what varies.

    Attributes:
        network: the copy of the model with elastic modules, whose weights have the names that they had.
        plan: what varies and what stays.
        parameters: the number of elements of each parameter.
    """

    network: nn.Module
    plan: Plan
    parameters: Mapping[Place, int]

    @property
    def choices(self) -> list[Choice]:
        """Widths, kernels and depths."""
        return self.plan.choices

    def __str__(self) -> str:
        return table(self.plan, self.parameters)
