"""Hashed bank: all weights are read at random places of one bank; a baseline for layers that share."""

from nas.methods.method import Method
from nas.methods.sandwich import sandwich_phases
from nas.sharing import HashedBank

__all__ = ["HASHED_BANK"]

HASHED_BANK = Method(
    name="hashed-bank",
    family="mixture",
    paper="Desai and Shrivastava, In defense of parameter sharing for model-compression, 2023 (reconstructed)",
    summary="weights are read at random places of one bank of numbers; sandwich rule; a baseline of tying",
    phases=sandwich_phases,
    sharing=HashedBank,
    settings={"costs": ["stored_params"], "finish": {"networks": 0}},
)
"""There is no last round, in which networks would train full weights of their own."""
