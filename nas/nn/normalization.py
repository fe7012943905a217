"""Elastic normalisation. Gates of a width act here, after the statistics, where they cannot be normalised away."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.errors import UsageError
from nas.nn.channel_ranges import Channels, Ranges, ranges_of, write
from nas.nn.elastic_layer import Axes, ElasticLayer, State
from nas.nn.gate import Gates, push_forward
from nas.space import choices_of, largest, outcomes

__all__ = [
    "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "GroupNorm", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d",
    "LayerNorm", "RMSNorm",
]  # fmt: skip


class _BatchNorm(ElasticLayer):
    axes = Axes(
        **dict.fromkeys(("weight", "bias", "running_mean", "running_var"), ("num_features",)), num_batches_tracked=()
    )
    elastic = ("num_features", "eps")
    output = ("num_features", 1)

    def functional(
        self,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        num_batches_tracked: Tensor | None,
    ) -> Tensor:
        self._check_input_dim(x)
        factor, use_batch = self.momentum or 0.0, self.training or running_mean is None
        if self.training and not self.track_running_stats:
            running_mean = running_var = None
        elif self.training and num_batches_tracked is not None:
            num_batches_tracked.add_(1)
            factor = 1.0 / float(num_batches_tracked) if self.momentum is None else self.momentum
        y = F.batch_norm(x, running_mean, running_var, weight, bias, use_batch, factor, self.state.eps)
        if self.training and len(self.state.widths["num_features"].ranges) > 1:
            for name, statistic in (("running_mean", running_mean), ("running_var", running_var)):
                if statistic is not None and len(self.state.regions[name][0]) > 1:  # what was updated is a copy
                    write(self.get_buffer(name), self.state.regions[name], statistic)
        return y


class BatchNorm1d(_BatchNorm, nn.BatchNorm1d):
    """``torch.nn.BatchNorm1d`` whose ``num_features`` and ``eps`` may be choices, see :class:`BatchNorm2d`.

    Shapes: ``[N, num_features]`` or ``[N, num_features, L]`` → the same.
    """


class BatchNorm2d(_BatchNorm, nn.BatchNorm2d):
    """``torch.nn.BatchNorm2d`` whose ``num_features`` and ``eps`` may be choices.

    The running statistics are those of whatever ran last, so they must be recalibrated for the architecture that
    is evaluated (Yu and Huang, 2019). Under a soft gate the output, not the input, is masked.

    Shapes: ``[N, num_features, H, W]`` → the same.

    Raises:
        UsageError: another argument is a choice.
    """


class BatchNorm3d(_BatchNorm, nn.BatchNorm3d):
    """``torch.nn.BatchNorm3d`` whose ``num_features`` and ``eps`` may be choices, see :class:`BatchNorm2d`.

    Shapes: ``[N, num_features, D, H, W]`` → the same.
    """


class _InstanceNorm(ElasticLayer):
    axes = Axes(weight=("num_features",), bias=("num_features",))
    elastic = ("num_features", "eps")

    def widest(self, given: Mapping[str, Any]) -> dict[str, Any]:
        if choices_of(given["num_features"], given["eps"]) and given["track_running_stats"]:
            raise UsageError(
                f"{type(self).__name__} with choices cannot have track_running_stats: the statistics would be those of "
                "whatever ran last; leave it out, so that each example is normalised by itself."
            )
        return super().widest(given)

    def functional(self, x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
        self._check_input_dim(x)
        batch = x if x.dim() > self._get_no_batch_dim() else x[None]
        y = F.instance_norm(batch, weight=weight, bias=bias, eps=self.state.eps)
        return self.state.widths["num_features"].apply(y, 1).view_as(x)


class InstanceNorm1d(_InstanceNorm, nn.InstanceNorm1d):
    """``torch.nn.InstanceNorm1d`` whose ``num_features`` and ``eps`` may be choices, see :class:`InstanceNorm2d`.

    Shapes: ``[N, num_features, L]`` or ``[num_features, L]`` → the same.
    """


class InstanceNorm2d(_InstanceNorm, nn.InstanceNorm2d):
    """``torch.nn.InstanceNorm2d`` whose ``num_features`` and ``eps`` may be choices.

    Each channel has its own statistics, so under a soft gate the output is masked.

    Shapes: ``[N, num_features, H, W]`` or ``[num_features, H, W]`` → the same.

    Raises:
        UsageError: another argument is a choice, or running statistics of a layer with choices.
    """


class InstanceNorm3d(_InstanceNorm, nn.InstanceNorm3d):
    """``torch.nn.InstanceNorm3d`` whose ``num_features`` and ``eps`` may be choices, see :class:`InstanceNorm2d`.

    Shapes: ``[N, num_features, D, H, W]`` or ``[num_features, D, H, W]`` → the same.
    """


class _FeatureNorm(ElasticLayer):
    """Normalises the last dimensions, of which a single one may be a choice."""

    elastic = ("normalized_shape", "eps")
    output = ("normalized_shape", -1)
    tensors: ClassVar[tuple[str, ...]]

    @cached_property
    def axes(self) -> Axes:  # type: ignore[override]
        whole = (None,) * (len(self.normalized_shape) - 1)
        return Axes(dict.fromkeys(self.tensors, (*whole, "normalized_shape")))

    def arguments_of(self, given: Mapping[str, Any]) -> dict[str, Any]:
        return {"normalized_shape": _shape(given)[-1], "eps": given["eps"]}

    def widest(self, given: Mapping[str, Any]) -> dict[str, Any]:
        shape = _shape(given)
        if choices_of(*shape) and len(shape) > 1:
            raise UsageError(
                f"{type(self).__name__} normalized_shape={list(shape)} has a choice among several dimensions; "
                "only a single last dimension can be one."
            )
        return {"normalized_shape": [largest(size) for size in shape], "eps": largest(given["eps"])}

    def active(self, state: State) -> dict[str, Any]:
        return {**super().active(state), "normalized_shape": self._shape_in(state)}

    def _shape_in(self, state: State) -> tuple[int, ...]:
        return *self.normalized_shape[:-1], state.widths["normalized_shape"].count


class LayerNorm(_FeatureNorm, nn.LayerNorm):
    """``torch.nn.LayerNorm`` whose last dimension and ``eps`` may be choices.

    Under a soft gate means count each feature by its gate, so that a one-hot gate equals the slice.

    Shapes: ``[..., *normalized_shape]`` → the same.

    Raises:
        UsageError: a choice in any dimension but a single last one, or for another argument.
    """

    tensors = ("weight", "bias")

    def functional(self, x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
        mask, eps = self.state.widths["normalized_shape"].mask, self.state.eps
        if mask is None:
            return F.layer_norm(x, self._shape_in(self.state), weight, bias, eps)
        share = mask / mask.sum()
        centred = x - (x * share).sum(-1, keepdim=True)
        y = centred * torch.rsqrt((centred.square() * share).sum(-1, keepdim=True) + eps)
        y = y if weight is None else y * weight
        return y if bias is None else y + bias


class RMSNorm(_FeatureNorm, nn.RMSNorm):
    """``torch.nn.RMSNorm`` whose last dimension and ``eps`` may be choices, see :class:`LayerNorm`.

    Shapes: ``[..., *normalized_shape]`` → the same.
    """

    tensors = ("weight",)

    def functional(self, x: Tensor, weight: Tensor | None) -> Tensor:
        mask, eps = self.state.widths["normalized_shape"].mask, self.state.eps
        if mask is None:
            return F.rms_norm(x, self._shape_in(self.state), weight, eps)
        mean = (x.square() * (mask / mask.sum())).sum(-1, keepdim=True)
        y = x * torch.rsqrt(mean + (torch.finfo(x.dtype).eps if eps is None else eps))
        return y if weight is None else y * weight


class GroupNorm(ElasticLayer, nn.GroupNorm):
    """``torch.nn.GroupNorm`` whose ``num_channels``, ``num_groups`` and ``eps`` may be choices.

    Which channels share a group depends on the width, so a soft gate mixes the outputs of the widths.

    Shapes: ``[N, num_channels, *]`` → the same.

    Raises:
        UsageError: groups that do not divide the channels, or a choice for another argument.
    """

    axes = Axes(weight=("num_channels",), bias=("num_channels",))
    elastic = ("num_groups", "num_channels", "eps")

    def widest(self, given: Mapping[str, Any]) -> dict[str, Any]:
        for groups, width in outcomes(given["num_groups"], given["num_channels"]):
            if width % groups:
                raise UsageError(f"GroupNorm num_groups={groups} does not divide num_channels={width}.")
        has_choices = choices_of(*(given[name] for name in self.elastic))
        return {**super().widest(given), "num_groups": 1 if has_choices else given["num_groups"]}

    def follow(self, gates: Gates) -> tuple[dict[str, Channels], dict[str, Any]]:
        width = self.arguments["num_channels"]
        mixed = push_forward(lambda values: ranges_of(width, values), choices_of(width), gates)
        if mixed.weights is not None and len(mixed.values[0]) > 1:
            raise UsageError("GroupNorm over a concatenation cannot follow a soft gate; normalise each part by itself.")
        widths, settings = super().follow(gates)
        return widths, {**settings, "mixed": mixed}

    def functional(self, x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
        if self.state.mixed.weights is None:
            return F.group_norm(x, self.state.num_groups, weight, bias, self.state.eps)

        def normalise(ranges: Ranges) -> Tensor:
            """The leading channels alone, padded with zeros to the width of ``x``."""
            width = ranges[-1][1]
            scale, shift = (None if each is None else each[:width] for each in (weight, bias))
            y = F.group_norm(x.narrow(1, 0, width), self.state.num_groups, scale, shift, self.state.eps)
            return F.pad(y, (0, 0) * (x.dim() - 2) + (0, x.shape[1] - width))

        mixed: Tensor = self.state.mixed.mix(normalise)
        return mixed


def _shape(given: Mapping[str, Any]) -> tuple[Any, ...]:
    shape = given["normalized_shape"]
    return tuple(shape) if isinstance(shape, tuple | list) else (shape,)
