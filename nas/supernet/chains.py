"""The forward of a model as a chain of steps, read off by tracing it.

A step is a call of one module on what the step before gave, or a stretch from a branch to its join. What is read must
be all that ever happens, so a forward that is in any doubt is none: the model then runs as a whole.
"""

import copy
import inspect
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from nas.conversion.stages import StagedSequential
from nas.nn import OneOf, Repeat
from nas.supernet.reads import AttributeRead, NoChain, Watch

__all__ = ["Chain", "ChainPart", "ChainStep", "read_chain", "still_holds"]

_RANDOM = re.compile(r"dropout|rand|bernoulli|multinomial|rrelu|gumbel|(normal|uniform|exponential|cauchy|geometric)_$")
_NO_TENSORS = ("size", "dim", "numel", "stride", "ndimension", "chunk", "split", "unbind", "tolist", "item")
_MAKE_NO_TENSOR = ("getattr", "getitem")
_CONSTANT = "_tensor_constant"
"""How the names begin that a tracer gives to tensors which a forward makes."""


@dataclass(frozen=True)
class ChainStep:
    """One step of a chain.

    Attributes:
        paths: of the modules that it calls.
        graph: what it computes of them, whose children are called ``"0"``, ``"1"``; None if it is a call of the module.
        name: what it is called where no module names it.
    """

    paths: tuple[str, ...]
    graph: fx.Graph | None
    name: str


@dataclass(frozen=True)
class Chain:
    """A forward.

    Attributes:
        steps: in order.
        reads: what the forward looked at; while all of it is the same, so are the steps.
    """

    steps: tuple[ChainStep, ...]
    reads: tuple[AttributeRead, ...]


class ChainPart(nn.Module):
    """Runs a step that is more than a call of one module.

    Args:
        graph: what it computes.
        called: the modules that it calls, in the order of their numbers in the graph.
    """

    def __init__(self, graph: fx.Graph, called: Sequence[nn.Module]) -> None:
        super().__init__()
        self.graph = graph
        for number, module in enumerate(called):
            self.add_module(str(number), module)
        self.training = any(module.training for module in called)

    def forward(self, x: Tensor) -> Any:
        return fx.Interpreter(self, graph=self.graph).run(x)

    @property
    def described(self) -> str:
        """What it runs, in order."""
        nodes = [node for node in self.graph.nodes if node.op.startswith("call")]
        names = [
            type(self.get_submodule(str(node.target))).__name__
            if node.op == "call_module"
            else getattr(node.target, "__name__", str(node.target))
            for node in nodes
        ]
        return " + ".join(names)


def read_chain(model: nn.Module) -> Chain:
    """The steps of a model's forward, the same for every architecture; of a model that is left as it was.

    Raises:
        NoChain: the forward takes or gives several values, or what it does may depend on anything but its input's
            values, such as on what a layer follows; or it is a single step.
    """
    _check_forward(model)
    graph, read = _traced(model, training=False)
    other, read_too = _traced(model, training=True)
    if _written(graph) != _written(other):
        raise NoChain("it does other things in training")
    nodes = _checked(model, graph)
    steps = [_step(run, before) for before, run in _runs(model, nodes)]
    if len(steps) < 2:
        raise NoChain("it never comes down to one value")
    return Chain(tuple(steps), (AttributeRead(None, "forward", type(model).forward), *read, *read_too))


def still_holds(model: nn.Module, chain: Chain) -> bool:
    """Whether all that its forward looks at is as it was."""
    try:
        _check_forward(model)
    except NoChain:
        return False
    return all(read.holds(model) for read in chain.reads)


def _check_forward(model: nn.Module) -> None:
    kind = type(model)
    forward = kind.forward
    if "forward" in vars(model) or inspect.unwrap(forward) is not forward or kind.__call__ is not nn.Module.__call__:
        raise NoChain("it is wrapped by another function")
    if kind.__getattribute__ is not object.__getattribute__ or kind.__getattr__ is not nn.Module.__getattr__:
        raise NoChain("its class looks up attributes in a way of its own")
    if any((model._forward_hooks, model._forward_pre_hooks, model._backward_hooks, model._backward_pre_hooks)):
        raise NoChain("it has hooks")
    parameters = list(inspect.signature(forward).parameters.values())[1:]
    if len(parameters) != 1 or parameters[0].kind is not inspect.Parameter.POSITIONAL_OR_KEYWORD:
        raise NoChain("it takes other than one input")


class _Tracer(fx.Tracer):
    """Calls of modules are not looked into, and must be made under the modes that hold outside.

    Attributes:
        watch: of the forward.
    """

    def __init__(self) -> None:
        super().__init__()
        self._modes = _modes()
        self.watch: Watch

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return True

    def create_args_for_root(
        self, root_fn: Callable[..., Any], is_module: bool, concrete_args: Any = None
    ) -> tuple[Any, list[Any]]:
        forward, inputs = super().create_args_for_root(root_fn, is_module, concrete_args)
        self.watch = Watch(inputs[0], self.submodule_paths or {})

        def watched(*inputs: Any) -> Any:
            with self.watch.on():
                return forward(*inputs)

        return watched, inputs

    def create_node(self, *args: Any, **kwargs: Any) -> fx.Node:
        if _modes() != self._modes:
            raise NoChain("it switches gradients or autocast")
        return super().create_node(*args, **kwargs)


def _modes() -> tuple[bool, ...]:
    return torch.is_grad_enabled(), torch.is_autocast_enabled("cpu"), torch.is_autocast_enabled("cuda")


