"""In which order images lie in memory when a supernet reads them."""

from typing import Any

import torch
from torch import Tensor, nn

from nas.space import outcomes
from nas.supernet.supernet import Supernet

__all__ = ["takes_channels_last"]

_RANDOM = 2
_FEWEST_CHANNELS = 16
"""oneDNN, to 3.12 at least, writes past its memory in the gradient of a strided 1x1 convolution in channels last with
fewer input channels than a vector register has numbers (github.com/uxlfoundation/oneDNN/issues/6035)."""


def takes_channels_last(supernet: Supernet, x: Tensor) -> bool:
    """Whether the networks of a supernet can read images that lie channel by channel for each pixel.

    Convolutional networks train 1.2 to 2.1 times as fast with these on a CPU. Not all can read them: ``view`` refuses
    to flatten what lies so.

    Args:
        x: a few images ``[N, C, H, W]`` as they are stored; any that are read in the usual order can be given.
    """
    if any(isinstance(module, nn.Conv2d) and _is_unsafe(module) for module in supernet.modules()):
        return False
    space, laid_out = supernet.space, torch.empty_like(x, memory_format=torch.channels_last).copy_(x)
    some = [space.smallest(), space.largest(), *map(space.sample, range(_RANDOM))]
    try:
        with torch.inference_mode(), torch.random.fork_rng(devices=[]):
            for architecture in some:
                supernet.extract(architecture).eval()(supernet.reads(laid_out, architecture))
    except RuntimeError:  # what fails in the usual order too is told where networks are checked
        return False
    return True


def _is_unsafe(convolution: nn.Conv2d) -> bool:
    arguments = {**vars(convolution), **getattr(convolution, "arguments", {})}
    return any(
        _smallest(kernel) == 1 and _smallest(stride) > 1 and int(channels) < _FEWEST_CHANNELS
        for kernel, stride, channels in outcomes(*map(arguments.__getitem__, ("kernel_size", "stride", "in_channels")))
    )


def _smallest(value: Any) -> int:
    return min(value) if isinstance(value, tuple | list) else int(value)
