"""TangleNAS: gradients through mixtures of slices of one weight."""

from nas.methods.differentiable import differentiable_method, most_likely, relaxed_phases
from nas.supernet.relaxations import Dirichlet

__all__ = ["TANGLENAS"]

TANGLENAS = differentiable_method(
    "tanglenas",
    paper="Sukthanker et al., Weight-entanglement meets gradient-based neural architecture search, 2023",
    summary="mixtures of slices of shared weights, drawn from a Dirichlet distribution",
    phases=lambda problem: relaxed_phases(problem, Dirichlet(), rule=most_likely),
    search_args={"affine": False, "entangled": True},
)
