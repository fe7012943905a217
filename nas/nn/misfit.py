"""The plain layer that does not fit what a choice makes of its input, found by the error that it ends in."""

import sys
import traceback

from torch import nn

from nas.nn.tree import modules

__all__ = ["misfit"]


def misfit(model: nn.Module, error: BaseException) -> str | None:
    """A sentence about the layer of ``torch.nn`` in which a run of the model failed; None where it has no twin here.

    Args:
        model: whose layers have paths.
        error: with its traceback, whose frames tell which module was at work.
    """
    at_work = [frame.f_locals.get("self") for frame, _ in traceback.walk_tb(error.__traceback__)]
    layer = next((each for each in reversed(at_work) if isinstance(each, nn.Module)), None)
    kind = type(layer).__name__
    if not type(layer).__module__.startswith("torch.nn.") or kind not in sys.modules["nas.nn"].__all__:
        return None
    path = next((path for path, each in modules(model) if each is layer), None)
    reason = str(error).splitlines()[0].rstrip(".")
    return (
        None
        if path is None
        else (
            f"'{path}' is a torch.nn.{kind}, whose size is fixed, and does not fit what it gets ({reason}); use "
            f"nas.nn.{kind} with the choice that its input follows."
        )
    )
