"""DropNAS: whole operations dropped at random, in groups with and without weights."""

from nas.methods.differentiable import differentiable_method, relaxed_phases, without_zero
from nas.supernet.relaxations import GroupDropout

__all__ = ["DROPNAS"]

DROPNAS = differentiable_method(
    "dropnas",
    paper="Hong et al., DropNAS: Grouped operation dropout for differentiable architecture search, 2020",
    summary="softmax over the operations that grouped dropout keeps; weights and architecture parameters at once",
    phases=lambda problem: relaxed_phases(problem, GroupDropout(), rule=without_zero),
    learning={"share": None},
)
