"""A call of a torch function that is being followed, and what all rules are made of."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_leaves

from nas.conversion.following.graph import Graph, Place
from nas.conversion.following.labels import Labels, aligned

__all__ = ["Call", "Rule", "combined", "no_rule", "tensors_in"]


@dataclass
class Call:
    """A call that has been made.

    Attributes:
        name: of the function, without underscores around it.
        function, args, kwargs: what was called.
        outputs: the tensors that it gave.
        path: of the module in whose forward it was made.
        graph: that rules write to.
        labels: of a tensor.
        place: of a tensor that is a parameter or buffer of the model; None of another.
    """

    name: str
    function: Callable[..., Any]
    args: Sequence[Any]
    kwargs: dict[str, Any]
    outputs: list[Tensor]
    path: str
    graph: Graph
    labels: Callable[[Tensor], Labels]
    place: Callable[[Any], Place | None]

    def get(self, position: int, name: str, default: Any = None) -> Any:
        """An argument by position or by name."""
        return self.args[position] if position < len(self.args) else self.kwargs.get(name, default)

    @property
    def where(self) -> str:
        """The call in a sentence."""
        return f"{self.name}() in '{self.path}'" if self.path else f"{self.name}()"

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the first output."""
        return tuple(self.outputs[0].shape)

    @property
    def inputs(self) -> list[Tensor]:
        return tensors_in((self.args, self.kwargs))


Rule = Callable[[Call], list[Labels]]
"""Writes what a call says of channels into its graph, and gives the labels of its outputs."""


def tensors_in(value: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]


def combined(call: Call, operands: Iterable[Labels], shape: Sequence[int]) -> Labels:
    """The labels of what is computed element by element: channels that meet go together.

    A tensor that is broadcast along the channels of another says nothing of them. One that is as long and carries none
    keeps them from being cut there.
    """
    given = [(labels, *aligned(labels, shape)) for labels in operands]
    carrying = [each for each in given if each[0].carries and any(size > 1 for size in each[1].shape)]
    note = next((labels.note for labels, _, _ in given if labels.note), "")
    data = any(labels.data for labels, _, _ in given)
    if not carrying:
        return Labels.none(shape, note, data)
    for labels, _, sizes in given:
        for other, ids, _ in carrying if not labels.varying else ():
            _meet(
                call,
                other,
                ids,
                [dim for dim, size in enumerate(ids.shape) if size > 1 and sizes[dim] > 1],
                labels.note,
            )
    first, *others = sorted((ids for _, ids, _ in carrying), key=_simplicity)
    for ids in others:
        first = _joined(call, first, ids)
    return Labels(first, tuple(shape), note, data)


def _joined(call: Call, one: Tensor, other: Tensor) -> Tensor:
    """The labels of two tensors after what meets is made to go together.

    Where each has channels along a dimension of which the other knows nothing, these go together, as in a head.
    """
    mine, theirs = (
        [dim for dim, size in enumerate(ids.shape) if size > 1 and against.shape[dim] == 1]
        for ids, against in ((one, other), (other, one))
    )
    for dim in mine if theirs else ():
        call.graph.join(one.narrow(dim, 0, 1), one, call.where)
        one = one.narrow(dim, 0, 1)
    for dim in theirs if mine else ():
        call.graph.join(other.narrow(dim, 0, 1), other, call.where)
        other = other.narrow(dim, 0, 1)
    call.graph.join(one, other, call.where)
    return one


def _meet(call: Call, labels: Labels, ids: Tensor, dims: Sequence[int], note: str) -> None:
    """Channels meet a tensor without any that is as long along some dimensions: these cannot be cut.

    Where they are all dimensions of the channels, all are fixed; else those along them go together, as in a head.
    """
    varying = [dim for dim, size in enumerate(ids.shape) if size > 1]
    if dims and dims == varying:
        call.graph.fix(ids, f"meets {note or 'what has no channels'} in {call.where}")
    for dim in dims if dims != varying else ():
        call.graph.along(labels, dim - ids.dim() + len(labels.shape), call.where)


def _simplicity(ids: Tensor) -> tuple[int, int]:
    """Along how many dimensions labels vary, and when their channels were made: the earliest stand for all."""
    return sum(size > 1 for size in ids.shape), int(ids.max())


def no_rule(call: Call) -> list[Labels]:
    """Fixes all that an unknown operation reads."""
    for tensor in call.inputs:
        place, labels = call.place(tensor), call.labels(tensor)
        call.graph.fix(labels.ids, f"is read by {call.where}, for which there is no rule")
        if place is not None:
            call.graph.whole[place] = f"'{place}' is read by {call.where}, for which there is no rule"
    data = any(call.labels(tensor).data for tensor in call.inputs)
    return [Labels.none(each.shape, f"the output of {call.where}", data) for each in call.outputs]
