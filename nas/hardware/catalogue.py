"""The distinct blocks of a space at the shapes they really get, and which of them an architecture is made of."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from nas.errors import UsageError
from nas.hardware.places import Place, places
from nas.hardware.tracing import Shape, meta_copy
from nas.predictors import BlockTable, BlockValues
from nas.space import Architecture, Space
from nas.supernet import Supernet, extract

__all__ = ["Block", "Catalogue"]

_MOST_ENTRIES = 20_000

Key = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Block:
    """One of the distinct blocks.

    Attributes:
        path: a module path where it runs.
        architecture: an architecture in which it runs there.
        module: the plain block on the meta device, in eval mode.
        inputs: what it is called with, on the meta device, with batch 1.
    """

    path: str
    architecture: Architecture
    module: nn.Module
    inputs: tuple[Tensor, ...]


class Catalogue:
    """Every block that any architecture can run, found by running architectures on the meta device.

    Blocks are told apart by their layers, settings and input shapes, not by their weights or their place.

    Args:
        supernet: stays as it is; the attribute is a copy without weights.
        input_shape: of one example, without the batch.
        input_dtype: of the inputs.

    Raises:
        UsageError: a block reads so many choices that its table would be too large, or its input shape depends on
            a choice that it does not read, so that costs do not add up over blocks.
    """

    def __init__(self, supernet: Supernet, input_shape: Shape, input_dtype: torch.dtype = torch.float32) -> None:
        self.space: Space = supernet.space
        self.blocks: list[Block] = []
        self._numbers: dict[Any, int] = {}
        self.supernet = meta_copy(supernet)
        self.example = torch.empty((1, *input_shape), dtype=input_dtype, device="meta")
        self._columns = {name: column for column, name in enumerate(self.space.choices)}
        self._entries: list[tuple[Place, dict[Key, int]]] = [(place, {}) for place in places(self.supernet)]
        self._numbers_at = {place.path: numbers for place, numbers in self._entries}
        self._fill()

    def table(self, columns: Sequence[str], values: NDArray[np.float64]) -> BlockTable:
        """The sums of block values over an architecture.

        Args:
            columns: a name for each number.
            values: ``[blocks, columns]``, what each of ``blocks`` adds.
        """
        extended = np.vstack([values, np.zeros((1, len(columns)))])
        return BlockTable(columns, [self._values(place, numbers, extended) for place, numbers in self._entries])

    def block_at(self, path: str, candidates: Key) -> int:
        """The number of the block that runs at a place, or -1.

        Args:
            path: of the place.
            candidates: an index for each of the choices that decide about the place, -1 for an inactive one.
        """
        return self._numbers_at[path][candidates]

    def _values(self, place: Place, numbers: Mapping[Key, int], extended: NDArray[np.float64]) -> BlockValues:
        sizes = [len(self.space.choices[name]) + 1 for name in place.choices]
        which = np.full(sizes, -1)
        for key, number in numbers.items():
            which[key] = number
        return BlockValues(tuple(self._columns[name] for name in place.choices), extended[which])

    def _fill(self) -> None:
        sizes = [math.prod(len(self.space.choices[name]) for name in place.choices) for place, _ in self._entries]
        if sum(sizes) > _MOST_ENTRIES:
            widest = self._entries[int(np.argmax(sizes))][0]
            raise UsageError(
                f"block '{widest.path}' reads {len(widest.choices)} choices, too many for a table of its costs; "
                "put what depends on few choices into blocks of their own."
            )
        rng = np.random.default_rng(0)
        for place, numbers in self._entries:
            for combination in itertools.product(*(self.space.choices[name] for name in place.choices)):
                wanted = dict(zip(place.choices, combination, strict=True))
                given = tuple(self._index(name, wanted[name]) for name in place.choices)
                if given not in numbers:
                    architecture = self.space.complete({**self.space.sample(rng), **wanted})
                    self._visit(architecture)
                    numbers[given] = numbers[self._key(place, architecture)]

    def _visit(self, architecture: Architecture) -> None:
        """Notes for every place which block runs there under this architecture."""
        self.supernet.activate(architecture)
        values = self.supernet.values
        calls = self._calls()
        for place, numbers in self._entries:
            key = self._key(place, architecture)
            inputs = calls.get(place.path)
            if inputs is None:
                numbers.setdefault(key, -1)
            elif key not in numbers:
                module = extract(place.module, values).eval()
                numbers[key] = self._number(Block(place.path, architecture, module, inputs))
            else:
                self._check(place, inputs, numbers[key])

    def _calls(self) -> dict[str, tuple[Tensor, ...]]:
        """Runs the active architecture; the inputs of every place that runs, by path."""
        calls: dict[str, tuple[Tensor, ...]] = {}

        def note(path: str) -> Any:
            def hook(_: nn.Module, arguments: Any) -> None:
                calls[path] = tuple(each for each in tree_leaves(arguments) if isinstance(each, Tensor))

            return hook

        hooks = [place.module.register_forward_pre_hook(note(place.path)) for place, _ in self._entries]
        try:
            with torch.no_grad(), _WithoutBatchNorm():
                self.supernet(self.example)
        finally:
            for each in hooks:
                each.remove()
        return calls

    def _check(self, place: Place, inputs: tuple[Tensor, ...], number: int) -> None:
        if number < 0 or _shapes(inputs) != _shapes(self.blocks[number].inputs):
            raise UsageError(
                f"block '{place.path}' gets inputs of different shapes for the same choices {list(place.choices)}, so "
                "costs do not add up over the blocks of this space; use a predictor without a table."
            )

    def _number(self, block: Block) -> int:
        number = self._numbers.setdefault(_signature(block), len(self.blocks))
        if number == len(self.blocks):
            self.blocks.append(block)
        return number

    def _key(self, place: Place, architecture: Mapping[str, Any]) -> Key:
        return tuple(self._index(name, architecture[name]) if name in architecture else -1 for name in place.choices)

    def _index(self, name: str, value: Any) -> int:
        return self.space.choices[name].index(value)


class _WithoutBatchNorm(TorchFunctionMode):
    """Leaves batch norm out: it keeps shapes, and on the meta device it takes most of the time."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return args[0] if func is F.batch_norm else func(*args, **(kwargs or {}))


def _shapes(inputs: Sequence[Tensor]) -> list[torch.Size]:
    return [each.shape for each in inputs]


def _signature(block: Block) -> tuple[Any, ...]:
    """Equal for blocks that do the same work."""
    return (
        tuple((tuple(each.shape), each.dtype) for each in block.inputs),
        *(entry for name, module in block.module.named_modules() for entry in _settings(name, module)),
    )


def _settings(name: str, module: nn.Module) -> Iterator[Any]:
    plain = {
        key: str(value)
        for key, value in vars(module).items()
        if isinstance(value, bool | int | float | str | tuple) and key != "training"
    }
    shapes = {key: tuple(each.shape) for key, each in module.named_parameters(recurse=False)}
    yield name, type(module).__qualname__, tuple(sorted(plain.items())), tuple(sorted(shapes.items()))
