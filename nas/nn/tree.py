"""Walking a model by path: a module that stands at two places is met at both.

``torch.nn.Module.named_children`` names a module once, wherever else it stands.
"""

from collections.abc import Iterator

from torch import Tensor, nn

__all__ = ["below", "children", "modules", "own_tensors"]


def children(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Name and module of each child, in order, also of one that is there twice."""
    return ((name, child) for name, child in module._modules.items() if child is not None)


def modules(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Path and module of everything in the tree, ``module`` included, at each of its places."""
    yield from module.named_modules(remove_duplicate=False)


def own_tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Name and value of each parameter and buffer of the module itself."""
    yield from module.named_parameters(recurse=False)
    yield from module.named_buffers(recurse=False)


def below(path: str, name: str) -> str:
    """The path of a child, given that of its parent; the model itself has the empty path."""
    return f"{path}.{name}" if path else name
