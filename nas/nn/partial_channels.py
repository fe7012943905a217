"""Operations on a part of the channels."""

import torch
from torch import Tensor, nn

from nas.errors import UsageError
from nas.nn.elastic import Copy, Elastic
from nas.nn.fixed import require_fixed
from nas.nn.gate import Gates
from nas.nn.graph import as_graph

__all__ = ["PartialChannels"]


class PartialChannels(Elastic):
    """Runs an operation on the first of several equal parts of the channels (PC-DARTS, Xu et al., 2020).

    The other channels by-pass it, through a 2x2 max-pooling where the stride is two. All are then shuffled as from
    ``parts`` groups, so that the next operation meets others: of 16 channels in 4 groups 0, 4, 8, 12, 1, 5, ...

    Shapes: ``[N, channels, H, W]`` → ``[N, channels, ceil(H / stride), ceil(W / stride)]``.

    Args:
        operation: a module that keeps the number of its channels, ``channels // parts``.
        channels: of the input.
        parts: into how many parts the channels are divided.
        stride: that of the operation, 1 or 2.

    Raises:
        UsageError: ``parts`` that do not divide the channels, another stride, or a choice.
    """

    def __init__(self, operation: nn.Module, channels: int, parts: int, stride: int = 1) -> None:
        super().__init__()
        require_fixed("PartialChannels", channels=channels, parts=parts, stride=stride)
        if stride not in (1, 2):
            raise UsageError(f"PartialChannels has stride {stride!r}; use 1 or 2.")
        self.arguments = {}
        self.share = self.share_of(channels, parts)
        self.parts = parts
        self.stride = stride
        self.operation = operation
        self.bypass = nn.MaxPool2d(2, ceil_mode=True) if stride == 2 else nn.Identity()

    @staticmethod
    def share_of(channels: int, parts: int) -> int:
        """How many channels go through the operation; UsageError for ``parts`` that do not divide them."""
        if parts < 1 or channels % parts:
            raise UsageError(f"{channels} channels cannot be divided into {parts} equal parts; use a divisor.")
        return channels // parts

    def configure(self, gates: Gates) -> None:
        """Nothing to follow."""

    def forward(self, x: Tensor) -> Tensor:
        joined = torch.cat([self.operation(x[:, : self.share]), self.bypass(x[:, self.share :])], 1)
        groups = torch.unflatten(joined, 1, (self.parts, self.share))
        return groups.transpose(1, 2).flatten(1, 2)

    def plain(self, copy: Copy) -> nn.Module:
        channels = self.share * self.parts
        plain = PartialChannels(copy(self.operation), channels, self.parts, self.stride)
        return as_graph(plain.train(self.training))

    def extra_repr(self) -> str:
        return f"parts={self.parts}, stride={self.stride}"
