"""Where a run looks for its network: what is trained, and what is evaluated first."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from nas.search import Constraint, MetricFunction, near_bounds, scaled_alike
from nas.setup.run_setup import Setup
from nas.space import Architecture, ArchitectureSet
from nas.streams import Stream, rng

__all__ = ["Prospects"]


@dataclass(frozen=True)
class Prospects:
    """Architectures that are worth training and trying, known before either.

    Attributes:
        constraints: with absolute bounds where they are on costs.
        costs: everything that is known about architectures without running them.
    """

    setup: Setup
    constraints: Sequence[Constraint]
    costs: MetricFunction

    @cached_property
    def feasible(self) -> ArchitectureSet | None:
        """What paths are drawn from; None where any architecture may be wanted."""
        if not self.setup.trains_feasible:
            return None
        return near_bounds(self.setup.space, self._on_costs, self.costs, self.setup.config.seed)

    @cached_property
    def scaled(self) -> Architecture | None:
        """The largest network with all its choices scaled alike to meet the constraints."""
        return scaled_alike(self.setup.space, self._on_costs, self.costs) if self.setup.finishing else None

    @cached_property
    def random(self) -> list[Architecture]:
        """Random ones of those that are trained, for a half of the search; none where all are."""
        if self.feasible is None:
            return []
        draws = rng(self.setup.config.seed, Stream.FIRST_CANDIDATES)
        drawn = dict.fromkeys(self.feasible.sample(draws) for _ in range(self.setup.config.candidates // 2))
        return list(drawn)

    @property
    def first(self) -> list[Architecture]:
        """What is evaluated first, never more than half of what there is to evaluate."""
        scaled = [] if self.scaled is None else [self.scaled]
        return [*scaled, *self.random][: self.setup.config.candidates // 2]

    @property
    def _on_costs(self) -> list[Constraint]:
        return [each for each in self.constraints if each.metric in self.setup.cost_names]
