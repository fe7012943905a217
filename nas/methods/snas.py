"""SNAS: soft samples that harden, learnt on one level."""

from nas.methods.differentiable import differentiable_method, most_likely, relaxed_phases
from nas.supernet.relaxations import Concrete

__all__ = ["SNAS"]

SNAS = differentiable_method(
    "snas",
    paper="Xie et al., SNAS: Stochastic neural architecture search, 2019",
    summary="mixtures drawn from a relaxed distribution that hardens; weights and architecture parameters at once",
    phases=lambda problem: relaxed_phases(problem, Concrete(), rule=most_likely),
    learning={"share": None},
)
