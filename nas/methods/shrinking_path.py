"""A path that walks down a space while it trains, until its cost is within a bound."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from nas.errors import UsageError
from nas.methods.removals import next_removal, removals
from nas.methods.saliency import Saliency
from nas.problem import Budget
from nas.space import Architecture
from nas.supernet import Supernet
from nas.training import Context, Listener, Path

__all__ = ["ShrinkingPath"]

_FEWEST_SAVED = 1e-6
"""Of the cost of the largest network; what saves less saves nothing."""
_LEAST_HARM = 1e-30
"""So that its logarithm is a number."""


@dataclass(frozen=True)
class _Step:
    """A removal that may be next.

    Attributes:
        score: the lower the sooner.
        origin: the architecture from which it was looked at; None where its score is a guess by what it saved before.
        architecture: that it leads to.
        cost: of that.
        taken: how many candidates the choice has come down in this round, this step included.
    """

    score: float
    origin: Architecture | None
    architecture: Architecture
    cost: float
    taken: int


class ShrinkingPath(Listener):
    """Trains one path, the largest at first, and removes what costs most and matters least (NViT, Yang et al., 2023).

    At even distances the cost comes down by equal parts until it is within the bound; then the path trains on as it is.
    In each round removals are taken one after the other, the one with the lowest ``log S - eta * log dT`` first: S is
    its saliency, see :class:`~nas.methods.saliency.Saliency`, and dT what it saves. That is the published
    ``S - eta * dT`` with logarithms in place of both numbers, so that neither the unit of the cost nor the size of the
    gradients matters: ``eta`` 0 goes by saliency alone, 1 by saliency for each unit of cost, and a large one by the
    cost that is saved. Where one choice comes down several candidates in one round, later ones hold more important
    channels, so the k-th counts 2k - 1 times.

    Args:
        supernet: that is trained.
        budget: whose bound the path ends within.
        bank: whose weights the path trains.
        rounds: so many times something is removed.
        until: share of the recipe after which the cost is within the bound.
        eta: see above.
        role: of the path.

    Raises:
        UsageError: an option is out of range, or there is nothing that could be removed.
    """

    def __init__(
        self,
        supernet: Supernet,
        budget: Budget,
        *,
        bank: int | None = None,
        rounds: int = 16,
        until: float = 0.6,
        eta: float = 1.0,
        role: str = "pruned",
    ) -> None:
        if rounds < 1 or not 0 < until <= 1 or not eta >= 0:
            raise UsageError(
                f"pruning got rounds={rounds}, until={until:g} and eta={eta:g}; give 1 round or more, a share of the "
                "training above 0 and up to 1, and an eta of 0 or more."
            )
        self.supernet, self.budget, self.bank, self.role = supernet, budget, bank, role
        self.rounds, self.until, self.eta = rounds, until, eta
        self.done = 0
        self._saved: dict[str, float] = {}
        self._aim(supernet.space.largest())
        if not self.saliency.removals:
            raise UsageError(
                "nothing can be removed from this space: no choice has a smaller candidate that uses a part of the "
                "weights of a larger one; use another method, or a space with widths, kernels or depths."
            )

    def draw(self, context: Context) -> list[Path]:
        """The one path."""
        return [Path(self.architecture, self.role, self.bank)]

    def before_step(self, context: Context) -> None:
        """Removes what is due."""
        due = min(self.rounds, int(context.progress * self.rounds / self.until + 1e-9))
        if due > self.done:
            self.done = due
            self._aim(self.shrunken(self._bound_after(due)))

    def after_step(self, context: Context) -> None:
        self.saliency.add()

    def record(self) -> dict[str, float]:
        """What the path costs, as a share of the largest."""
        return {"pruned_cost": self.budget.costs([self.architecture])[0] / self.budget.largest}

    def state(self) -> dict[str, Tensor]:
        return {
            "architecture": torch.tensor(self.supernet.space.indices([self.architecture])),
            "done": torch.tensor(self.done),
            "saliency": self.saliency.sums,
            "minibatches": torch.tensor(self.saliency.minibatches),
            "saved": torch.tensor(
                [self._saved.get(name, math.inf) for name in self.supernet.space.choices], dtype=torch.float64
            ),
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        (architecture,) = self.supernet.space.from_indices(state["architecture"].cpu().numpy())
        self._aim(architecture)
        self.done = int(state["done"])
        if len(state["saliency"]):
            self.saliency.sums = state["saliency"].detach().cpu().clone()
        self.saliency.minibatches = int(state["minibatches"])
        saved = zip(self.supernet.space.choices, state["saved"].tolist(), strict=True)
        self._saved = {name: value for name, value in saved if math.isfinite(value)}

    def shrunken(self, bound: float) -> Architecture:
        """The path after as many removals as bring its cost within a bound, by what is known of them now.

        Raises:
            UsageError: the smallest that it could be costs more.
        """
        architecture = self.towards(bound)
        (cost,) = self.budget.costs([architecture])
        if cost > bound:
            raise UsageError(
                f"pruning cannot come below a cost of {cost:.4g}, and the bound is {bound:.4g}; loosen the constraint, "
                "or give the space smaller candidates."
            )
        return architecture

    def towards(self, bound: float) -> Architecture:
        """The same, or the smallest that it can be where that costs more."""
        harms = {each.choice: value for each, value in zip(self.saliency.removals, self.saliency.values, strict=True)}
        architecture, taken = self.architecture, dict.fromkeys(harms, 0)
        (cost,) = self.budget.costs([architecture])
        end = min(bound, self.budget.bound)
        steps = {choice: self._guessed(choice, harms[choice], architecture, cost, end) for choice in harms}
        while cost > bound and steps:
            choice = min(steps, key=lambda each: steps[each].score)
            best = steps.pop(choice)
            if best.origin == architecture:
                architecture, cost, taken[choice] = best.architecture, best.cost, best.taken
            step = self._looked_at(choice, harms[choice], architecture, cost, end, taken[choice])
            if step is not None:
                steps[choice] = step
        return architecture

    def _bound_after(self, rounds: int) -> float:
        budget = self.budget
        return budget.largest + (budget.bound - budget.largest) * rounds / self.rounds

    def _aim(self, architecture: Architecture) -> None:
        """Goes on with an architecture, of whose removals nothing is known yet."""
        self.architecture = architecture
        self.saliency = Saliency(removals(self.supernet, architecture, self.bank))

    def _guessed(self, choice: str, harm: float, architecture: Architecture, cost: float, end: float) -> _Step:
        """What a choice is worth if it saves as much as when it was last looked at: it rarely saves more later."""
        saved = min(self._saved.get(choice, math.inf), (cost - end) / self.budget.largest)
        return _Step(self._score(harm, saved), None, architecture, cost, 0)

    def _looked_at(
        self, choice: str, harm: float, architecture: Architecture, cost: float, end: float, taken: int
    ) -> _Step | None:
        """What a choice would be next, and what that is worth.

        A candidate that saves nothing is passed over, and what would be saved beyond the end of all rounds is worth
        nothing.
        """
        for steps, smaller in enumerate(self._ever_smaller(architecture, choice), taken + 1):
            (cost_then,) = self.budget.costs([smaller])
            self._saved[choice] = (cost - cost_then) / self.budget.largest
            saved = (cost - max(cost_then, end)) / self.budget.largest
            if saved > _FEWEST_SAVED:
                score = self._score(harm * (steps**2 - taken**2), saved)
                return _Step(score, architecture, smaller, cost_then, steps)
        return None

    def _score(self, harm: float, saved: float) -> float:
        return math.log(max(harm, _LEAST_HARM)) - self.eta * math.log(max(saved, _FEWEST_SAVED))

    def _ever_smaller(self, architecture: Architecture, choice: str) -> Iterator[Architecture]:
        while choice in architecture:
            removal = next_removal(self.supernet, architecture, choice, self.bank)
            if removal is None:
                return
            architecture = removal.architecture
            yield architecture
