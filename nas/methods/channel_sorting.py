"""The most important channels first, before smaller widths are trained."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn

from nas.nn import Axis, ElasticLayer
from nas.nn.modes import evaluating
from nas.space import Concatenation, Expression, Subspace, choices_of, evaluate, largest
from nas.supernet import Supernet
from nas.training import Context, Listener

__all__ = ["ChannelSorting"]

_READERS = ("in_channels", "in_features")
"""Arguments of layers whose weights say how important a channel is to them."""


@dataclass
class _Width:
    """A width, and where it is: each tensor and a dimension of it that is so long, and those that read it."""

    expression: Expression
    places: dict[tuple[int, int], Tensor] = field(default_factory=dict)
    readers: list[tuple[Tensor, int]] = field(default_factory=list)


class ChannelSorting(Listener):
    """Orders the channels of each elastic width by importance when a phase begins: the L1 norm of the weights that read
    a channel (once-for-all, Cai et al., 2020).

    What the networks of earlier phases compute stays the same: a channel stays among those that a smaller width may
    have already, and all tensors in which the width is a dimension are ordered alike. Where this is not enough, since a
    model brings channels of different layers together in another way, outputs on the examples tell, and the width
    is left as it was. The optimiser must begin anew with the phase.

    Args:
        supernet: that trains.
        before: the candidates of each choice that were trained until now.
        examples: inputs of a few examples.
    """

    def __init__(self, supernet: Supernet, before: Mapping[str, Sequence[Any]], examples: Tensor) -> None:
        self.supernet, self.before, self.examples = supernet, before, examples
        self._sorted = 0

    @torch.no_grad()
    def begin(self, context: Context) -> None:
        with evaluating(self.supernet):
            self._sorted = sum(self._sort(width) for width in _widths(self.supernet.model) if width.readers)

    def record(self) -> dict[str, Any]:
        """How many widths were put in another order when the phase began."""
        count, self._sorted = self._sorted, 0
        return {"sorted_widths": count} if count else {}

    def _sort(self, width: _Width) -> bool:
        """Whether its channels are in another order now."""
        importance = torch.stack([reader.abs().transpose(0, dim).flatten(1).sum(1) for reader, dim in width.readers])
        bounds = self._bounds(width.expression)
        bands = [importance.sum(0)[start:stop].argsort(descending=True, stable=True) for start, stop in bounds]
        order = torch.cat([start + band for (start, _), band in zip(bounds, bands, strict=True)])
        outputs, kept = self._outputs(), {tensor: tensor.clone() for tensor in width.places.values()}
        for (_, dim), tensor in width.places.items():
            tensor.copy_(tensor.index_select(dim, order))
        if all(map(_alike, self._outputs(), outputs)):
            return not torch.equal(order, torch.arange(len(order)).to(order))
        for tensor, value in kept.items():
            tensor.copy_(value)
        return False

    def _bounds(self, width: Expression) -> list[tuple[int, int]]:
        """The channels that each width that was trained adds to the next smaller one, as half-open ranges."""
        choices = choices_of(width)
        taken = [self.before.get(self.supernet.name_of(choice), choice.candidates) for choice in choices]
        widths = {evaluate(width, dict(zip(choices, each, strict=True))) for each in itertools.product(*taken)}
        return list(itertools.pairwise(sorted({0, *widths, largest(width)})))

    def _outputs(self) -> list[Tensor]:
        """Of the largest and the smallest network that were trained."""
        found = []
        part = Subspace(self.supernet.space, self.before)
        for architecture in (part.largest(), part.smallest()):
            self.supernet.activate(architecture)
            found.append(self.supernet(self.examples))
        return found


def _alike(one: Tensor, other: Tensor) -> bool:
    """Whether outputs differ by rounding alone."""
    return bool((one - other).abs().max() <= 1e-4 * other.abs().max())


def _widths(model: nn.Module) -> list[_Width]:
    """The widths that are one dimension or more of tensors, by expression; the same one ties layers."""
    found: dict[int, _Width] = {}
    skipped: set[int] = set()
    for module in model.modules():
        for name, dim, axis in _axes_of(module):
            tensor, (argument, _, part) = cast(Tensor, getattr(module, name)), axis.follows.partition(".")
            width = cast(ElasticLayer, module).arguments.get(argument)
            if argument == "kernel_size" or not isinstance(width, Expression) or (part and tensor.shape[dim] == 1):
                continue
            if isinstance(width, Concatenation) or axis.blocks > 1 or tensor.shape[dim] != largest(width):
                skipped.add(id(width))
            place = found.setdefault(id(width), _Width(width))
            place.places[id(tensor), dim] = tensor
            place.readers += [(tensor, dim)] if argument in _READERS else []
    return [width for key, width in found.items() if key not in skipped]


def _axes_of(module: nn.Module) -> Iterator[tuple[str, int, Axis]]:
    """The tensors that a layer has, with each dimension that follows an argument."""
    for name, axes in module.axes.items() if isinstance(module, ElasticLayer) else ():
        if getattr(module, name) is not None:
            yield from ((name, dim, axis) for dim, axis in enumerate(axes) if axis is not None)
