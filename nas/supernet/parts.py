"""Which parts of which parameters an architecture uses, and how large they are in its network."""

from collections.abc import Hashable, Iterator, Mapping
from typing import cast

from torch import Tensor, nn

from nas.nn import ElasticLayer
from nas.nn.channel_ranges import Region
from nas.supernet.segmentation import active_modules

__all__ = ["Shape", "parts_in_use", "regions_in_use"]

Banked = Mapping[tuple[nn.Module, str], Tensor]
"""The tensors that modules read in place of parameters of their own."""

Shape = tuple[int, ...]


def regions_in_use(model: nn.Module, banked: Banked) -> Iterator[tuple[nn.Parameter, Region]]:
    """Each parameter that runs and the region of it in use (see :func:`nas.nn.channel_ranges.select`), once.

    What a computed tensor is made of, such as the original of a parametrised weight, is in use as a whole.
    """
    seen: set[tuple[int, Region]] = set()
    for module, name, holders in _read(model):
        region = _region(module, name) if holders == [(module, name)] else ()
        for holder, held in holders:
            parameter = banked.get((holder, held), getattr(holder, held))
            if isinstance(parameter, nn.Parameter) and (id(parameter), region) not in seen:
                seen.add((id(parameter), region))
                yield parameter, region


def parts_in_use(model: nn.Module, banked: Banked) -> dict[Hashable, Shape]:
    """The shapes of the parameters of the network that is extracted; a key for each, the same wherever it is used."""
    found: dict[Hashable, Shape] = {}
    for module, name, holders in _read(model):
        tensor = cast(Tensor, banked.get((module, name), getattr(module, name)))
        owner = (id(tensor),) if holders == [(module, name)] else (id(module), name)
        shape = module.part(name).shape if isinstance(module, ElasticLayer) else tensor.shape
        found[*owner, _region(module, name)] = tuple(shape)
    return found


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
