"""What blocks add to their shortcuts."""

from torch import nn

__all__ = ["branch_paths"]


def branch_paths(model: nn.Module) -> list[str]:
    """Module paths of residual branches, each of which a block names by its attribute ``branch``."""
    return [
        f"{path}.{module.branch}".removeprefix(".")
        for path, module in model.named_modules()
        if isinstance(getattr(module, "branch", None), str)
    ]