def _traced(model: nn.Module, training: bool) -> tuple[fx.Graph, list[AttributeRead]]:
    """The graph of a copy whose attributes are its own, and what its forward read, with gradients if in training."""
    clone = copy.copy(model)
    clone.training = training
    before, chance = dict(vars(clone)), _chance()
    with torch.set_grad_enabled(training):
        tracer = _Tracer()
        try:
            graph = tracer.trace(clone)
        except NoChain:
            raise
        except fx.proxy.TraceError as error:
            raise NoChain("it decides by its input, or counts or unpacks it") from error
        except Exception as error:  # a forward may do anything with a value that is none
            raise NoChain("it does something with its input that takes values") from error
    if tracer.watch.refused is not None:
        raise NoChain(tracer.watch.refused)
    if _chance() != chance:
        raise NoChain("it draws random numbers")
    after = {name: value for name, value in vars(clone).items() if not name.startswith(_CONSTANT)}
    if before.keys() != after.keys() or any(after[name] is not before[name] for name in before):
        raise NoChain("it changes attributes")
    return graph, list(tracer.watch.reads.values())


def _chance() -> tuple[Any, ...]:
    state: Any = np.random.get_state(legacy=False)["state"]
    return random.getstate(), state["key"].tobytes(), state["pos"], torch.get_rng_state().numpy().tobytes()


def _written(graph: fx.Graph) -> list[tuple[str, str, str, str]]:
    return [(node.op, str(node.target), str(node.args), str(node.kwargs)) for node in graph.nodes]


def _checked(model: nn.Module, graph: fx.Graph) -> list[fx.Node]:
    """The nodes, without the last, which returns the value of the one before."""
    *nodes, last = graph.nodes
    if not isinstance(last.args[0], fx.Node) or last.args[0] is not nodes[-1]:
        raise NoChain("it gives other than the value it computed last")
    called: dict[str, nn.Module] = {}
    for node in nodes:
        name = getattr(node.target, "__name__", str(node.target))
        if node.op == "get_attr":
            made = str(node.target).startswith(_CONSTANT)
            raise NoChain("it makes a tensor of its own" if made else f"it reads '{node.target}' by itself")
        if not node.users:
            raise NoChain(f"it computes '{node.name}' and does not use it")
        if node.op != "call_module" and (_RANDOM.search(name) or "training" in node.kwargs):
            raise NoChain(f"'{name}' draws random numbers")
        if node.op == "call_module":
            target = str(node.target)
            module = model.get_submodule(target)
            if target in called and (any(True for _ in module.parameters()) or any(True for _ in module.buffers())):
                raise NoChain(f"it calls '{target}' several times")
            called[target] = module
    return nodes


def _runs(model: nn.Module, nodes: Sequence[fx.Node]) -> list[tuple[fx.Node, list[fx.Node]]]:
    """Stretches between single values, each after the node that gives its input."""
    order = {node: number for number, node in enumerate(nodes)}
    last = [max((order.get(user, len(nodes)) for user in node.users), default=0) for node in nodes]
    stretches: list[list[fx.Node]] = []
    begun, furthest = 1, 0
    for number, node in enumerate(nodes):
        if number and number >= furthest and (number == len(nodes) - 1 or _is_one_tensor(node)):
            stretches.append(list(nodes[begun : number + 1]))
            begun = number + 1
        furthest = max(furthest, last[number])
    return _joined(model, nodes[0], stretches)


def _is_one_tensor(node: fx.Node) -> bool:
    taken_apart = any(getattr(user.target, "__name__", "") in _MAKE_NO_TENSOR for user in node.users)
    name = getattr(node.target, "__name__", str(node.target))
    return not taken_apart and (node.op == "call_module" or name not in (*_NO_TENSORS, *_MAKE_NO_TENSOR))


def _joined(
    model: nn.Module, first: fx.Node, stretches: Sequence[list[fx.Node]]
) -> list[tuple[fx.Node, list[fx.Node]]]:
    """Functions join the module before them, or else the one behind, unless that is opened itself."""
    joined: list[list[fx.Node]] = []
    for stretch in stretches:
        calls = any(node.op == "call_module" for node in stretch)
        if (joined and not calls and not _is_opened(model, joined[-1])) or (
            joined and not any(node.op == "call_module" for node in joined[-1]) and not _is_opened(model, stretch)
        ):
            joined[-1] += stretch
        else:
            joined.append(list(stretch))
    return list(zip([first, *(each[-1] for each in joined)], joined, strict=False))


def _is_opened(model: nn.Module, stretch: Sequence[fx.Node]) -> bool:
    if len(stretch) != 1 or stretch[0].op != "call_module":
        return False
    module = model.get_submodule(str(stretch[0].target))
    return any(isinstance(each, OneOf | Repeat | StagedSequential) for each in module.modules())


def _step(stretch: Sequence[fx.Node], before: fx.Node) -> ChainStep:
    paths = tuple(dict.fromkeys(str(node.target) for node in stretch if node.op == "call_module"))
    (*_, last) = stretch
    if len(stretch) == 1 and last.op == "call_module" and last.args == (before,) and not last.kwargs:
        return ChainStep(paths, None, last.name)
    graph = fx.Graph()
    known = {before: graph.placeholder("x")}
    for node in stretch:
        known[node] = graph.node_copy(node, known.__getitem__)
        known[node].type = None
        if node.op == "call_module":
            known[node].target = str(paths.index(str(node.target)))
    graph.output(known[last])
    return ChainStep(paths, graph, stretch[0].name)
