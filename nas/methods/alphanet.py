"""AlphaNet: the sandwich rule, with a distillation that punishes guesses too high as well as too low."""

from nas.methods.method import Method
from nas.methods.sandwich import alpha_distillation, taught_by_largest
from nas.problem import Problem
from nas.sampling import Sandwich
from nas.training import Phase, SupernetStep

__all__ = ["ALPHANET"]


def _phases(
    problem: Problem, random: int = 2, orders: tuple[float, ...] = (-1.0, 1.0), clip: float = 5.0
) -> list[Phase]:
    """As published, but that gradients are clipped by their norm and not value by value.

    Args:
        random: paths of a step between the largest and the smallest.
        orders: of the divergences, of which each example learns by the largest; [1] is the distillation of BigNAS.
        clip: of the ratio of probabilities to the power of an order.
    """
    distillation = alpha_distillation(problem, "alphanet", orders=orders, clip=clip)
    paths = Sandwich(problem.drawn_from, problem.seed, random)
    return [problem.phase(SupernetStep(problem.supernet, paths, taught_by_largest(problem, distillation)))]


ALPHANET = Method(
    name="alphanet",
    family="sandwich",
    paper="Wang et al., AlphaNet: Improved training of supernets with alpha-divergence, 2021",
    summary="sandwich rule; distilled by the larger of two alpha divergences, against guesses too high or too low",
    phases=_phases,
    can_be_bounded=True,
)
