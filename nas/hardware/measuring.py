"""Several networks measured on one target so that they can be compared."""

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from nas.hardware.machine import Machine, Subject
from nas.hardware.measurement import Measurement

__all__ = ["measure_networks"]


def measure_networks(
    where: Machine,
    networks: Mapping[str, nn.Module | bytes | Subject],
    reference: nn.Module | Subject,
    input_shape: Sequence[int],
    input_dtype: torch.dtype = torch.float32,
    *,
    max_seconds: float = 60.0,
) -> dict[str, Measurement]:
    """Measure several networks interleaved with a reference network, so that drift of the machine is divided out.

    On ONNX Runtime the bytes of a file may stand for a network; a :class:`~nas.hardware.Subject` is one that reads an
    input of its own shape and type. ``max_seconds`` bounds the timing, see
    :func:`nas.hardware.timing.measure_all`; not the preparation, nor the fraction of a second for the energy of each
    network where the target can tell it.
    """

    def subject(network: nn.Module | bytes | Subject) -> Subject:
        return network if isinstance(network, Subject) else Subject(network, tuple(input_shape), input_dtype)

    group, seconds = {name: subject(each) for name, each in networks.items()}, max_seconds / max(1, len(networks))
    (found,) = where.measure_groups([group], subject(reference), seconds_each=seconds, energy=True)
    return found
