"""When two networks are the same but for their weights: the key of a network as a graph of operations.

An identity, an edge that leads nowhere and the order of a sum leave no trace in it, so architectures that write one
network in two ways (a skip before or after a block, isomorphic cells) have one key. Nodes are told apart by what leads
to them and what they lead to, in the way of Weisfeiler and Lehman (1968).
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from nas.costs.static import StaticCosts
from nas.hardware.signatures import signature
from nas.nn.module_calls import tensors
from nas.space import Architecture
from nas.supernet import SegmentKey, extract

__all__ = ["NetworkKeys"]

_SUM = ("aten::add", "aten::add_")
_PRODUCT = ("aten::mul", "aten::mul_")
_ZEROS = "zeros"


class NetworkKeys:
    """Keys of architectures, equal where the stand-alone networks compute the same from weights of their own.

    A segment is run once for the choices it reads and the shape it gets; those that pass on their input do not count.

    Args:
        costs: of the space.
    """

    def __init__(self, costs: StaticCosts) -> None:
        self.costs = costs
        self._plain: dict[SegmentKey, nn.Module] = {}
        self._known: dict[tuple[Any, ...], tuple[str | None, Tensor]] = {}

    def __call__(self, architecture: Architecture) -> str:
        """The key of an architecture."""
        costs, supernet = self.costs, self.costs.supernet
        supernet.activate(architecture)
        value = costs.example(architecture)
        segments = supernet.segments()
        read = sum(len(supernet.active_parts(segment.module)) for _, segment in segments)
        parts = [f"{read - len(supernet.active_parts())} parameters are shared"]
        for key, segment in segments:
            if key not in self._plain:
                self._plain[key] = extract(segment.module, supernet.values).eval()
            part, value = self._run(self._plain[key], value)
            parts += [] if part is None else [part]
        return _hash(parts)

    def _run(self, block: nn.Module, example: Tensor) -> tuple[str | None, Tensor]:
        """The key of a plain block and its output; no key if it is the identity."""
        work = signature(block, [example])
        if work not in self._known:
            recorder = _Recorder(example, [*block.parameters(), *block.buffers()])
            with torch.inference_mode(False), torch.no_grad(), recorder:
                output = block(example)
            self._known[work] = recorder.key(output), output
        return self._known[work]


@dataclass(frozen=True)
class _Node:
    """One value.

    Attributes:
        label: the operation, its settings and the shape of what it gives.
        sources: the nodes that it reads.
        ordered: whether their order matters.
    """

    label: str
    sources: tuple[int, ...] = ()
    ordered: bool = True


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes what every operation reads, as a graph."""

    def __init__(self, x: Tensor, weights: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._nodes: list[_Node] = []
        self._node_of: dict[int, int] = {}
        self._alive: list[Tensor] = []
        self._set(x, _Node("input"))
        for each in weights:
            self._set(each, _Node(f"weight {_about(each)}"))

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        name, read = func._schema.name, tensors((args, kwargs))
        sources = tuple(self._node(each) for each in read)
        settings = tree_map(lambda leaf: "tensor" if isinstance(leaf, Tensor) else leaf, (args, kwargs or {}))
        for number, each in enumerate(tensors(result)):
            label = f"{name.rstrip('_')} {settings} {number} {_about(each)}"
            if name == "aten::zeros_like":
                self._set(each, _Node(f"{_ZEROS} {_about(each)}"))
            elif name in _SUM and len(read) == 2 and not kwargs:
                self._set_sum(each, label, sources)
            else:
                self._set(each, _Node(label, sources, name not in _PRODUCT))
        return result

    def key(self, output: Any) -> str | None:
        """The key of what leads to an output; None if that is the input."""
        if isinstance(output, Tensor) and self._node(output) == 0:
            return None
        above = self._hashes_from_above()
        users: list[list[str]] = [[] for _ in self._nodes]
        for number, each in enumerate(tensors(output)):
            users[self._node(each)].append(f"output {number}")
        live = []
        for number in reversed(range(len(self._nodes))):
            if users[number]:
                node, name = self._nodes[number], _hash([above[number], *sorted(users[number])])
                live.append(name)
                for index, source in enumerate(node.sources):
                    users[source].append(f"{name} {index if node.ordered else ''}")
        return _hash(sorted(live))

    def _hashes_from_above(self) -> list[str]:
        hashes: list[str] = []
        for node in self._nodes:
            sources = [hashes[source] for source in node.sources]
            hashes.append(_hash([node.label, *(sources if node.ordered else sorted(sources))]))
        return hashes

    def _set_sum(self, tensor: Tensor, label: str, sources: Sequence[int]) -> None:
        """A sum of sums is one sum; zeros of its shape add nothing."""
        zeros = f"{_ZEROS} {_about(tensor)}"
        terms = [term for source in sources for term in self._terms(source, label)]
        terms = [term for term in terms if self._nodes[term].label != zeros]
        if len(terms) == 1:
            self._node_of[id(tensor)] = terms[0]
            self._alive.append(tensor)
        else:
            self._set(tensor, _Node(label, tuple(terms), ordered=False) if terms else _Node(zeros))

    def _terms(self, source: int, label: str) -> tuple[int, ...]:
        node = self._nodes[source]
        return node.sources if node.label == label and not node.ordered else (source,)

    def _node(self, tensor: Tensor) -> int:
        if id(tensor) not in self._node_of:
            self._set(tensor, _Node(f"constant {_about(tensor)}"))
        return self._node_of[id(tensor)]

    def _set(self, tensor: Tensor, node: _Node) -> None:
        self._node_of[id(tensor)] = len(self._nodes)
        self._nodes.append(node)
        self._alive.append(tensor)


def _about(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} {tensor.dtype}"


def _hash(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]
