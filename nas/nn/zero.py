"""The operation that passes nothing on."""

import torch
from torch import Tensor

from nas.nn.elastic import Copy, Elastic
from nas.nn.fixed import require_fixed
from nas.nn.gate import Gates
from nas.nn.graph import as_graph

__all__ = ["Zero"]


class Zero(Elastic):
    """Zeros in place of the input: the "none" operation of cell spaces.

    A :class:`~nas.nn.Cell` skips it, and derivation rules and costs treat it specially.

    Shapes: ``[N, C, H, W]`` → ``[N, C, ceil(H / stride), ceil(W / stride)]``.

    Raises:
        UsageError: the stride is a choice.
    """

    def __init__(self, stride: int = 1) -> None:
        super().__init__()
        require_fixed("Zero", stride=stride)
        self.arguments = {}
        self.stride = stride

    def configure(self, gates: Gates) -> None:
        """Nothing to follow."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x[..., :: self.stride, :: self.stride])

    def plain(self, copy: Copy) -> torch.nn.Module:
        return as_graph(self)

    def extra_repr(self) -> str:
        return f"stride={self.stride}"
