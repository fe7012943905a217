"""Several networks measured on one target so that they can be compared."""

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from nas.hardware.measurement import Measurement
from nas.hardware.target import Target
from nas.hardware.timing import measure_all

__all__ = ["measure_networks"]


def measure_networks(
    where: Target,
    networks: Mapping[str, nn.Module],
    reference: nn.Module,
    input_shape: Sequence[int],
    input_dtype: torch.dtype = torch.float32,
    *,
    max_seconds: float = 60.0,
) -> dict[str, Measurement]:
    """Measure several networks interleaved with a reference network, so that drift of the machine is divided out.

    ``max_seconds`` bounds the timing, see :func:`nas.hardware.timing.measure_all`; not the preparation, nor the
    fraction of a second for the energy of each network where the target can tell it.
    """
    sessions = {name: where.prepare(network, input_shape, input_dtype) for name, network in networks.items()}
    timings = measure_all(sessions, where.prepare(reference, input_shape, input_dtype), max_seconds=max_seconds)
    counter = where.energy_counter()
    return {name: where.measured(run, timings[name], counter) for name, run in sessions.items()}
