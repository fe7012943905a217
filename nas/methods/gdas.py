"""GDAS: one sampled operation per edge and step."""

from nas.methods.differentiable import differentiable_method, most_likely, relaxed_phases
from nas.supernet.relaxations import GumbelStraightThrough

__all__ = ["GDAS"]

GDAS = differentiable_method(
    "gdas",
    paper="Dong and Yang, Searching for a robust neural architecture in four GPU hours, 2019",
    summary="one operation an edge, drawn through Gumbel noise, runs in each step",
    phases=lambda problem: relaxed_phases(problem, GumbelStraightThrough(), rule=most_likely),
    learning={"reach": 25.0},
)
