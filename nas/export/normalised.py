"""A network together with the normalisation of its input, so that it reads what a user has."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nas.data import Inputs
from nas.data.images import per_channel

__all__ = ["Normalised", "reading"]


class Normalised(nn.Module):
    """Subtracts the mean of each channel from pixels ``[N, C, H, W]``, divides by its deviation, then runs the network.

    Pixels may be other numbers ``[N, C, ...]``.

    The two operations stay in front of the network: folded into its first convolution they would change what stands
    in for pixels beyond the border, which is zero after normalisation.

    Args:
        network: reads normalised images.
        mean: of each channel, in the units of the pixels.
        std: of each channel, likewise.
        dimensions: of the pixels, batch and channels among them.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, mean: Sequence[float], std: Sequence[float], dimensions: int = 4) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", per_channel(torch.tensor(mean, dtype=torch.float32), dimensions))
        self.register_buffer("std", per_channel(torch.tensor(std, dtype=torch.float32), dimensions))

    def forward(self, pixels: Tensor) -> Tensor:
        """The network's output; pixels of another type, such as bytes, are read as numbers first."""
        output: Tensor = self.network((pixels.to(self.mean.dtype) - self.mean) / self.std)
        return output


def reading(network: nn.Module, inputs: Inputs) -> nn.Module:
    """The network so that it reads these inputs: with their normalisation in front, if there is any to do."""
    if inputs.mean is None or inputs.std is None:
        return network
    return Normalised(network, inputs.mean, inputs.std, 1 + len(inputs.shape))
