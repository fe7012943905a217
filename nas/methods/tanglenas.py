"""TangleNAS: gradients through mixtures of slices of one weight."""

from nas.methods.differentiable import RECIPE, SEARCH_ARGS, SETTINGS, most_likely, relaxed_phases
from nas.methods.method import Method
from nas.supernet.relaxations import Dirichlet

__all__ = ["TANGLENAS"]

TANGLENAS = Method(
    name="tanglenas",
    family="differentiable",
    paper="Sukthanker et al., Weight-entanglement meets gradient-based neural architecture search, 2023",
    summary="mixtures of slices of shared weights, drawn from a Dirichlet distribution",
    phases=lambda problem: relaxed_phases(problem, Dirichlet(), rule=most_likely),
    recipe=RECIPE,
    search_args={**SEARCH_ARGS, "entangled": True},
    retrain="fresh",
    settings=SETTINGS,
)
