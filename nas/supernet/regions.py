"""Which parameters run, and which part of each."""

from collections.abc import Iterator

from torch import nn

from nas.nn import ElasticLayer
from nas.nn.channels import Region
from nas.supernet.segments import active_modules

__all__ = ["parameters_in_use"]


def parameters_in_use(module: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Parameter, Region]]:
    """Owner, name, parameter and region in use of every parameter that runs under the current gates."""
    for _, each in active_modules(module):
        regions = each.state.regions if isinstance(each, ElasticLayer) and each.is_elastic else {}
        for name, parameter in each.named_parameters(recurse=False):
            yield each, name, parameter, regions.get(name, ())
