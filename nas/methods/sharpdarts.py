"""sharpDARTS: Max-W weights and cosine power annealing."""

from nas.methods.differentiable import RECIPE, SEARCH_ARGS, SETTINGS, relaxed_phases, without_zero
from nas.methods.method import Method
from nas.supernet.relaxations import MaxW

__all__ = ["SHARPDARTS"]

SHARPDARTS = Method(
    name="sharpdarts",
    family="differentiable",
    paper="Hundt et al., sharpDARTS: Faster and more accurate differentiable architecture search, 2019",
    summary="weights relative to the largest (Max-W); learning rate by cosine power annealing",
    phases=lambda problem: relaxed_phases(problem, MaxW(), rule=without_zero),
    recipe={**RECIPE, "cosine_power": 2.0},
    search_args=SEARCH_ARGS,
    retrain="fresh",
    settings=SETTINGS,
)
