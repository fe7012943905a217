"""The distinct blocks of a space at the shapes they really get, and which of them an architecture is made of."""

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from nas.costs.tracing import Shape, cannot_run, meta_copy
from nas.errors import UsageError
from nas.hardware.call_sites import CallSite, block_sites, junctions
from nas.hardware.signatures import shapes, signature
from nas.predictors import BlockTable, BlockValues
from nas.space import Architecture, Space, candidate_key
from nas.supernet import Supernet, extract

__all__ = ["Block", "Catalogue", "NoBlockTableError"]

_MOST_ENTRIES = 50_000
_NO_SUM = "so costs do not add up over the blocks of this space; use a predictor without a table."

Combination = tuple[int, ...]
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


class NoBlockTableError(UsageError):
    """Costs of a space are no table over its blocks; its networks can be traced one by one."""


class Catalogue:
    """Every block that any architecture can run, found by running architectures on the meta device.

    Blocks are told apart by their layers, settings and input shapes, not by their weights or their place: ``blocks``
    lists the different ones. ``numbers`` maps each site, with the choices that decide what runs there and what shapes
    it gets, to an array with an axis for each of these choices, the last entry of an axis for the choice being
    inactive: the number of the block that runs there, or -1.

    Args:
        supernet: stays as it is; the attribute is a copy without weights. It must follow one architecture.
        input_shape: of one example as it is stored, without the batch.
        input_dtype: of the inputs.

    Raises:
        NoBlockTableError: so many choices decide about a block that its table would be too large; or costs do not add
            up over blocks, because one with weights runs several times or is not called with plain tensors.
        UsageError: the model cannot be run on such an input.
    """

    def __init__(self, supernet: Supernet, input_shape: Shape, input_dtype: torch.dtype = torch.float32) -> None:
        self.space: Space = supernet.space
        self.blocks: list[Block] = []
        self._numbers: dict[Any, int] = {}
        self.space.architecture(supernet.architecture)  # UsageError under soft gates, which cannot be copied
        self.supernet = meta_copy(supernet)
        self.example = torch.empty((1, *input_shape), dtype=input_dtype, device="meta")
        self._order = {name: column for column, name in enumerate(self.space.choices)}
        self._seen: dict[Architecture, _Visit] = {}
        self._work: dict[Any, int] = {}
        self._canonical: dict[CallSite, dict[Combination, Combination]] = {}
        self._sites, self._junctions = block_sites(self.supernet), junctions(self.supernet)
        self._shapes: dict[Any, int] = {}
        self.numbers = {site: self._table(site) for site in self._settled()}

    def table(self, columns: Sequence[str], values: NDArray[np.float64]) -> BlockTable:
        """The sums of block values over an architecture.

        Args:
            columns: a name for each number.
            values: ``[blocks, columns]``, what each of ``blocks`` adds.
        """
        extended = np.vstack([values, np.zeros((1, len(columns)))])
        blocks = [BlockValues(self._columns(site), extended[numbers]) for site, numbers in self.numbers.items()]
        return BlockTable(columns, blocks)

    def _table(self, site: CallSite) -> Numbers:
        """The numbers as an array with an axis a choice; what an inactive choice would be makes no difference."""
        known = {self._key(site, visit): visit.calls.get(site.call_of, -1) for visit in self._seen.values()}
        sizes = self._sizes(site)
        keys = self._canonical[site]
        which = np.array([known[keys[given]] for given in np.ndindex(*sizes)], dtype=np.int64).reshape(sizes)
        return np.asarray(which[np.ix_(*([*range(size), 0] for size in sizes))])

    def _settled(self) -> list[CallSite]:
        """The sites, each with all choices that decide what runs there and on inputs of what shape."""
        rng, found, around = np.random.default_rng(0), self._sites, self._junctions
        while True:
            self._check_size(found)
            for site in (*found, *around):
                self._visit_combinations(site, rng)
            self._visit_neighbours()
            wider = [self._with_causes(junction) for junction in around]
            following = [self._with_causes(self._inside(site, wider)) for site in self._with_repeated_calls(found)]
            if (following, wider) == (found, around):
                return found
            found, around = following, wider

    def _check_size(self, found: Sequence[CallSite]) -> None:
        sizes = [math.prod(size + 1 for size in self._sizes(site)) for site in found]
        if sum(sizes) > _MOST_ENTRIES:
            widest = found[int(np.argmax(sizes))]
            block = f"block '{widest.path}'" if widest.path else "the model, which is one block,"
            raise NoBlockTableError(
                f"the costs of blocks would be a table of {sum(sizes):,} entries, more than {_MOST_ENTRIES:,}; "
                f"{len(widest.choices)} choices decide about {block} and the shapes it gets: put what "
                "depends on few choices into blocks of their own, and let few choices decide the resolution."
            )

    def _visit_combinations(self, site: CallSite, rng: np.random.Generator) -> None:
        """Visits architectures until it is known for each combination of its choices what runs at a site."""
        if site in self._canonical:
            return
        known = {self._key(site, visit) for visit in self._seen.values()}
        keys = self._canonical[site] = {}
        for given in np.ndindex(*self._sizes(site)):
            keys[given] = given
            if given not in known:
                wanted = {name: self.space.choices[name][i] for name, i in zip(site.choices, given, strict=True)}
                architecture = self.space.complete({**self.space.sample(rng), **wanted})
                (row,) = self.space.indices([architecture]).tolist()
                keys[given] = tuple(row[column] for column in self._columns(site))
                if keys[given] not in known:
                    known.add(self._key(site, self._visit(architecture)))

    def _visit_neighbours(self) -> None:
        """Changes one choice at a time: what runs where no choice of the site changed must be the same."""
        for name, candidates in self.space.choices.items():
            for base in [each for each in self._seen if name in each][:1]:
                for candidate in candidates:
                    self._visit(self.space.complete({**base, name: candidate}))

    def _inside(self, site: CallSite, around: Sequence[CallSite]) -> CallSite:
        """The site with the choices that decide what the junctions around it get."""
        above = [junction for junction in around if site.path.startswith(f"{junction.path}." if junction.path else "")]
        return self._with_choices(site, [name for junction in above for name in junction.choices])

    def _with_choices(self, site: CallSite, names: Iterable[str]) -> CallSite:
        """The site with more choices, and with those that decide whether these are active."""
        chosen = {*site.choices, *self.space.deciders(names, known=site.choices)}
        return replace(site, choices=tuple(sorted(chosen, key=self._order.__getitem__)))

    def _with_repeated_calls(self, found: Sequence[CallSite]) -> list[CallSite]:
        """The sites, and a site for each further call of a module."""
        known = {site.call_of for site in found}
        seen = {call for visit in self._seen.values() for call in visit.calls}
        first = {site.path: site for site in found if site.call == 0}
        further = [(path, call) for path, call in sorted(seen - known) if path in first]
        return [*found, *(replace(first[path], call=call) for path, call in further)]

    def _with_causes(self, site: CallSite) -> CallSite:
        """The site with the choices that it takes to tell apart what was seen to run there."""
        while (pair := self._contradiction(site)) is not None:
            site = self._with_choices(site, [self._cause(site, *pair)])
        return site

    def _contradiction(self, site: CallSite) -> tuple[Architecture, Architecture] | None:
        """Two architectures that agree in the choices of a site and run different blocks there."""
        known: dict[Combination, tuple[Architecture, int]] = {}
        for architecture, visit in self._seen.items():
            number = visit.calls.get(site.call_of, -1)
            other, theirs = known.setdefault(self._key(site, visit), (architecture, number))
            if theirs != number:
                return other, architecture
        return None

    def _cause(self, site: CallSite, first: Architecture, second: Architecture) -> str:
        """A choice that decides what runs at a site: the one whose change does, on a way from first to second."""
        values = {name: first.get(name, candidates[0]) for name, candidates in self.space.choices.items()}
        before = self._seen[first].calls.get(site.call_of, -1)
        for name, value in second.items():
            values[name] = value
            visit = self._visit(self.space.complete(values))
            if visit.calls.get(site.call_of, -1) != before:
                return name
        raise AssertionError(f"{first} and {second} run different blocks at {site.path}, but no choice says why")

    def _visit(self, architecture: Architecture) -> "_Visit":
        """Notes which blocks run under an architecture."""
        if architecture not in self._seen:
            self.supernet.activate(architecture)
            (row,) = self.space.indices([architecture]).tolist()
            blocks, around = self._calls()
            calls = {call: self._number(call[0], inputs) for call, inputs in blocks.items()}
            calls |= {(path, 0): self._shapes.setdefault(got, len(self._shapes)) for path, got in around.items()}
            self._seen[architecture] = _Visit(row, calls)
        return self._seen[architecture]

    def _number(self, path: str, inputs: tuple[Tensor, ...]) -> int:
        """The number of the block that the active architecture runs at a path."""
        architecture = self.supernet.architecture
        read = (name for name in self.supernet.read_by(path) if name in architecture)
        work = (path, *((name, candidate_key(architecture[name])) for name in read), *shapes(inputs))
        if work not in self._work:
            module = extract(self.supernet.model.get_submodule(path), self.supernet.values).eval()
            block = Block(path, architecture, module, inputs)
            self._work[work] = self._numbers.setdefault(signature(block.module, block.inputs), len(self.blocks))
            if self._work[work] == len(self.blocks):
                self.blocks.append(block)
        return self._work[work]

    def _calls(self) -> tuple[dict[tuple[str, int], tuple[Tensor, ...]], dict[str, tuple[Any, ...]]]:
        """Runs the active architecture.

        Returns:
            The inputs of every call of a site, by path and number of the call; and by path the shapes of what each
            junction gets.
        """
        calls: dict[tuple[str, int], tuple[Tensor, ...]] = {}
        around: dict[str, tuple[Any, ...]] = {}

        def note(path: str) -> Any:
            def hook(module: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
                if named or not all(isinstance(each, Tensor) for each in arguments):
                    raise NoBlockTableError(f"block '{path}' is not called with plain tensors by position, {_NO_SUM}")
                count = sum(other == path for other, _ in calls)
                if count and any(True for _ in itertools.chain(module.parameters(), module.buffers())):
                    raise NoBlockTableError(f"block '{path}' runs several times in one network, {_NO_SUM}")
                calls[path, count] = arguments

            return hook

        def look(path: str) -> Any:
            def hook(module: nn.Module, arguments: tuple[Any, ...]) -> None:
                around[path] = (
                    *around.get(path, ()),
                    *shapes([each for each in arguments if isinstance(each, Tensor)]),
                )

            return hook

        blocks = {site.module: site.path for site in reversed(self._sites)}
        hooks = [module.register_forward_pre_hook(note(path), with_kwargs=True) for module, path in blocks.items()]
        hooks += [each.module.register_forward_pre_hook(look(each.path)) for each in self._junctions]
        try:
            with torch.no_grad(), _WithoutBatchNorm():
                self.supernet(self.example)
        except UsageError:
            raise
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            read = self.supernet.reads(self.example)
            where = f"on an input of shape {tuple(read.shape[1:])} and type {read.dtype}"
            raise cannot_run(type(self.supernet.model).__name__, where, error) from error
        finally:
            for each in hooks:
                each.remove()
        return calls, around

    def _columns(self, site: CallSite) -> tuple[int, ...]:
        return tuple(self._order[name] for name in site.choices)

    def _sizes(self, site: CallSite) -> list[int]:
        return [len(self.space.choices[name]) for name in site.choices]

    def _key(self, site: CallSite, visit: "_Visit") -> Combination:
        return tuple(visit.row[column] for column in self._columns(site))


@dataclass(frozen=True)
class _Visit:
    """What ran: a row of candidate indices, and for each call the number of the block, or of a junction's shapes."""

    row: list[int]
    calls: dict[tuple[str, int], int]


class _WithoutBatchNorm(TorchFunctionMode):
    """Leaves batch norm out: it keeps shapes, and on the meta device it takes most of the time."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return args[0] if func is F.batch_norm else func(*args, **(kwargs or {}))
