"""An optimiser step that leaves alone what the paths did not use.

Slices have dense gradients: momentum and weight decay move the rest of a sliced weight although no path ran it.
That is as published for the sandwich rule; this is the alternative for single paths. Step counts belong to whole
parameters, so AdamW corrects its bias as if every slice had been stepped each time.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from nas.nn.channel_ranges import Region, select, write

__all__ = ["masked_step"]


@torch.no_grad()
def masked_step(optimizer: torch.optim.Optimizer, used: Iterable[tuple[nn.Parameter, Region]]) -> None:
    """Steps, then restores every entry of parameters and optimiser state outside the used regions.

    Args:
        used: parameters and the regions of them that the step's paths ran, see ``Supernet.active_regions``.
    """
    regions: dict[nn.Parameter, list[Region]] = {}
    for parameter, region in used:
        regions.setdefault(parameter, []).append(region)
    partial = {parameter: parts for parameter, parts in regions.items() if () not in parts}
    before = {p: [tensor.clone() for tensor in _tensors_of(p, optimizer)] for p in partial}
    optimizer.step()
    for parameter, parts in partial.items():
        tensors = _tensors_of(parameter, optimizer)
        olds = before[parameter] + [torch.zeros_like(parameter)] * (len(tensors) - len(before[parameter]))
        for tensor, old in zip(tensors, olds, strict=True):
            new = tensor.clone()
            tensor.copy_(old)
            for part in parts:
                write(tensor, part, select(new, part))


def _tensors_of(parameter: nn.Parameter, optimizer: torch.optim.Optimizer) -> list[Tensor]:
    state = optimizer.state.get(parameter, {})
    return [
        parameter,
        *(value for value in state.values() if torch.is_tensor(value) and value.shape == parameter.shape),
    ]
