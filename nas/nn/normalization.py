"""Elastic normalisation. Gates of a width act here, after the statistics, where they cannot be normalised away."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.errors import UsageError
from nas.nn.channels import Channels, channels, ranges_of, select, write
from nas.nn.elastic import ElasticLayer, State, uninitialised
from nas.nn.fixed import require_fixed
from nas.nn.gate import Gate, Gates, push_forward, single_value
from nas.space import choices_of, largest, outcomes

__all__ = ["BatchNorm2d", "GroupNorm", "LayerNorm"]


@dataclass(frozen=True)
class _NormState(State):
    channels: Channels
    eps: float


@dataclass(frozen=True)
class _GroupNormState(_NormState):
    widths: Gate
    groups: int


class BatchNorm2d(nn.BatchNorm2d, ElasticLayer[_NormState]):
    """``torch.nn.BatchNorm2d`` whose ``num_features`` and ``eps`` may be choices.

    The running statistics are those of whatever ran last, so they must be recalibrated for the architecture that
    is evaluated (Yu and Huang, 2019). Under a soft gate the output, not the input, is masked.

    Shapes: ``[N, num_features, H, W]`` → the same.

    Raises:
        UsageError: another argument is a choice.
    """

    def __init__(
        self,
        num_features: Any,
        eps: Any = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        require_fixed(
            "BatchNorm2d",
            momentum=momentum,
            affine=affine,
            track_running_stats=track_running_stats,
            device=device,
            dtype=dtype,
        )
        nn.BatchNorm2d.__init__(
            self, largest(num_features), largest(eps), momentum, affine, track_running_stats, device=device, dtype=dtype
        )
        self.arguments = {"num_features": num_features, "eps": eps}

    def resolve(self, gates: Gates) -> _NormState:
        active = channels(self.arguments["num_features"], gates)
        per_channel = dict.fromkeys(("weight", "bias", "running_mean", "running_var"), (active.ranges,))
        return _NormState({**per_channel, "num_batches_tracked": ()}, active, _eps(self, gates))

    def forward(self, x: Tensor) -> Tensor:
        if not self.is_elastic:
            return super().forward(x)
        mean, var = self._statistics("running_mean"), self._statistics("running_var")
        weight, bias = (self.part("weight"), self.part("bias")) if self.affine else (None, None)
        use_batch = self.training or mean is None
        y = F.batch_norm(x, mean, var, weight, bias, use_batch, self._averaging_factor(), self.state.eps)
        if self.training and mean is not None and var is not None and len(self.state.channels.ranges) > 1:
            write(self.running_mean, self.state.regions["running_mean"], mean)  # type: ignore[arg-type]
            write(self.running_var, self.state.regions["running_var"], var)  # type: ignore[arg-type]
        return self.state.channels.apply(y, 1)

    def twin(self) -> nn.Module:
        return uninitialised(
            nn.BatchNorm2d,
            self.state.channels.count,
            eps=self.state.eps,
            momentum=self.momentum,
            affine=self.affine,
            track_running_stats=self.track_running_stats,
            device=next((tensor.device for tensor in self._tensors()), None),
            dtype=next((tensor.dtype for tensor in self._tensors()), None),
        )

    def _tensors(self) -> list[Tensor]:
        return [tensor for tensor in (self.weight, self.running_mean) if tensor is not None]

    def _statistics(self, name: str) -> Tensor | None:
        return self.part(name) if self.track_running_stats else None

    def _averaging_factor(self) -> float:
        if not (self.training and self.track_running_stats and self.num_batches_tracked is not None):
            return 0.0
        self.num_batches_tracked.add_(1)
        return 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum


class LayerNorm(nn.LayerNorm, ElasticLayer[_NormState]):
    """``torch.nn.LayerNorm`` whose last dimension and ``eps`` may be choices.

    Under a soft gate mean and variance count each feature by its gate, so that a one-hot gate equals the slice.

    Shapes: ``[..., *normalized_shape]`` → the same.

    Raises:
        UsageError: a choice in any dimension but a single last one, or for another argument.
    """

    def __init__(
        self,
        normalized_shape: Any,
        eps: Any = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        require_fixed("LayerNorm", elementwise_affine=elementwise_affine, bias=bias, device=device, dtype=dtype)
        shape = tuple(normalized_shape) if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
        if choices_of(*shape) and len(shape) > 1:
            raise UsageError(
                f"LayerNorm normalized_shape={list(shape)} has a choice among several dimensions; "
                "only a single last dimension can be one."
            )
        sizes = [largest(size) for size in shape]
        nn.LayerNorm.__init__(self, sizes, largest(eps), elementwise_affine, bias, device, dtype)
        self.arguments = {"normalized_shape": shape[-1], "eps": eps}

    def resolve(self, gates: Gates) -> _NormState:
        active = channels(self.arguments["normalized_shape"], gates)
        whole = (((0, size),) for size in self.normalized_shape[:-1])
        return _NormState(dict.fromkeys(("weight", "bias"), (*whole, active.ranges)), active, _eps(self, gates))

    def forward(self, x: Tensor) -> Tensor:
        if not self.is_elastic:
            return super().forward(x)
        weight = None if self.weight is None else self.part("weight")
        bias = None if self.bias is None else self.part("bias")
        mask, eps = self.state.channels.mask, self.state.eps
        if mask is None:
            return F.layer_norm(x, (*self.normalized_shape[:-1], self.state.channels.count), weight, bias, eps)
        share = mask / mask.sum()
        centred = x - (x * share).sum(-1, keepdim=True)
        y = centred * torch.rsqrt((centred.square() * share).sum(-1, keepdim=True) + eps)
        y = y if weight is None else y * weight
        return self.state.channels.apply(y if bias is None else y + bias, -1)

    def twin(self) -> nn.Module:
        return uninitialised(
            nn.LayerNorm,
            (*self.normalized_shape[:-1], self.state.channels.count),
            eps=self.state.eps,
            elementwise_affine=self.elementwise_affine,
            bias=self.bias is not None,
            device=None if self.weight is None else self.weight.device,
            dtype=None if self.weight is None else self.weight.dtype,
        )


class GroupNorm(nn.GroupNorm, ElasticLayer[_GroupNormState]):
    """``torch.nn.GroupNorm`` whose ``num_channels``, ``num_groups`` and ``eps`` may be choices.

    Which channels share a group depends on the width, so a soft gate mixes the outputs of the widths.

    Shapes: ``[N, num_channels, *]`` → the same.

    Raises:
        UsageError: groups that do not divide the channels, or a choice for another argument.
    """

    def __init__(
        self,
        num_groups: Any,
        num_channels: Any,
        eps: Any = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        require_fixed("GroupNorm", affine=affine, device=device, dtype=dtype)
        for groups, width in outcomes(num_groups, num_channels):
            if width % groups:
                raise UsageError(f"GroupNorm num_groups={groups} does not divide num_channels={width}.")
        nn.GroupNorm.__init__(self, 1, largest(num_channels), largest(eps), affine, device, dtype)
        self.arguments = {"num_groups": num_groups, "num_channels": num_channels, "eps": eps}
        if not self.is_elastic:
            self.num_groups = num_groups

    def resolve(self, gates: Gates) -> _GroupNormState:
        width = self.arguments["num_channels"]
        active = channels(width, gates)
        widths = push_forward(lambda values: ranges_of(width, values), choices_of(width), gates)
        if widths.weights is not None and len(active.ranges) > 1:
            raise UsageError("GroupNorm over a concatenation cannot follow a soft gate; normalise each part by itself.")
        groups = int(single_value(self.arguments["num_groups"], gates, "GroupNorm num_groups"))
        regions = dict.fromkeys(("weight", "bias"), (active.ranges,))
        return _GroupNormState(regions, active, _eps(self, gates), widths, groups)

    def forward(self, x: Tensor) -> Tensor:
        if not self.is_elastic:
            return super().forward(x)
        if self.state.widths.weights is None:
            weight, bias = (self.part("weight"), self.part("bias")) if self.affine else (None, None)
            return F.group_norm(x, self.state.groups, weight, bias, self.state.eps)
        return self.state.widths.mix(lambda ranges: self._normalise(x, ranges))

    def _normalise(self, x: Tensor, ranges: Any) -> Tensor:
        """Normalises the leading channels ``ranges`` alone and pads with zeros to the width of ``x``."""
        width = ranges[-1][1]
        weight, bias = (select(self.weight, (ranges,)), select(self.bias, (ranges,))) if self.affine else (None, None)
        y = F.group_norm(x.narrow(1, 0, width), self.state.groups, weight, bias, self.state.eps)
        return F.pad(y, (0, 0) * (x.dim() - 2) + (0, x.shape[1] - width))

    def twin(self) -> nn.Module:
        return uninitialised(
            nn.GroupNorm,
            self.state.groups,
            self.state.channels.count,
            eps=self.state.eps,
            affine=self.affine,
            device=self.weight.device if self.affine else None,
            dtype=self.weight.dtype if self.affine else None,
        )


def _eps(layer: BatchNorm2d | LayerNorm | GroupNorm, gates: Gates) -> float:
    return float(single_value(layer.arguments["eps"], gates, f"{type(layer).__name__} eps"))
