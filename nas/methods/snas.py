"""SNAS: soft samples that harden, learnt on one level."""

from nas.methods.differentiable import RECIPE, SEARCH_ARGS, SETTINGS, most_likely, relaxed_phases
from nas.methods.method import Method
from nas.supernet.relaxations import Concrete

__all__ = ["SNAS"]

SNAS = Method(
    name="snas",
    family="differentiable",
    paper="Xie et al., SNAS: Stochastic neural architecture search, 2019",
    summary="mixtures drawn from a relaxed distribution that hardens; weights and architecture parameters at once",
    phases=lambda problem: relaxed_phases(problem, Concrete(), rule=most_likely),
    recipe=RECIPE,
    learning={"share": None},
    search_args=SEARCH_ARGS,
    retrain="fresh",
    settings=SETTINGS,
)
