"""How much a command tells while it works: -v and -q, before the command's name."""

import logging

__all__ = ["is_quiet", "set_verbosity"]

_chosen = {"quiet": False}
_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)


def set_verbosity(quiet: bool = False, verbose: int = 0) -> None:
    """Chooses it for the commands of this process.

    Args:
        quiet: no progress, and of the log only errors.
        verbose: how often -v is given: once for what libraries and this package log as information, twice for all.
    """
    _chosen["quiet"] = quiet
    level = logging.ERROR if quiet else _LEVELS[min(verbose, len(_LEVELS) - 1)]
    if verbose:
        logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("nas").setLevel(level)


def is_quiet() -> bool:
    """Whether nothing but results and mistakes is told."""
    return _chosen["quiet"]
