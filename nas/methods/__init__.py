"""One named recipe for each published system, assembled from the parts below this layer."""

from nas.errors import UsageError, did_you_mean
from nas.methods.bignas import BIGNAS
from nas.methods.fairnas import FAIRNAS
from nas.methods.method import Method, Retrain
from nas.methods.spos import SPOS

__all__ = ["METHODS", "Method", "Retrain", "method"]

METHODS = {each.name: each for each in (BIGNAS, SPOS, FAIRNAS)}


def method(name: str) -> Method:
    """The method of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in METHODS:
        raise UsageError(f"method '{name}' is not known; {did_you_mean(name, METHODS)}")
    return METHODS[name]
