"""SuperTickets: a supernet whose smallest weights are pruned while it trains."""

from nas.methods.magnitude_pruning import MagnitudePruning
from nas.methods.method import Method
from nas.methods.sandwich import taught_by_largest
from nas.problem import Problem
from nas.sampling import Sandwich
from nas.training import Phase, SupernetStep

__all__ = ["SUPERTICKETS"]


def _phases(problem: Problem, sparsity: float = 0.5, until: float = 0.75, random: int = 2) -> list[Phase]:
    """As published sparse weights are delivered as the training of the supernet leaves them. There channels are removed
    on the way, where the scales of batch norms become small; here widths are choices, and the search takes some.

    Args:
        sparsity: share of the weights that are zero in the end.
        until: share of the training after which they are.
        random: paths of a step between the largest and the smallest.
    """
    supernet = problem.supernet
    paths = Sandwich(problem.drawn_from, problem.seed, random)
    step = SupernetStep(supernet, paths, taught_by_largest(problem, problem.task.distillation()))
    return [problem.phase(step, [MagnitudePruning(supernet.model, sparsity, until)])]


SUPERTICKETS = Method(
    name="supertickets",
    family="sandwich",
    paper="You et al., SuperTickets: Drawing task-agnostic lottery tickets from supernets via jointly architecture "
    "searching and parameter pruning, 2022",
    summary="sandwich rule; the smallest weights are pruned while it trains, and subnets inherit what is left",
    phases=_phases,
    can_be_bounded=True,
)
