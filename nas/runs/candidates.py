"""Where a run looks for its network: what is trained, and what is evaluated first."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from nas.search import Constraint, MetricFunction, near_bounds, scaled_alike
from nas.search.pool import metrics_of
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
        """Those near a bound of the run; None where any architecture may be wanted."""
        return self._near(self.constraints) if self.setup.trains_feasible else None

    @property
    def largest_is_trained(self) -> bool:
        """Whether the figures of the largest network mean anything; of another run's supernet that one decided."""
        config = self.setup.config
        return self.feasible is None if config.supernet is None else not config.train_for

    @cached_property
    def trained(self) -> ArchitectureSet | None:
        """What paths are drawn from: those, and those of other searches that the supernet is to serve."""
        if self.feasible is None:
            return None
        others = (self._near(self._absolute(text)) for text in self.setup.config.train_for)
        found = dict.fromkeys(each for some in (self.feasible, *others) if some for each in some.architectures)
        rows = metrics_of(self.costs, list(found), "costs")
        size = {each: row["flops"] for each, row in zip(found, rows, strict=True)}
        return ArchitectureSet(sorted(found, key=lambda each: (size[each], each.key)))

    @cached_property
    def scaled(self) -> Architecture | None:
        """The largest network with all its choices scaled alike to meet the constraints."""
        if not self.setup.finishing:
            return None
        return scaled_alike(self.setup.space, self._on_costs(self.constraints), self.costs)

    @cached_property
    def random(self) -> list[Architecture]:
        """Random ones near a bound, for a half of the search; none where all are wanted."""
        if self.feasible is None:
            return []
        draws = rng(self.setup.config.seed, Stream.FIRST_CANDIDATES)
        return list(dict.fromkeys(self.feasible.sample(draws) for _ in range(self.setup.config.candidates // 2)))

    @property
    def first(self) -> list[Architecture]:
        """What is evaluated first, never more than half of what there is to evaluate."""
        scaled = [] if self.scaled is None else [self.scaled]
        return [*scaled, *self.random][: self.setup.config.candidates // 2]

    def _near(self, constraints: Sequence[Constraint]) -> ArchitectureSet | None:
        config, on_costs = self.setup.config, self._on_costs(constraints)
        sizes = config.near_bound, config.bound_use
        return near_bounds(self.setup.space, on_costs, self.costs, config.seed, *sizes)

    def _absolute(self, text: str) -> list[Constraint]:
        """Constraints of another search, with absolute bounds."""
        (largest,) = metrics_of(self.costs, [self.setup.space.largest()], "costs")
        return [Constraint.parse(each).resolve(largest) for each in text.split(" and ")]

    def _on_costs(self, constraints: Sequence[Constraint]) -> list[Constraint]:
        return [each for each in constraints if each.metric in self.setup.cost_names]
