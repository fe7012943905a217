"""PA&DA: paths and training examples by the size of their gradients."""

from nas.methods.method import Method
from nas.problem import Problem
from nas.sampling import ImportantExamples, ImportantPaths
from nas.training import Phase, SupernetStep

__all__ = ["PA_DA"]


def _phases(problem: Problem, uniform: float = 0.1, unbiased: bool = False) -> list[Phase]:
    """As published, but for the share of the draws that stays uniform to the end.

    Args:
        uniform: that share, of candidates and of examples.
        unbiased: weight gradients so that their expectation is that of uniform draws; the authors' code does not.
    """
    supernet = problem.supernet
    readers = {name: supernet.readers(name) for name in supernet.space.choices}
    paths = ImportantPaths(supernet.space, problem.seed, readers, uniform)

    weight = (lambda: paths.weight(supernet.architecture)) if unbiased else None
    examples = ImportantExamples(problem.data.train, problem.loss(), uniform, weight)
    step = SupernetStep(supernet, paths, [examples])
    return [Phase(step, examples.data, problem.recipe, problem.augment)]


PA_DA = Method(
    name="pa-da",
    family="single-path",
    paper="Lu et al., PA&DA: Jointly sampling path and data for consistent NAS, 2023",
    summary="one path a step; candidates and examples are drawn by the size of their gradients; retrained",
    phases=_phases,
    retrain="fresh",
)
