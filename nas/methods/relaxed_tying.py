"""Relaxed tying: a few layers in a loop, with a low-rank difference at each depth whose rank is searched."""

from nas.methods.method import Method
from nas.methods.sandwich import sandwich_phases
from nas.sharing import RelaxedTied

__all__ = ["RELAXED_TYING"]

RELAXED_TYING = Method(
    name="relaxed-tying",
    family="mixture",
    paper="Bae et al., Relaxed recursive transformers: Effective parameter sharing with layer-wise LoRA, 2024",
    summary="a few layers in a loop, a low-rank difference at each depth; sandwich rule; ranks are searched",
    phases=sandwich_phases,
    sharing=RelaxedTied,
    settings={
        "costs": ["stored_params"],
        "constraints": ["stored_params <= 50% of largest"],
        "finish": {"networks": 0},
    },
)
"""There is no last round, in which networks would train full weights of their own."""
