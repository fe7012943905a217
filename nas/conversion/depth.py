"""Runs of residual blocks that keep the shape of what they get: each can be left out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import nn

from nas.conversion.choices import Options
from nas.conversion.cutting import Example, first_failure
from nas.conversion.following.graph import Block, Graph
from nas.conversion.groups import Groups
from nas.nn.tree import below, children
from nas.space import Choice

__all__ = ["Stage", "can_be_shorter", "choose_depths"]

_ADDING = ("add", "iadd", "radd")


@dataclass(frozen=True)
class Stage:
    """A container with runs of blocks that can be left out.

    Attributes:
        path: of the container.
        runs: first and last position, half open → a choice of how many of them are there.
    """

    path: str
    runs: dict[tuple[int, int], Choice]


def choose_depths(model: nn.Module, graph: Graph, options: Options) -> list[Stage]:
    """A choice of depth for each run in a ``torch.nn.Sequential``, or at the end of a ``torch.nn.ModuleList``."""
    if options.depth == "fixed":
        return []
    calls: dict[str, list[Block]] = {}
    for block in graph.blocks:
        calls.setdefault(block.path, []).append(block)
    found = []
    for path, module in model.named_modules():
        if type(module) not in (nn.Sequential, nn.ModuleList) or options.refusal([path]):
            continue
        blocks = [_only(calls, below(path, name)) for name, _ in children(module)]
        fits = [
            block is not None and _can_be_left_out(graph, child, block, type(module) is nn.Sequential)
            for block, (_, child) in zip(blocks, children(module), strict=True)
        ]
        runs = _runs(blocks, fits)
        if type(module) is nn.ModuleList:
            runs = [run for run in runs if run[1] == len(blocks)]
        least = {run: 0 if run[0] else 1 for run in runs}
        longer = [run for run in runs if run[1] - run[0] > least[run]]
        names = {run: below(path, f"{run[0]}.depth" if len(longer) > 1 else "depth") for run in longer}
        choices = {run: Choice(list(range(least[run], run[1] - run[0] + 1)), names[run]) for run in longer}
        if choices:
            found.append(Stage(path, choices))
    return found


def can_be_shorter(model: nn.Module, graph: Graph, groups: Groups, stage: Stage, example: Example) -> bool:
    """Whether the model without the blocks that may be left out runs all other operations, and no more.

    It does not where it looks blocks up by their positions in a list.
    """
    container = model.get_submodule(stage.path)
    gone = [n for (start, stop), depth in stage.runs.items() for n in range(start + min(depth.candidates), stop)]
    names = [name for position, (name, _) in enumerate(children(container)) if position in gone]
    paths = {below(stage.path, name) for name in names}
    spans = [(block.start, block.stop) for block in graph.blocks if block.path in paths]
    left = [each for n, each in enumerate(graph.operations) if not any(start <= n < stop for start, stop in spans)]
    held = dict(container._modules)
    try:
        for name in names:
            if isinstance(container, nn.Sequential):
                container._modules[name] = nn.Identity()
            else:
                del container._modules[name]
        return first_failure(model, replace(graph, operations=left), groups, (), {}, example) is None
    finally:
        container._modules.clear()
        container._modules.update(held)


def _only(calls: dict[str, list[Block]], path: str) -> Block | None:
    found = calls.get(path, [])
    return found[0] if len(found) == 1 else None


def _can_be_left_out(graph: Graph, child: nn.Module, block: Block, alone: bool) -> bool:
    """Whether it adds something to what it gets, and gives that in the same shape."""
    if isinstance(child, nn.Sequential | nn.ModuleList) or next(child.parameters(), None) is None:
        return False
    if not block.before.carries or not block.before.same_as(block.after) or (alone and not block.alone):
        return False
    inside = graph.operations[block.start : block.stop]
    return any(
        operation.name in _ADDING and any(labels.same_as(block.before) for labels in operation.inputs)
        for operation in inside
    )


def _runs(blocks: Sequence[Block | None], fits: Sequence[bool]) -> list[tuple[int, int]]:
    """Stretches of fitting blocks, each of which takes what the one before gives."""
    runs: list[tuple[int, int]] = []
    for position, fit in enumerate(fits):
        if not fit:
            continue
        before, here = blocks[position - 1] if position else None, blocks[position]
        follows = bool(runs) and runs[-1][1] == position and before is not None and here is not None
        if follows and before is not None and here is not None and before.given == here.taken:
            runs[-1] = (runs[-1][0], position + 1)
        else:
            runs.append((position, position + 1))
    return runs
