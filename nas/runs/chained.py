"""What a run says of a model that is judged as a whole."""

from nas.supernet import Supernet

__all__ = ["chain_notes"]


def chain_notes(supernet: Supernet) -> list[str]:
    """A sentence about a model whose forward is no chain of modules; nothing about others."""
    if supernet.unchained is None:
        return []
    return [
        f"{type(supernet.model).__name__}.forward is no chain of modules, since {supernet.unchained}; so candidates "
        "share no activations and the report shows one block."
    ]
