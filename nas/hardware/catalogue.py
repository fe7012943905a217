"""The distinct blocks of a space at the shapes they really get, and which of them an architecture is made of."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import BuiltinFunctionType, FunctionType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from nas.errors import UsageError
from nas.hardware.places import Place, places
from nas.hardware.tracing import Shape, cannot_run, meta_copy
from nas.nn.tree import modules
from nas.predictors import BlockTable, BlockValues
from nas.space import Architecture, Space
from nas.supernet import Supernet, extract

__all__ = ["Block", "Catalogue"]

_MOST_ENTRIES = 50_000
_NO_SUM = "so costs do not add up over the blocks of this space; use a predictor without a table."

Key = tuple[int, ...]
Numbers = NDArray[np.int64]


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

    Blocks are told apart by their layers, settings and input shapes, not by their weights or their place: ``blocks``
    lists the different ones. ``numbers`` maps each place to an array with an axis for each of its choices, the last
    entry of an axis for the choice being inactive: the number of the block that runs there, or -1.

    Args:
        supernet: stays as it is; the attribute is a copy without weights. It must follow one architecture.
        input_shape: of one example, without the batch.
        input_dtype: of the inputs.

    Raises:
        UsageError: a block reads so many choices that its table would be too large; or costs do not add up over blocks,
            because the inputs of one depend on a choice that it does not read, or it runs several times; or the model
            cannot be run on such an input.
    """

    def __init__(self, supernet: Supernet, input_shape: Shape, input_dtype: torch.dtype = torch.float32) -> None:
        self.space: Space = supernet.space
        self.blocks: list[Block] = []
        self._numbers: dict[Any, int] = {}
        self.space.architecture(supernet.architecture)  # UsageError under soft gates, which cannot be copied
        self.supernet = meta_copy(supernet)
        self.example = torch.empty((1, *input_shape), dtype=input_dtype, device="meta")
        self._entries: list[tuple[Place, dict[Key, int]]] = [(place, {}) for place in places(self.supernet)]
        self._compare(self._fill())
        self.numbers = {place: self._table(place, numbers) for place, numbers in self._entries}

    def table(self, columns: Sequence[str], values: NDArray[np.float64]) -> BlockTable:
        """The sums of block values over an architecture.

        Args:
            columns: a name for each number.
            values: ``[blocks, columns]``, what each of ``blocks`` adds.
        """
        order = {name: column for column, name in enumerate(self.space.choices)}
        extended = np.vstack([values, np.zeros((1, len(columns)))])
        blocks = [
            BlockValues(tuple(order[name] for name in place.choices), extended[numbers])
            for place, numbers in self.numbers.items()
        ]
        return BlockTable(columns, blocks)

    def _table(self, place: Place, numbers: Mapping[Key, int]) -> Numbers:
        """The numbers as an array with an axis a choice; what an inactive choice would be makes no difference."""
        sizes = [len(self.space.choices[name]) for name in place.choices]
        which = np.array([numbers[key] for key in np.ndindex(*sizes)], dtype=np.int64).reshape(sizes)
        return np.asarray(which[np.ix_(*([*range(size), 0] for size in sizes))])

    def _fill(self) -> list[Architecture]:
        """Visits architectures until it is known for each combination of its choices what runs at every place."""
        sizes = [math.prod(len(self.space.choices[name]) + 1 for name in place.choices) for place, _ in self._entries]
        if sum(sizes) > _MOST_ENTRIES:
            widest = self._entries[int(np.argmax(sizes))][0]
            raise UsageError(
                f"the costs of blocks would be a table of {sum(sizes):,} entries, more than {_MOST_ENTRIES:,}; block "
                f"'{widest.path}' alone reads {len(widest.choices)} choices: put what depends on few choices into "
                "blocks of their own."
            )
        rng, visited = np.random.default_rng(0), []
        for place, numbers in self._entries:
            for combination in itertools.product(*(self.space.choices[name] for name in place.choices)):
                wanted = dict(zip(place.choices, combination, strict=True))
                given = tuple(self._index(name, wanted[name]) for name in place.choices)
                if given not in numbers:
                    architecture = self.space.complete({**self.space.sample(rng), **wanted})
                    key = self._key(place, architecture)
                    if key not in numbers:
                        self._visit(architecture)
                        visited.append(architecture)
                    numbers[given] = numbers[key]
        return visited

    def _compare(self, visited: Sequence[Architecture]) -> None:
        """Changes one choice at a time: the blocks that do not read it must run as before, on the same inputs."""
        for name, candidates in self.space.choices.items():
            for base in [each for each in visited if name in each][:1]:
                for candidate in set(range(len(candidates))) - {self._index(name, base[name])}:
                    self._visit(self.space.complete({**base, name: candidates[candidate]}))

    def _visit(self, architecture: Architecture) -> None:
        """Notes for every place which block runs there under this architecture."""
        self.supernet.activate(architecture)
        values = self.supernet.values
        calls = self._calls()
        for place, numbers in self._entries:
            key = self._key(place, architecture)
            inputs = calls.get(place.path)
            if key in numbers:
                self._check(place, inputs, numbers[key])
            elif inputs is None:
                numbers[key] = -1
            else:
                module = extract(place.module, values).eval()
                numbers[key] = self._number(Block(place.path, architecture, module, inputs))

    def _calls(self) -> dict[str, tuple[Tensor, ...]]:
        """Runs the active architecture; the inputs of every place that runs, by path."""
        calls: dict[str, tuple[Tensor, ...]] = {}

        def note(path: str) -> Any:
            def hook(_: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
                if path in calls:
                    raise UsageError(f"block '{path}' runs several times in one network, {_NO_SUM}")
                if named or not all(isinstance(each, Tensor) for each in arguments):
                    raise UsageError(f"block '{path}' is not called with plain tensors by position, {_NO_SUM}")
                calls[path] = arguments

            return hook

        hooks = [
            place.module.register_forward_pre_hook(note(place.path), with_kwargs=True) for place, _ in self._entries
        ]
        try:
            with torch.no_grad(), _WithoutBatchNorm():
                self.supernet(self.example)
        except UsageError:
            raise
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            place = f"on an input of shape {tuple(self.example.shape[1:])} and type {self.example.dtype}"
            raise cannot_run(type(self.supernet.model).__name__, place, error) from error
        finally:
            for each in hooks:
                each.remove()
        return calls

    def _check(self, place: Place, inputs: tuple[Tensor, ...] | None, number: int) -> None:
        known = self.blocks[number].inputs if number >= 0 else None
        if (inputs is None) != (known is None):
            raise UsageError(
                f"block '{place.path}' runs in some networks and not in others of the same choices "
                f"{list(place.choices)}, {_NO_SUM}"
            )
        if inputs is not None and known is not None and _shapes(inputs) != _shapes(known):
            raise UsageError(
                f"block '{place.path}' gets inputs of different shapes for the same choices {list(place.choices)}, "
                f"{_NO_SUM}"
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
        *(entry for name, module in modules(block.module) for entry in _settings(name, module)),
    )


def _settings(name: str, module: nn.Module) -> Iterator[Any]:
    plain = {
        key: repr(value)
        for key, value in vars(module).items()
        if isinstance(value, bool | int | float | str | tuple | list | FunctionType | BuiltinFunctionType)
        and key != "training"
    }
    tensors = itertools.chain(module.named_parameters(recurse=False), module.named_buffers(recurse=False))
    shapes = {key: tuple(each.shape) for key, each in tensors}
    yield name, type(module).__qualname__, tuple(sorted(plain.items())), tuple(sorted(shapes.items()))
