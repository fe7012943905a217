"""Model spaces that were written for NNI, as models with choices of ours."""

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import nn

from nas.errors import UsageError
from nas.models.nni_inputs import FromState, SelectedInputs
from nas.models.nni_layers import plain_or_elastic
from nas.models.nni_symbols import Symbols
from nas.nn import OneOf, Repeat, Zero

__all__ = ["from_nni"]


def from_nni(space: nn.Module) -> nn.Module:
    """A model space of NNI 3 as a model with choices, which every part of ``nas`` takes.

    Choices are named by NNI's labels and have its candidates, so an architecture here is a sample there. The weights
    are those of the space: candidates of a layer choice keep theirs; a layer of elastic size has those of NNI's default
    network in the part that this network uses, and fresh ones in the rest, since NNI has no others. The space itself is
    not changed. ::

        class Mine(nni.nas.nn.pytorch.ModelSpace): ...

        def space(classes):  # nas search mine:space
            return from_nni(Mine(classes))

    Args:
        space: an ``nni.nas.nn.pytorch.ModelSpace``, or a module with mutables of NNI in it.

    Returns:
        A model like those of ``search_spaces``.

    Raises:
        UsageError: a part of it has no counterpart; the sentence names it.
    """
    return _Conversion().converted(copy.deepcopy(space), "")


class _Conversion:
    """Replaces what varies, in place, from the root down."""

    def __init__(self) -> None:
        self._symbols = Symbols()
        self._done: dict[nn.Module, nn.Module] = {}

    def converted(self, module: nn.Module, path: str) -> nn.Module:
        """What takes the place of a module; the same wherever it stands."""
        if module not in self._done:
            convert = next(convert for kind, convert in self._kinds() if isinstance(module, kind))
            self._done[module] = convert(module, path)
        return self._done[module]

    def _kinds(self) -> Iterator[tuple[Any, Callable[[Any, str], nn.Module]]]:
        from nni.nas.hub.pytorch import nasbench201, nasnet
        from nni.nas.nn.pytorch import Cell, InputChoice, LayerChoice, MutableModule, ParametrizedModule, Repeat

        yield LayerChoice, self._layer_choice
        yield InputChoice, self._input_choice
        yield nasnet.NDSStage, self._stage
        yield Repeat, self._repeat
        yield Cell, self._cell
        yield ParametrizedModule, self._parametrised
        yield (nasbench201.Zero, nasnet.Zero), self._zero
        yield MutableModule, self._mutable
        yield nn.Module, self._plain

    def _layer_choice(self, module: Any, path: str) -> nn.Module:
        choice = self._symbols.choice(module.label, module.names)
        return OneOf({name: self.converted(module[name], f"{path}.{name}") for name in module.names}, choice)

    def _input_choice(self, module: Any, path: str) -> nn.Module:
        return SelectedInputs(self._symbols(module.choice, path), module.reduction)

    def _stage(self, module: Any, path: str) -> nn.Module:
        if not isinstance(module.depth_choice, int):
            raise UsageError(
                f"module '{path}' of the NNI space is a stage of cells whose shapes change with its depth "
                f"({type(module).__name__}), which no Repeat can; give num_cells as a number."
            )
        return self._repeat(module, path)

    def _repeat(self, module: Any, path: str) -> nn.Module:
        blocks = [self.converted(block, f"{path}.{index}") for index, block in enumerate(module.blocks)]
        depth = self._symbols(module.depth_choice, path)
        return nn.Sequential(*blocks) if isinstance(depth, int) else Repeat(blocks, depth)

    def _cell(self, module: Any, path: str) -> nn.Module:
        if module.merge_op != "all":
            raise UsageError(
                f"module '{path}' of the NNI space is a Cell with merge_op='{module.merge_op}', so that its width "
                "follows its wiring, which no choice of ours can; use merge_op='all'."
            )
        if module.op_candidates_factory is not None:
            self._make_operations(module)
        return self._mutable(module, path)

    def _make_operations(self, cell: Any) -> None:
        """For each input of a node the operations that the cell makes for it, whose strides may follow the input."""
        from nni.mutable import frozen_context
        from nni.nas.nn.pytorch.cell import create_cell_op_candidates

        def made(node: int, slot: int, state: int) -> Mapping[str, nn.Module]:
            with frozen_context(self._symbols.default_sample()):
                candidates: Mapping[str, nn.Module] = create_cell_op_candidates(
                    cell.op_candidates_factory, node, slot, state
                )[0]
                return candidates

        for node, (operations, inputs) in enumerate(zip(cell.ops, cell.inputs, strict=True), cell.num_predecessors):
            for slot in range(len(operations)):
                operation = self._symbols.choice(operations[slot].label, operations[slot].names)
                source = self._symbols.subset(inputs[slot].label, range(node), 1)
                from_each = {
                    (state,): FromState(state, OneOf(made(node, slot, state), operation)) for state in range(node)
                }
                operations[slot] = OneOf(from_each, source)
                inputs[slot] = nn.Identity()

    def _parametrised(self, module: Any, path: str) -> nn.Module:
        made = plain_or_elastic(module, self._symbols, path)
        return self._with_children(made, path)

    def _zero(self, module: Any, path: str) -> nn.Module:
        widths = {getattr(module, name, None) for name in ("C_in", "C_out")}
        return Zero(module.stride) if len(widths) == 1 else self._plain(module, path)

    def _mutable(self, module: Any, path: str) -> nn.Module:
        if module.mutables:
            raise UsageError(
                f"module '{path}' of the NNI space is a {type(module).__name__} with mutables of its own "
                f"({', '.join(map(repr, module.mutables))}), whose meaning only its forward knows; write it with "
                "the layers of nas.nn."
            )
        return self._with_children(module, path)

    def _plain(self, module: nn.Module, path: str) -> nn.Module:
        for name, value in list(vars(module).items()):
            vars(module)[name] = self._symbols(value, path)
        return self._with_children(module, path)

    def _with_children(self, module: nn.Module, path: str) -> nn.Module:
        for name, child in list(module._modules.items()):
            if child is not None:
                module._modules[name] = self.converted(child, f"{path}.{name}" if path else name)
        return module
