"""Where a run looks for its network: what is trained, and what is evaluated first."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from nas.runs.plan import Plan
from nas.runs.training_speed import TrainingSpeed
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
        plan: of a run that was given a time, too short perhaps for networks that train slowly.
    """

    setup: Setup
    constraints: Sequence[Constraint]
    costs: MetricFunction
    plan: Plan | None = None

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
        """The largest network with all its choices scaled alike to meet the constraints.

        None if there is no last round, or too little time for a network that trains as slowly.
        """
        if not self.setup.finishing:
            return None
        found = (scaled_alike(self.setup.space, each, self.costs) for each in self._bounds(self.constraints))
        return next((each for each in found if each is not None and self._is_fast(each)), None)

    @cached_property
    def random(self) -> list[Architecture]:
        """Those near a bound, or as many random ones of them as half of the search has; none where all are wanted."""
        half = self.setup.config.candidates // 2
        if self.feasible is None:
            return []
        if self._all_are_tried:
            return list(self.feasible.architectures)
        draws = rng(self.setup.config.seed, Stream.FIRST_CANDIDATES)
        return list(dict.fromkeys(self.feasible.sample(draws) for _ in range(half)))

    @property
    def first(self) -> list[Architecture]:
        """What is evaluated first: all that share weights where they are few, else no more than half of the search."""
        scaled, candidates = [] if self.scaled is None else [self.scaled], self.setup.config.candidates
        return [*scaled, *self.random][: candidates if self._all_are_tried else candidates // 2]

    @property
    def _all_are_tried(self) -> bool:
        return self.feasible is not None and len(self.feasible) <= self.setup.config.candidates

    def _is_fast(self, architecture: Architecture) -> bool:
        """Whether it trains as fast as what shares weights, where that is chosen by its speed."""
        if self.plan is None or self.plan.fastest == 1 or self.feasible is None:
            return True
        speed = TrainingSpeed(self.plan.speed)
        seconds, *others = speed.predict(self.setup, [architecture, *self.feasible.architectures])
        return bool(seconds <= max(others))

    def _near(self, constraints: Sequence[Constraint]) -> ArchitectureSet | None:
        config, space = self.setup.config, self.setup.space
        fastest = 1.0 if self.plan is None else self.plan.fastest
        count = round(config.near_bound / fastest)
        most = sys.maxsize if self.plan is None or self.plan.draws is None else self.plan.draws
        tried = (
            near_bounds(space, each, self.costs, config.seed, count, config.bound_use, most)
            for each in self._bounds(constraints)
        )
        found = next(filter(None, tried), None)
        if found is None or self.plan is None or fastest == 1 or len(found) <= config.near_bound:
            return found
        return TrainingSpeed(self.plan.speed).fastest(self.setup, found, config.near_bound)

    def _absolute(self, text: str) -> list[Constraint]:
        """Constraints of another search, with absolute bounds."""
        (largest,) = metrics_of(self.costs, [self.setup.space.largest()], "costs")
        return [Constraint.parse(each).resolve(largest) for each in text.split(" and ")]

    def _bounds(self, constraints: Sequence[Constraint]) -> list[list[Constraint]]:
        """The constraints on costs, bounded from above as far as the time allows; then as they are, where that is
        smaller than any network."""
        on_costs, share = self._on_costs(constraints), 1.0 if self.plan is None else self.plan.share
        if share == 1:
            return [on_costs]
        tighter = [
            replace(each, bound=share * each.bound) if each.operator in ("<=", "<") and each.bound > 0 else each
            for each in on_costs
        ]
        return [tighter, on_costs]

    def _on_costs(self, constraints: Sequence[Constraint]) -> list[Constraint]:
        return [each for each in constraints if each.metric in self.setup.cost_names]
