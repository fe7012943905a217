"""Smaller kernels as learnt transforms of larger ones."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, cast

from torch import Tensor, nn

from nas.nn import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ElasticLayer
from nas.nn.channel_ranges import crop
from nas.nn.tree import modules
from nas.sharing.bank import Bank, Override, is_within
from nas.sharing.sharing import Sharing
from nas.space import Architecture, choices_of, outcomes

__all__ = ["KernelTransforms"]

_CONVOLUTIONS = (Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d)

Kernel = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class _Layer:
    """A convolution of elastic kernel.

    Attributes:
        module: itself.
        places: all its paths.
        sizes: each kernel size but the largest → the sizes that lead to it, itself the last.
    """

    module: ElasticLayer
    places: tuple[str, ...]
    sizes: dict[Kernel, tuple[Kernel, ...]]

    def transform(self, size: Kernel) -> str:
        """The name of the transform that gives a size."""
        return f"{self.places[0]}.{'x'.join(map(str, size))}"


class KernelTransforms(Sharing):
    """A kernel of k elements is the centre of the next larger one, times a matrix ``[k, k]`` that is learnt
    (once-for-all, Cai et al., 2020).

    A layer has a matrix for each of its sizes but the largest, the same for all of its channels. What is learnt is its
    difference from the identity, zero at first: then a smaller kernel is the centre of the largest, and weight decay
    pulls towards that. An extracted network has the product alone. Layers without a choice of kernel are as ever.
    """

    name = "kernel-transforms"

    def bind(self, model: nn.Module, space: Any) -> None:
        places: dict[ElasticLayer, list[str]] = {}
        for path, module in modules(model):
            if isinstance(module, _CONVOLUTIONS) and choices_of(module.arguments["kernel_size"]):
                places.setdefault(module, []).append(path)
        self._layers = [_Layer(module, tuple(paths), _sizes(module)) for module, paths in places.items()]
        self.transforms = Bank(
            {
                layer.transform(size): nn.Parameter(_weight(layer).new_zeros(math.prod(size), math.prod(size)))
                for layer in self._layers
                for size in layer.sizes
            }
        )

    def weights(self, architecture: Architecture, bank: int | None, within: str = "") -> Sequence[Override]:
        """The kernels of the layers, which follow the architecture."""
        here = [
            layer
            for layer in self._layers
            if any(is_within(place, within) or is_within(within, place) for place in layer.places)
        ]
        made = {layer: self._kernel(layer) for layer in here if not _weight(layer).is_meta}
        return [Override(layer.module, "weight", kernel) for layer, kernel in made.items() if kernel is not None]

    def _kernel(self, layer: _Layer) -> Tensor | None:
        """The kernel that the layer follows, in the middle of zeros of the shape of its weight; None for the largest.

        Shape: ``[channels, channels of a group, *largest]``.
        """
        weight, taken = _weight(layer), layer.module.state.kernel
        if taken not in layer.sizes:
            return None
        largest, kernel = tuple(weight.shape[2:]), weight
        for size in layer.sizes[taken]:
            centre = _centred(kernel, largest, size).flatten(2)
            kernel = (centre + centre @ self.transforms[layer.transform(size)]).view(*kernel.shape[:2], *size)
        sides = [(start, whole - stop) for whole, (start, stop) in zip(largest, _places(largest, taken), strict=True)]
        padded: Tensor = nn.functional.pad(kernel, [side for pair in reversed(sides) for side in pair])
        return padded


def _weight(layer: _Layer) -> Tensor:
    return cast(Tensor, layer.module.weight)


def _places(largest: Kernel, size: Kernel) -> list[tuple[int, int]]:
    """Where a size lies in the largest kernel, in each dimension."""
    return [crop(whole, length)[0] for whole, length in zip(largest, size, strict=True)]


def _centred(kernel: Tensor, largest: Kernel, size: Kernel) -> Tensor:
    """The part of a kernel at which a smaller one lies."""
    outer = _places(largest, tuple(kernel.shape[2:]))
    inner = _places(largest, size)
    offsets = [start - around for (start, _), (around, _) in zip(inner, outer, strict=True)]
    narrowed = zip(offsets, size, strict=True)
    return reduce(lambda part, each: part.narrow(each[0] + 2, *each[1]), enumerate(narrowed), kernel)


def _sizes(module: Any) -> dict[Kernel, tuple[Kernel, ...]]:
    """Each size but the largest → the sizes from the one below the largest down to itself, each inside of the last."""
    largest = tuple(module.weight.shape[2:])
    given = [kernel for (kernel,) in outcomes(module.arguments["kernel_size"])]
    every = {tuple(each) if isinstance(each, tuple | list) else (each,) * len(largest) for each in given}
    found: dict[Kernel, tuple[Kernel, ...]] = {}
    for size in sorted(every - {largest}, key=math.prod, reverse=True):
        around = [other for other in found if _holds(largest, other, size)]
        found[size] = (*(found[around[-1]] if around else ()), size)
    return found


def _holds(largest: Kernel, outer: Kernel, inner: Kernel) -> bool:
    """Whether a kernel lies inside of another, both in the middle of the largest."""
    pairs = zip(_places(largest, outer), _places(largest, inner), strict=True)
    return all(start <= first and last <= stop for (start, stop), (first, last) in pairs)
