"""In which order images lie in memory when a supernet reads them."""

from collections.abc import Callable

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

    Most convolutional networks train 1.3 to 1.9 times as fast with these on a CPU, some no faster. Not all can read
    them: ``view`` refuses to flatten what lies so.

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

    def may(name: str, is_so: Callable[[int], bool]) -> bool:
        found = (value for (value,) in outcomes(arguments[name]))
        return any(is_so(min(value) if isinstance(value, tuple | list) else int(value)) for value in found)

    return (
        may("stride", lambda stride: stride > 1)
        and may("kernel_size", lambda kernel: kernel == 1)
        and may("in_channels", lambda channels: channels < _FEWEST_CHANNELS)
    )
