"""Plain modules from modules with a forward of their own: what extraction leaves behind.

A ``torch.fx.GraphModule`` carries its own code, so a subnet that holds one loads and runs without this package.
"""

import builtins
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import reduce
from typing import Any

import torch
from torch import fx, nn

__all__ = ["as_graph"]


def as_graph(module: nn.Module) -> fx.GraphModule:
    """The forward of ``module`` as a graph that calls its children and nothing of its class.

    The mode that the module is in is written into the graph where the forward asks for it; children keep theirs.
    """

    class KeepChildren(fx.Tracer):  # local, so that fx does not write its name, and with it this package, into pickles
        def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
            return True

    with _extremes_of_shapes():
        graph = KeepChildren().trace(module)
    for node in graph.nodes:
        node.type = None  # pickle finds no name for some of the types that annotate forward()
    return fx.GraphModule(module, graph, type(module).__name__)


@contextmanager
def _extremes_of_shapes() -> Iterator[None]:
    """Within it ``max`` and ``min`` can be traced as ``math.ceil`` can: paddings are computed of shapes with them."""
    own = builtins.max, builtins.min
    builtins.max, builtins.min = _traced(max, torch.sym_max), _traced(min, torch.sym_min)
    try:
        yield
    finally:
        builtins.max, builtins.min = own


def _traced(function: Any, symbolic: Callable[[Any, Any], Any]) -> Any:
    def extreme(*values: Any, **options: Any) -> Any:
        if any(isinstance(value, fx.Proxy) for value in values):
            return reduce(symbolic, values)
        return function(*values, **options)

    return extreme
