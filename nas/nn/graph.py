"""Plain modules from modules with a forward of their own: what extraction leaves behind.

A ``torch.fx.GraphModule`` carries its own code, so a subnet that holds one loads and runs without this package.
"""

from torch import fx, nn

__all__ = ["as_graph"]


def as_graph(module: nn.Module) -> fx.GraphModule:
    """The forward of ``module`` as a graph that calls its children and nothing of its class."""

    class KeepChildren(fx.Tracer):  # local, so that fx does not write its name, and with it this package, into pickles
        def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
            return True

    graph = KeepChildren().trace(module)
    for node in graph.nodes:
        node.type = None  # pickle finds no name for some of the types that annotate forward()
    return fx.GraphModule(module, graph, type(module).__name__).train(module.training)
