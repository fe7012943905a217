"""Containers in which runs of blocks have an elastic depth, and everything keeps its name."""

from collections.abc import Iterator, Mapping
from typing import Any

from torch import nn

from nas.errors import UsageError
from nas.nn.elastic import Branch, Copy, Elastic, inactive
from nas.nn.gate import Gate, Gates, push_forward, single_value
from nas.nn.tree import children
from nas.space import choices_of, evaluate, outcomes

__all__ = ["BlockList", "StagedSequential"]

Run = tuple[int, int]
"""The positions of a run of blocks, half open."""


class _Stages(Elastic):
    """What containers with runs have in common: of each run the first blocks are there, as many as its depth says."""

    runs: tuple[Run, ...]

    def _take(self, module: nn.Module, runs: Mapping[Run, Any]) -> None:
        nn.Module.__init__(self)
        vars(self).update({name: value for name, value in vars(module).items() if name not in ("_modules",)})
        self._modules.update(module._modules)
        self.runs = tuple(runs)
        self.arguments = {"depth" if len(runs) == 1 else f"depth.{start}": depth for (start, _), depth in runs.items()}
        for (start, stop), depth in runs.items():
            wrong = [value for (value,) in outcomes(depth) if value not in range(stop - start + 1)]
            if wrong:
                raise UsageError(
                    f"the depth of blocks {start} to {stop - 1} can be {wrong[0]!r}; give 0 to their number."
                )

    def configure(self, gates: Gates) -> None:
        depths = self.arguments.values()
        self._depths = tuple(
            push_forward(lambda values, depth=depth: evaluate(depth, values), choices_of(depth), gates)  # type: ignore[misc]
            for depth in depths
        )

    @property
    def depths(self) -> tuple[Gate, ...]:
        """The gate of the depth of each run; UsageError before an architecture is activated."""
        if "_depths" not in vars(self):
            raise inactive(self)
        return self._depths

    def branches(self) -> Iterator[Branch]:
        for position, (name, block) in enumerate(children(self)):
            inside = [
                (run, depth)
                for run, depth in zip(self.runs, self.arguments.values(), strict=True)
                if _in(position, run)
            ]
            if inside:
                (((start, _), depth),) = inside
                yield Branch(name, block, depth, _Within(position - start))
            else:
                yield Branch(name, block)

    def running(self) -> Iterator[tuple[str, nn.Module]]:
        return ((name, block) for position, (name, block) in enumerate(children(self)) if self._there(position))

    def _there(self, position: int) -> bool:
        runs = zip(self.runs, self.depths, strict=True)
        return all(position - run[0] < max(depth.values) for run, depth in runs if _in(position, run))


class _Within:
    """Whether a block is there, given the depth of its run."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __call__(self, depth: Any) -> bool:
        return bool(self.number < depth)


class StagedSequential(_Stages, nn.Sequential):
    """``torch.nn.Sequential`` whose runs of blocks have a depth: the blocks behind it pass on what they get.

    An extracted network has a ``torch.nn.Identity`` in their place, so that all others keep their names. Under a soft
    gate the output of a run is the gate-weighted sum of what comes after each depth.

    Args:
        module: the container, of which the new one takes over all that it holds.
        runs: first and last position, half open, of each run → its depth, a number or an expression.

    Raises:
        UsageError: a depth that is not between zero and the number of blocks.
    """

    def __init__(self, module: nn.Sequential, runs: Mapping[Run, Any]) -> None:
        self._take(module, runs)

    def forward(self, x: Any) -> Any:
        outputs: list[Any] = []
        for position, (_, block) in enumerate(children(self)):
            number = next((number for number, run in enumerate(self.runs) if _in(position, run)), None)
            if number is None:
                x = block(x)
                continue
            start, stop = self.runs[number]
            outputs = [x] if position == start else outputs
            if self._there(position):
                outputs.append(block(outputs[-1]))
            if position == stop - 1:
                x = self.depths[number].mix(outputs.__getitem__)
        return x

    def plain(self, copy: Copy) -> nn.Module:
        blocks = {name: copy(block) for name, block in self.running()}
        made = nn.Sequential()
        for name, _ in children(self):
            made.add_module(name, blocks[name] if name in blocks else nn.Identity())
        return made.train(self.training)


class BlockList(_Stages, nn.ModuleList):
    """``torch.nn.ModuleList`` whose last blocks are left out, as many as its depth says.

    Whoever iterates over it meets those that are there. The depth follows one-hot gates alone.

    Args:
        module: the list, of which the new one takes over all that it holds.
        runs: the one run, which ends with the list → its depth, a number or an expression.

    Raises:
        UsageError: a depth that is not between zero and the number of blocks, or a run that does not end with the list.
    """

    def __init__(self, module: nn.ModuleList, runs: Mapping[Run, Any]) -> None:
        ((_, stop),) = runs
        if stop != len(module):
            raise UsageError(
                f"a depth of a list of {len(module)} blocks must be that of its last ones, not up to {stop}."
            )
        self._take(module, runs)

    def configure(self, gates: Gates) -> None:
        for name, depth in self.arguments.items():
            single_value(depth, gates, f"BlockList {name}")
        super().configure(gates)

    @property
    def present(self) -> nn.ModuleList:
        """A plain list of the blocks that are there."""
        return nn.ModuleList([block for _, block in self.running()])

    def __len__(self) -> int:
        return sum(1 for _ in self.running())

    def __iter__(self) -> Iterator[nn.Module]:
        return (block for _, block in self.running())

    def __getitem__(self, index: Any) -> Any:
        return self.present[index]

    def plain(self, copy: Copy) -> nn.Module:
        return nn.ModuleList([copy(block) for block in self]).train(self.training)


def _in(position: int, run: Run) -> bool:
    return run[0] <= position < run[1]
