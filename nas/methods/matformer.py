"""MatFormer: nested feed-forward networks, one size in all layers while it trains, any in each layer afterwards."""

from nas.errors import UsageError
from nas.methods.kinds import feed_forward_sizes
from nas.methods.method import Method
from nas.problem import Problem
from nas.sampling import Diagonal
from nas.training import Phase, SupernetStep

__all__ = ["MATFORMER"]


def _phases(problem: Problem, sizes: int | None = None) -> list[Phase]:
    """As published all else is fixed; where a space has other choices, such as heads and depth, they are drawn once a
    step for all sizes.

    Args:
        sizes: how many feed-forward sizes a step trains, drawn at random; all by default.
    """
    group = feed_forward_sizes(problem.supernet)
    if not group:
        raise UsageError(
            "matformer needs feed-forward sizes to choose from, hidden widths between two nas.nn.Linear as in the "
            "space transformer_lm, but this space has none; use another method."
        )
    paths = Diagonal(problem.supernet.space, group, problem.seed, sizes)
    return [problem.phase(SupernetStep(problem.supernet, paths, [problem.loss()]))]


MATFORMER = Method(
    name="matformer",
    family="nested",
    paper="Devvrit et al., MatFormer: Nested transformer for elastic inference, 2023",
    summary="every feed-forward size, the same in all layers, learns from labels in every step; no retraining",
    phases=_phases,
)
