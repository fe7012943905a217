"""Elastic convolution."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch.nn.functional as F
from torch import Tensor, nn

from nas.errors import UsageError
from nas.nn.bias import Bias, bias_of, may_be_there
from nas.nn.channels import Channels, Ranges, channels, crop
from nas.nn.elastic import ElasticLayer, State, uninitialised
from nas.nn.fixed import require_fixed
from nas.nn.gate import Gate, Gates, push_forward, single_value
from nas.space import Concatenation, Operation, choices_of, evaluate, largest, outcomes

__all__ = ["Conv2d"]


@dataclass(frozen=True)
class _ConvState(State):
    inputs: Channels
    outputs: Channels
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: Any
    dilation: tuple[int, int]
    groups: int
    kernel_mask: Tensor | None
    bias: Bias


class Conv2d(nn.Conv2d, ElasticLayer[_ConvState]):
    """``torch.nn.Conv2d`` whose arguments may be choices: kernel, widths, stride, padding, dilation, groups and bias.

    Smaller kernels are the centre of the largest, smaller widths the leading channels (once-for-all, Cai et al.,
    2020). Under a soft gate the candidates share one convolution: the weight is the gate-weighted sum of the
    zero-padded candidates (weight entanglement, Sukthanker et al., 2023).

    Shapes: ``[N, in_channels, H, W]`` → ``[N, out_channels, H', W']``.

    Raises:
        UsageError: groups that do not divide the channels, a padding mode that is not supported for choices, or
            another argument is a choice.
    """

    def __init__(
        self,
        in_channels: Any,
        out_channels: Any,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: Any = 1,
        bias: Any = True,
        padding_mode: Literal["zeros", "reflect", "replicate", "circular"] = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        require_fixed("Conv2d", padding_mode=padding_mode, device=device, dtype=dtype)
        kernel_size, padding = _joined(kernel_size), _joined(padding)
        stride, dilation = _joined(stride), _joined(dilation)
        in_max, out_max, least_groups = _widest(in_channels, out_channels, groups)
        stride_0, padding_0, dilation_0 = next(outcomes(stride, padding, dilation))
        nn.Conv2d.__init__(
            self,
            in_max,
            out_max,
            _largest_kernel(kernel_size),
            stride_0,
            padding_0,
            dilation_0,
            least_groups,
            may_be_there(bias),
            padding_mode,
            device,
            dtype,
        )
        self.arguments = {
            "in_channels": in_channels,
            "out_channels": out_channels,
            "kernel_size": kernel_size,
            "stride": stride,
            "padding": padding,
            "dilation": dilation,
            "groups": groups,
            "bias": bias,
        }
        if self.is_elastic and padding_mode != "zeros":
            raise UsageError(f"Conv2d with choices supports padding_mode='zeros' only, not {padding_mode!r}.")

    def resolve(self, gates: Gates) -> _ConvState:
        get = self.arguments
        outputs, inputs = channels(get["out_channels"], gates), channels(get["in_channels"], gates)
        groups = inputs.count if self._depthwise else int(single_value(get["groups"], gates, "Conv2d groups"))
        shapes = ("kernel_size", "padding", "dilation")
        window = push_forward(
            lambda values: tuple(_pair(evaluate(get[name], values)) for name in shapes),
            choices_of(*(get[name] for name in shapes)),
            gates,
        )
        kernel, padding, dilation = _hull(window)
        if groups > 1 and not self._depthwise:
            for width in ("in_channels", "out_channels"):
                single_value(get[width], gates, f"Conv2d {width} with groups={groups}")
        columns: Ranges = inputs.ranges if groups == 1 else ((0, inputs.count // groups),)
        bias = bias_of(get["bias"], outputs.ranges, gates)
        crops = [crop(size, length) for size, length in zip(self.weight.shape[2:], kernel, strict=True)]
        return _ConvState(
            regions={"weight": (outputs.ranges, columns, *crops), "bias": (bias.ranges,)},
            inputs=inputs,
            outputs=outputs,
            kernel=kernel,
            stride=_pair(single_value(get["stride"], gates, "Conv2d stride")),
            padding=padding,
            dilation=dilation,
            groups=groups,
            kernel_mask=_kernel_mask(window),
            bias=bias,
        )

    def forward(self, x: Tensor) -> Tensor:
        if not self.is_elastic:
            return super().forward(x)
        state = self.state
        weight = self.part("weight")
        if state.kernel_mask is not None:
            weight = weight * state.kernel_mask
        bias = state.bias.apply(self.part("bias")) if state.bias.is_there else None
        y = F.conv2d(x, weight, bias, state.stride, state.padding, state.dilation, state.groups)
        return state.outputs.apply(y, 1)

    def twin(self) -> nn.Module:
        state = self.state
        return uninitialised(
            nn.Conv2d,
            state.inputs.count,
            state.outputs.count,
            state.kernel,
            stride=state.stride,
            padding=state.padding,
            dilation=state.dilation,
            groups=state.groups,
            bias=state.bias.is_there,
            padding_mode=self.padding_mode,
            device=self.weight.device,
            dtype=self.weight.dtype,
        )

    @cached_property
    def _depthwise(self) -> bool:
        get = self.arguments
        return all(
            inputs == outputs == groups
            for inputs, outputs, groups in outcomes(get["in_channels"], get["out_channels"], get["groups"])
        )


def _kernel_mask(window: Gate) -> Tensor | None:
    """The gate-weighted sum of the kernels' supports inside the largest, ``[height, width]``.

    Raises:
        UsageError: the paddings do not centre the kernels on each other.
    """
    if window.weights is None:
        return None
    hull = _hull(window)
    (height, width), _, _ = hull
    mask = window.weights.new_zeros(height, width)
    for weight, candidate in zip(window.weights, window.values, strict=True):
        if not _centred(candidate, hull):
            raise UsageError(
                f"Conv2d kernels {[value[0] for value in window.values]} cannot be mixed: paddings "
                f"{[value[1] for value in window.values]} do not centre them; use padding=kernel // 2."
            )
        rows, columns = candidate[0]
        top, left = (height - rows) // 2, (width - columns) // 2
        support = F.pad(mask.new_ones(rows, columns), (left, width - columns - left, top, height - rows - top))
        mask = mask + weight * support
    return mask


def _hull(window: Gate) -> tuple[tuple[int, int], Any, tuple[int, int]]:
    """The kernel that holds all kernels of the window, with its padding and dilation."""
    kernels, paddings, dilations = zip(*window.values, strict=True)
    rows, columns = zip(*kernels, strict=True)
    named = next((padding for padding in paddings if isinstance(padding, str)), None)
    padding = named or tuple(max(sides) for sides in zip(*paddings, strict=True))
    return (max(rows), max(columns)), padding, dilations[0]


def _centred(candidate: Any, hull: Any) -> bool:
    """Whether the kernel, placed in the middle of the hull, sees the pixels that it sees by itself."""
    (kernel, padding, dilation), (kernel_max, padding_max, dilation_max) = candidate, hull
    if dilation != dilation_max or isinstance(padding, str) != isinstance(padding_max, str):
        return False
    growth = [size_max - size for size, size_max in zip(kernel, kernel_max, strict=True)]
    if any(more % 2 for more in growth):
        return False
    if isinstance(padding, str):
        return bool(padding == padding_max and (padding == "same" or not any(growth)))
    shifts = zip(padding, padding_max, dilation, growth, strict=True)
    return all(2 * (pad_max - pad) == step * more for pad, pad_max, step, more in shifts)


def _joined(argument: Any) -> Any:
    """A pair that holds expressions as one expression."""
    return Operation(_together, *argument) if isinstance(argument, tuple) and choices_of(*argument) else argument


def _together(*values: Any) -> tuple[Any, ...]:
    return values


def _pair(value: Any) -> Any:
    return value if isinstance(value, str) else tuple(value) if isinstance(value, (tuple, list)) else (value, value)


def _largest_kernel(kernel_size: Any) -> tuple[int, int]:
    pairs = [_pair(kernel) for (kernel,) in outcomes(kernel_size)]
    return max(rows for rows, _ in pairs), max(columns for _, columns in pairs)


def _widest(in_channels: Any, out_channels: Any, groups: Any) -> tuple[int, int, int]:
    """The widest input and output, and the group count that allocates enough input channels for every outcome."""
    widest_in, widest_out, per_group = largest(in_channels), largest(out_channels), 0
    for inputs, outputs, parts in outcomes(in_channels, out_channels, groups):
        if inputs % parts or outputs % parts:
            raise UsageError(
                f"Conv2d groups={parts} does not divide in_channels={inputs} and out_channels={outputs}; "
                "let the groups follow the width, as in groups=hidden for a depthwise convolution."
            )
        whole_layout = parts == 1 and isinstance(in_channels, Concatenation)
        per_group = max(per_group, widest_in if whole_layout else inputs // parts)
    fitting = (parts for parts in range(widest_in // per_group, 1, -1) if widest_in % parts == widest_out % parts == 0)
    return widest_in, widest_out, next(fitting, 1)
