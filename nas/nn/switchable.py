"""Widths that are weighed feature by feature: a batch norm for each, and channels aligned before they are summed."""

from collections.abc import Callable, Iterator
from functools import partial
from operator import eq
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.errors import UsageError
from nas.nn.conv import Conv2d
from nas.nn.elastic import Branch, Copy, Elastic, inactive
from nas.nn.fixed import require_fixed
from nas.nn.gate import Gate, Gates, push_forward
from nas.nn.tree import children
from nas.space import Concatenation, choices_of, evaluate, outcomes

__all__ = ["Align", "SwitchableBatchNorm2d", "UngatedConv2d", "interpolate_channels", "pad_channels"]

Align = Callable[[Tensor, int], Tensor]
"""Brings ``[N, C, H, W]`` to another number of channels."""


def pad_channels(x: Tensor, channels: int) -> Tensor:
    """``x`` with zeros behind its channels, so that a narrower width adds what it adds to the leading channels.

    Shapes: ``[N, C, H, W]`` → ``[N, channels, H, W]``, for ``channels`` of at least C.
    """
    return F.pad(x, (0, 0, 0, 0, 0, channels - x.shape[1]))


def interpolate_channels(x: Tensor, channels: int) -> Tensor:
    """Channel-wise interpolation (TAS, Dong and Yang, 2019): adaptive average pooling over the channels.

    Output i of C' is the mean of the inputs ``floor(i C / C')`` up to ``ceil((i + 1) C / C') - 1``. It is a product
    with a matrix, whose gradient is the same in every run, as that of the pooling is not on every device.

    Shapes: ``[N, C, H, W]`` → ``[N, channels, H, W]``; x itself where C is ``channels``.
    """
    inputs = x.shape[1]
    if inputs == channels:
        return x
    index, source = torch.arange(channels, device=x.device)[:, None], torch.arange(inputs, device=x.device)
    held = (source >= index * inputs // channels) & (source * channels < (index + 1) * inputs)
    mean = held.to(x.dtype) / held.sum(1, keepdim=True).to(x.dtype)
    return (mean @ x.flatten(2)).view(len(x), channels, *x.shape[2:])


class UngatedConv2d(Conv2d):
    """A :class:`~nas.nn.Conv2d` that leaves it to the next layer to weigh its widths.

    Under a soft gate it gives the channels of the widest active width as they are. A weight on them would be
    normalised away by the batch norm of each width as long as it is large, and drown the channels where it is small.

    Shapes: ``[N, in_channels, H, W]`` → ``[N, out_channels, H', W']``.
    """

    def weighed(self, y: Tensor) -> Tensor:
        return y


class SwitchableBatchNorm2d(Elastic):
    """A batch norm of its own for each width (slimmable networks, Yu et al., 2019).

    No statistics are shared between widths. Under a soft gate the leading channels go through the batch norm of each
    active width and the results are aligned to the widest and summed by weight (TAS, Dong and Yang, 2019): the layer
    before must not weigh its output, see :class:`UngatedConv2d`. A width of weight zero that is active still decides
    about the number of channels, which zero padding hides from the next layer and interpolation does not.

    Shapes: ``[N, num_features, H, W]`` → the same.

    Args:
        num_features: a width, which may be a :class:`~nas.space.Choice` or an expression of such.
        eps, momentum, affine, track_running_stats, device, dtype: of every batch norm, as in ``torch.nn.BatchNorm2d``.
        align: brings the features of a width to the widest; :func:`pad_channels` or :func:`interpolate_channels`.

    Raises:
        UsageError: the width of a concatenation, or a choice for another argument.
    """

    def __init__(
        self,
        num_features: Any,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        align: Align = pad_channels,
    ) -> None:
        super().__init__()
        settings: dict[str, Any] = {"eps": eps, "momentum": momentum, "affine": affine}
        settings |= {"track_running_stats": track_running_stats, "device": device, "dtype": dtype}
        require_fixed("SwitchableBatchNorm2d", **settings, align=align)
        if isinstance(num_features, Concatenation):
            raise UsageError("SwitchableBatchNorm2d cannot follow a concatenation; normalise each part by itself.")
        for width in sorted({int(width) for (width,) in outcomes(num_features)}):
            self.add_module(str(width), nn.BatchNorm2d(width, **settings))
        self.align = align
        self.arguments = {"num_features": num_features}
        if not choices_of(num_features):
            self.configure({})

    def __getitem__(self, width: int) -> nn.Module:
        """The batch norm of one width."""
        return self.get_submodule(str(width))

    def configure(self, gates: Gates) -> None:
        width = self.arguments["num_features"]
        self._widths = push_forward(lambda values: int(evaluate(width, values)), choices_of(width), gates)

    @property
    def widths(self) -> Gate:
        """The weights of the active widths; UsageError before an architecture is activated."""
        if "_widths" not in vars(self):
            raise inactive(self)
        return self._widths

    def forward(self, x: Tensor) -> Tensor:
        if self.widths.weights is None:
            y: Tensor = self[self.widths.values[0]](x)
            return y
        widest = max(self.widths.values)
        return self.widths.mix(lambda width: self.align(self[width](x[:, :width]), widest))

    def branches(self) -> Iterator[Branch]:
        for name, norm in children(self):
            yield Branch(name, norm, self.arguments["num_features"], partial(eq, int(name)))

    def running(self) -> Iterator[tuple[str, nn.Module]]:
        return ((str(width), self[width]) for width in self.widths.values)

    def plain(self, copy: Copy) -> nn.Module:
        return copy(self[self.widths.values[0]])
