"""GDAS: one sampled operation per edge and step."""

from nas.methods.differentiable import RECIPE, SEARCH_ARGS, SETTINGS, most_likely, relaxed_phases
from nas.methods.method import Method
from nas.supernet.relaxations import GumbelStraightThrough

__all__ = ["GDAS"]

GDAS = Method(
    name="gdas",
    family="differentiable",
    paper="Dong and Yang, Searching for a robust neural architecture in four GPU hours, 2019",
    summary="one operation an edge, drawn through Gumbel noise, runs in each step",
    phases=lambda problem: relaxed_phases(problem, GumbelStraightThrough(), rule=most_likely),
    recipe=RECIPE,
    learning={"reach": 25.0},
    search_args=SEARCH_ARGS,
    retrain="fresh",
    settings=SETTINGS,
)
