"""What a network takes where layers that share weights are stored as what they share."""

from nas.costs.candidate import Candidate

__all__ = ["stored_params"]


def stored_params(candidate: Candidate) -> int:
    """Parameters that hold the network, where what its layers share is kept once and differences as their factors.

    With ``relaxed-tying``, ``attention-atoms`` and ``hashed-bank``. The delivered file has full weights.
    """
    return candidate.stored_parameters
