"""Layer tying: which layers share their weights is searched."""

from nas.methods.method import Method
from nas.methods.sandwich import sandwich_phases
from nas.sharing import Tied

__all__ = ["LAYER_TYING"]

LAYER_TYING = Method(
    name="layer-tying",
    family="mixture",
    paper="Hay and Wolf, Dynamic layer tying for parameter-efficient transformers, 2024",
    summary="each layer has its own weights or those of an earlier one; sandwich rule; fewer parameters",
    phases=sandwich_phases,
    sharing=Tied,
    settings={"constraints": ["params <= 50% of largest"]},
)
"""The authors learn the ties by reinforcement while one network trains; here a supernet contains all of them."""
