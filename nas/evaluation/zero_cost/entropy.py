"""The proxy from how much the features of each resolution can tell."""

import math
import statistics

from torch import nn

from nas.costs.convolution_path import Path, convolution_path, stages
from nas.evaluation.zero_cost.probe import Probe

__all__ = ["entropy_of", "multi_scale_entropy"]

_LAST = 8.0
"""Weight of the last resolution; the others have 1."""
_UNEVENNESS = 10.0
"""Weight of how far the depths of the resolutions differ."""


def multi_scale_entropy(network: nn.Module, probe: Probe) -> float:
    """The entropy of a network's features in closed form, from sizes alone (DeepMAD, Shen et al., 2023).

    It grows with depth for ever, so bound cost ``depth_to_width``. NaN where no convolution leads to the output.

    Raises:
        UsageError: the network runs no convolution.
    """
    return entropy_of(convolution_path(network, probe.batches[0][0][:1]))


def entropy_of(path: Path) -> float:
    """The entropies of all resolutions, added with weights, less ten times the exponential of how uneven depths are.

    The entropy of a resolution is that of all convolutions so far, times the logarithm of how many numbers its features
    are. Depths are convolutions of each resolution; their spread is the standard deviation.

    >>> from nas.costs.convolution_path import Convolution
    >>> path = (Convolution(27, 8, 64), Convolution(72, 8, 16))
    >>> first, second = math.log(8 * 64) * math.log(27) / 2, math.log(8 * 16) * (math.log(27) + math.log(72)) / 2
    >>> math.isclose(entropy_of(path), first + 8 * second - 10)
    True
    """
    if not path:
        return math.nan
    parts, so_far, total = stages(path), 0.0, 0.0
    for number, stage in enumerate(parts, start=1):
        so_far += sum(each.entropy for each in stage)
        size = math.log(stage[-1].positions * stage[-1].channels)
        total += (_LAST if number == len(parts) else 1.0) * size * so_far
    return total - _UNEVENNESS * math.exp(statistics.pstdev(len(stage) for stage in parts))
