"""What may be given to a search in the form that is at hand: text for an objective, a name for a strategy."""

from collections.abc import Sequence

from nas.errors import UsageError
from nas.search.constraints import Constraint
from nas.search.objectives import Objective
from nas.search.pool import RowsFunction
from nas.search.strategies import make_strategy
from nas.search.strategy import Strategy
from nas.space import Space

__all__ = ["as_constraints", "as_costs", "as_objectives", "as_strategy"]


def as_objectives(given: str | Objective | Sequence[str | Objective]) -> list[Objective]:
    """Objectives, of which one or all may be text.

    Raises:
        UsageError: there is none, or it is something else.

    >>> as_objectives("maximise accuracy")
    [Objective(metric='accuracy', maximise=True)]
    """
    several = [given] if isinstance(given, str | Objective) else list(given)
    for each in several:
        if not isinstance(each, str | Objective):
            raise UsageError(
                f"objective {each!r} is of type {type(each).__name__}; give nas.Objective('accuracy', maximise=True), "
                "or the text 'maximise accuracy'."
            )
    if not several:
        raise UsageError("search has no objectives; give one, such as 'maximise accuracy'.")
    return [Objective.parse(each) if isinstance(each, str) else each for each in several]


def as_constraints(given: str | Constraint | Sequence[str | Constraint]) -> list[Constraint]:
    """Constraints, of which one or all may be text."""
    several = [given] if isinstance(given, str | Constraint) else list(given)
    return [Constraint.parse(each) if isinstance(each, str) else each for each in several]


def as_strategy(
    given: str | Strategy, space: Space, fidelity: str | None = None, costs: RowsFunction | None = None
) -> Strategy:
    """A strategy that asks and tells, or that of a name with seed 0.

    Args:
        fidelity: the choice of how long architectures are trained, if there is one.
        costs: what is known of architectures before they are evaluated, if anything is.

    Raises:
        UsageError: there is none of that name, or it is something else.
    """
    if isinstance(given, str):
        return make_strategy(given, space, fidelity=fidelity, costs=costs)
    if isinstance(given, type) or not (hasattr(given, "ask") and hasattr(given, "tell")):
        raise UsageError(
            f"strategy is {given!r}, which has no ask and tell; give its name, such as 'evolution', or an instance, "
            "such as nas.search.Evolution(space, seed=0)."
        )
    return given


def as_costs(given: RowsFunction | None) -> RowsFunction | None:
    """A function of architectures; of an object that counts one at a time, such as StaticCosts, its ``table``."""
    return given if given is None else getattr(given, "table", given)
