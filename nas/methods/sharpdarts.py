"""sharpDARTS: Max-W weights and cosine power annealing."""

from nas.methods.differentiable import differentiable_method, relaxed_phases, without_zero
from nas.supernet.relaxations import MaxW

__all__ = ["SHARPDARTS"]

SHARPDARTS = differentiable_method(
    "sharpdarts",
    paper="Hundt et al., sharpDARTS: Faster and more accurate differentiable architecture search, 2019",
    summary="weights relative to the largest (Max-W); learning rate by cosine power annealing",
    phases=lambda problem: relaxed_phases(problem, MaxW(), rule=without_zero),
    recipe={"cosine_power": 2.0},
)
