"""BigNAS: one supernet whose subnets need no retraining."""

from nas.methods.method import Method
from nas.methods.regularisation import Regularised, ZeroBranches
from nas.methods.sandwich import taught_by_largest
from nas.methods.stages import in_stages
from nas.problem import Problem
from nas.sampling import Sandwich
from nas.training import Phase, SupernetStep

__all__ = ["BIGNAS"]


def _phases(
    problem: Problem,
    random: int = 2,
    dropout: float = 0.0,
    drop_path: float = 0.0,
    zero_branches: bool = False,
    largest_first: float = 0.0,
    single_paths: float = 0.0,
    double_batches: float = 0.0,
) -> list[Phase]:
    """The largest subnet alone is regularised, by label smoothing too, since it alone learns from labels.

    What helps long trainings on large data sets, and is published so, has to be asked for here: dropout and drop path
    of 0.2, zeroed branches, and in the recipe ``label_smoothing`` of 0.1 and ``lowest_rate`` of 0.05. The published
    selection from coarse to fine is a matter of the search.

    Args:
        random: paths of a step between the largest and the smallest.
        dropout: probability that a number which the last linear layer reads is dropped, for the largest alone.
        drop_path: likewise that a branch beside a shortcut is dropped for an example.
        zero_branches: let blocks begin as their shortcuts.
        largest_first, single_paths, double_batches: shares of the epochs in which training differs, see
            :func:`nas.methods.stages.in_stages`.
    """
    supernet = problem.supernet
    step = SupernetStep(
        supernet,
        Sandwich(problem.drawn_from, problem.seed, random),
        taught_by_largest(problem, problem.task.distillation()),
        {"largest": Regularised(supernet.model, dropout, drop_path)},
    )
    phase = problem.phase(step, [ZeroBranches(supernet.model)] if zero_branches else [])
    return in_stages(
        problem, phase, largest_first=largest_first, single_paths=single_paths, double_batches=double_batches
    )


BIGNAS = Method(
    name="bignas",
    family="sandwich",
    paper="Yu et al., BigNAS: Scaling up neural architecture search with big single-stage models, 2020",
    summary="sandwich rule: the largest subnet learns from labels, the others from it; no retraining",
    phases=_phases,
    can_be_bounded=True,
)
