"""The plain alternative to a search: all choices of the largest network scaled alike."""

from collections.abc import Callable, Sequence

from nas.search.constraints import Constraint
from nas.search.pool import MetricFunction, metrics_of
from nas.space import Architecture, Space

__all__ = ["scaled_alike"]

_STEPS = 100


def scaled_alike(space: Space, constraints: Sequence[Constraint], costs: MetricFunction) -> Architecture | None:
    """The largest architecture within the constraints that has every choice at about the same share of its candidates.

    What the constraints then leave is spent on choices in their order, each one candidate larger where that is allowed.

    Args:
        constraints: with absolute bounds, all on ``costs``.
        costs: of architectures.

    Returns:
        None if no architecture with all choices at the same share satisfies all constraints.
    """

    def allowed(architecture: Architecture) -> bool:
        (row,) = metrics_of(costs, [architecture], "costs")
        return not any(each.violation(row) for each in constraints)

    shares = (step / _STEPS for step in range(_STEPS, -1, -1))
    alike = next(filter(allowed, dict.fromkeys(space.complete({}, share) for share in shares)), None)
    return None if alike is None else _enlarged(space, alike, allowed)


def _enlarged(space: Space, architecture: Architecture, allowed: Callable[[Architecture], bool]) -> Architecture:
    for name in list(architecture):
        candidates = [space.choices[name][index] for index in space.order[name]]
        larger = candidates[candidates.index(architecture[name]) + 1 :] if name in architecture else []
        if larger and allowed(tried := space.complete({**architecture, name: larger[0]})):
            architecture = tried
    return architecture
