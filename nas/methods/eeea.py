"""EEEA-Net: no time for architectures with too many parameters."""

from nas.methods.method import Method
from nas.methods.spos import uniform_phases

__all__ = ["EEEA"]

EEEA = Method(
    name="eeea",
    family="single-path",
    paper="Termritthikun et al., EEEA-Net: An early exit evolutionary neural architecture search, 2021",
    summary="one uniform path a step; evolution on a front, from a population within a bound on parameters; retrained",
    phases=uniform_phases,
    can_be_bounded=True,
    retrain="fresh",
    settings={"strategy": "early-exit", "goal": "front", "constraints": ["params <= 50% of largest"]},
)
"""The authors train each candidate by itself for an epoch, as ``evaluator=standalone`` with one epoch does."""
