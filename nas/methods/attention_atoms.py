"""Attention atoms: the projections of all layers are combinations of a few matrices."""

from nas.methods.method import Method
from nas.methods.sandwich import sandwich_phases
from nas.sharing import AttentionAtoms

__all__ = ["ATTENTION_ATOMS"]

ATTENTION_ATOMS = Method(
    name="attention-atoms",
    family="mixture",
    paper="Zhussip et al., Share your attention: Transformer weight sharing via matrix-based dictionary learning, 2025",
    summary="projections of attention are sums of a few matrices that all layers share; sandwich rule",
    phases=sandwich_phases,
    sharing=AttentionAtoms,
    settings={
        "costs": ["stored_params"],
        "constraints": ["stored_params <= 80% of largest"],
        "finish": {"networks": 0},
    },
)
"""There is no last round, in which networks would train full weights of their own."""
