"""DropNAS: whole operations dropped at random, in groups with and without weights."""

from nas.methods.differentiable import RECIPE, SEARCH_ARGS, SETTINGS, relaxed_phases, without_zero
from nas.methods.method import Method
from nas.supernet.relaxations import GroupDropout

__all__ = ["DROPNAS"]

DROPNAS = Method(
    name="dropnas",
    family="differentiable",
    paper="Hong et al., DropNAS: Grouped operation dropout for differentiable architecture search, 2020",
    summary="softmax over the operations that a grouped dropout leaves; weights and architecture parameters at once",
    phases=lambda problem: relaxed_phases(problem, GroupDropout(), rule=without_zero),
    recipe=RECIPE,
    learning={"share": None},
    search_args=SEARCH_ARGS,
    retrain="fresh",
    settings=SETTINGS,
)
