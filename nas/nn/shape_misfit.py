"""The plain norm that does not fit what a choice makes of its input, found by the error that it ends in."""

import traceback

from torch import nn

from nas.nn.tree import modules

__all__ = ["misfit"]

_NORMS = (
    nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d,
    nn.GroupNorm, nn.LayerNorm, nn.RMSNorm,
)  # fmt: skip


def misfit(model: nn.Module, error: BaseException) -> str | None:
    """A sentence about the norm of ``torch.nn`` in which a run of the model failed; None where it was another module.

    Args:
        model: whose modules have paths.
        error: with its traceback, whose frames tell which module was at work.
    """
    at_work = [frame.f_locals.get("self") for frame, _ in traceback.walk_tb(error.__traceback__)]
    innermost = next((each for each in reversed(at_work) if isinstance(each, nn.Module)), None)
    path = next((path for path, each in modules(model) if each is innermost), None)
    if path is None or type(innermost) not in _NORMS:
        return None
    kind, reason = type(innermost).__name__, str(error).splitlines()[0].rstrip(".")
    return (
        f"'{path}' is a torch.nn.{kind}, whose size is fixed, and does not fit what it gets ({reason}); use "
        f"nas.nn.{kind} with the choice that its input follows."
    )
