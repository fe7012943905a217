"""Which parts of which parameters an architecture uses, and how large they are in its network."""

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import cast

from torch import Tensor, nn

from nas.nn import ElasticLayer
from nas.nn.channel_ranges import Region
from nas.sharing.bank import Override, Source
from nas.supernet.segmentation import active_modules

__all__ = ["Shape", "parts_in_use", "regions_in_use", "stored_size"]

Banked = Mapping[tuple[nn.Module, str], Tensor]
"""The tensors that modules read in place of parameters of their own."""

Shape = tuple[int, ...]


def regions_in_use(model: nn.Module, banked: Banked) -> Iterator[tuple[nn.Parameter, Region]]:
    """Each parameter that runs and the region of it in use (see :func:`nas.nn.channel_ranges.select`), once.

    What a computed tensor is made of, such as the original of a parametrised weight, is in use as a whole. For one
    that a sharing scheme computes the module's own parameter stands.
    """
    seen: set[tuple[int, Region]] = set()
    for module, name, holders in _read(model):
        region = _region(module, name) if holders == [(module, name)] else ()
        for holder, held in holders:
            own, read = getattr(holder, held), banked.get((holder, held))
            parameter = read if isinstance(read, nn.Parameter) else own
            if isinstance(parameter, nn.Parameter) and (id(parameter), region) not in seen:
                seen.add((id(parameter), region))
                yield parameter, region


def parts_in_use(model: nn.Module, banked: Banked) -> dict[Hashable, Shape]:
    """The shapes of the parameters of the network that is extracted; a key for each, the same wherever it is used."""
    found: dict[Hashable, Shape] = {}
    for module, name, holders in _read(model):
        own = cast(Tensor, getattr(module, name))
        tensor = banked.get((module, name), own)
        read = (id(tensor), "") if isinstance(tensor, nn.Parameter) else (id(own), "computed")
        owner = read if holders == [(module, name)] else (id(module), name)
        shape = module.part(name).shape if isinstance(module, ElasticLayer) else tensor.shape
        found[*owner, _region(module, name)] = tuple(shape)
    return found


def stored_size(model: nn.Module, slots: Sequence[Override]) -> int:
    """How many numbers hold the parameters of what runs, where what a sharing scheme computes is kept as its sources.

    Of a parameter that is read in several places it is the smallest block that holds all that they read.
    """
    computed = {(slot.module, slot.name): slot for slot in slots}
    blocks: dict[Hashable, Shape] = {}
    for module, name, holders in _read(model):
        own, slot = cast(Tensor, getattr(module, name)), computed.get((module, name))
        tensor = own if slot is None else slot.tensor
        shape = tuple(module.part(name).shape) if isinstance(module, ElasticLayer) else tuple(tensor.shape)
        if slot is not None and slot.made_of:
            read = [(id(source.parameter), _cut(source, shape)) for source in slot.made_of]
        else:
            read = [(id(tensor if isinstance(tensor, nn.Parameter) else own), shape)]
        for key, part in read if holders == [(module, name)] else [((id(module), name), shape)]:
            blocks[key] = tuple(map(max, part, blocks.get(key, part)))
    return sum(map(math.prod, blocks.values()))


def _cut(source: Source, shape: Shape) -> Shape:
    """The shape of the source that is left where the tensor that it makes is cut to a shape."""
    return tuple(size if dim is None else shape[dim] for size, dim in zip(source.shape, source.cut, strict=True))


def _read(model: nn.Module) -> Iterator[tuple[nn.Module, str, list[tuple[nn.Module, str]]]]:
    """The parameters of what runs: the module, their name there, and where they are held or what they are made of."""
    for _, module in active_modules(model):
        if isinstance(module, ElasticLayer):
            for name, holders in module.parameter_names().items():
                yield module, name, holders
        else:
            for name, _ in module.named_parameters(recurse=False):
                yield module, name, [(module, name)]


def _region(module: nn.Module, name: str) -> Region:
    return module.region(name) if isinstance(module, ElasticLayer) else ()
