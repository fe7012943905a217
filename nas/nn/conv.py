"""Elastic convolutions."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.errors import UsageError
from nas.nn.channel_ranges import Channels, channels, crop
from nas.nn.elastic_layer import Axes, ElasticLayer, State
from nas.nn.gate import Gate, Gates, push_forward, single_value
from nas.space import Concatenation, choices_of, evaluate, largest, outcomes

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d"]


def _axes(rows: str, columns: str, dims: int) -> Axes:
    return Axes(weight=(rows, columns, *(f"kernel_size.{dim}" for dim in range(dims))), bias=("out_channels",))


class _Conv(ElasticLayer):
    """What convolutions have in common; of one of its widths a weight holds what a single group has."""

    elastic: ClassVar[tuple[str, ...]] = (
        "in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "bias",
    )  # fmt: skip
    by_group: ClassVar[str] = "in_channels"
    convolve: ClassVar[Callable[..., Tensor]]

    def widest(self, given: Mapping[str, Any]) -> dict[str, Any]:
        get, kind = self.arguments_of(given), type(self).__name__
        if choices_of(*get.values()) and given["padding_mode"] != "zeros":
            raise UsageError(f"{kind} with choices supports padding_mode='zeros' only, not {given['padding_mode']!r}.")
        kernels = [self._tuple(kernel) for (kernel,) in outcomes(get["kernel_size"])]
        names = [name for name in self._settings if name != "groups"]
        return {
            **dict(zip(names, next(outcomes(*map(get.__getitem__, names))), strict=True)),
            **{name: largest(get[name]) for name in ("in_channels", "out_channels", "bias")},
            "kernel_size": tuple(map(max, zip(*kernels, strict=True))),
            "groups": self._least_groups(get),
        }

    def follow(self, gates: Gates) -> tuple[dict[str, Channels], dict[str, Any]]:
        get, named = self.arguments, ("kernel_size", "padding", "dilation")
        window = push_forward(
            lambda values: tuple(self._tuple(evaluate(get[name], values)) for name in named),
            choices_of(*(get[name] for name in named)),
            gates,
        )
        kernel, padding, dilation = _hull(window)
        widths = {name: channels(get[name], gates) for name in ("in_channels", "out_channels")}
        groups = widths["in_channels"].count if self._depthwise else int(self._single("groups", gates))
        if groups > 1 and not self._depthwise:
            for name in widths:
                self._single(name, gates, f" with groups={groups}")
        divided = widths[self.by_group]
        widths[f"{self.by_group}.group"] = divided if groups == 1 else Channels(((0, divided.count // groups),))
        for dim, (size, length) in enumerate(zip(self.weight.shape[2:], kernel, strict=True)):
            widths[f"kernel_size.{dim}"] = Channels(crop(size, length))
        others = [name for name in self._settings if name not in (*named, "groups")]
        return widths, {
            **{name: self._tuple(self._single(name, gates)) for name in others},
            "kernel": kernel,
            "padding": padding,
            "dilation": dilation,
            "groups": groups,
            "kernel_mask": _kernel_mask(type(self).__name__, window),
        }

    def resolve(self, gates: Gates) -> State:
        state = super().resolve(gates)
        if state.kernel_mask is not None:
            state.factors["weight"] = state.kernel_mask
        return state

    def functional(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        state = self.state
        return self.convolve(x, weight, bias, state.stride, state.padding, state.dilation, state.groups)

    def weighed(self, y: Tensor) -> Tensor:
        return self.state.widths["out_channels"].apply(y, 1 - self.weight.dim())

    def active(self, state: State) -> dict[str, Any]:
        return {**super().active(state), "kernel_size": state.kernel}

    def _single(self, name: str, gates: Gates, where: str = "") -> Any:
        return single_value(self.arguments[name], gates, f"{type(self).__name__} {name}{where}")

    def _tuple(self, value: Any) -> Any:
        """A number for each dimension; the name of a padding stays one."""
        if isinstance(value, str | tuple | list):
            return value if isinstance(value, str) else tuple(value)
        return (value,) * (len(self.axes["weight"]) - 2)

    def _least_groups(self, get: Mapping[str, Any]) -> int:
        """The number of groups with which the weight holds the channels that a group has in every outcome."""
        if isinstance(get["groups"], int) and get["groups"] == 1:
            return 1
        widest = {name: largest(get[name]) for name in ("in_channels", "out_channels")}
        per_group = 0
        for inputs, outputs, groups in outcomes(get["in_channels"], get["out_channels"], get["groups"]):
            if inputs % groups or outputs % groups:
                raise UsageError(
                    f"{type(self).__name__} groups={groups} does not divide in_channels={inputs} and "
                    f"out_channels={outputs}; let the groups follow the width, as in groups=hidden for a depthwise "
                    "convolution."
                )
            whole_layout = groups == 1 and isinstance(get[self.by_group], Concatenation)
            count = inputs if self.by_group == "in_channels" else outputs
            per_group = max(per_group, widest[self.by_group] if whole_layout else count // groups)
        most = range(widest[self.by_group] // per_group, 1, -1)
        return next((groups for groups in most if not any(width % groups for width in widest.values())), 1)

    @cached_property
    def _depthwise(self) -> bool:
        if isinstance(self.arguments["groups"], int) and choices_of(self.arguments["in_channels"]):
            return False
        widths = (self.arguments[name] for name in ("in_channels", "out_channels", "groups"))
        return all(inputs == outputs == groups for inputs, outputs, groups in outcomes(*widths))


class _ConvTranspose(_Conv):
    elastic = (*_Conv.elastic, "output_padding")
    by_group = "out_channels"

    def functional(  # type: ignore[override]
        self, x: Tensor, output_size: Sequence[int] | None = None, *, weight: Tensor, bias: Tensor | None
    ) -> Tensor:
        state = self.state
        more, window = state.output_padding, (state.stride, state.padding, state.kernel)
        if output_size is not None:
            more = self._output_padding(x, list(output_size), *window, len(state.kernel), state.dilation)
        return self.convolve(x, weight, bias, state.stride, state.padding, more, state.groups, state.dilation)


class Conv1d(_Conv, nn.Conv1d):
    """``torch.nn.Conv1d`` whose arguments may be choices, see :class:`Conv2d`.

    Shapes: ``[N, in_channels, L]`` → ``[N, out_channels, L']``.
    """

    axes = _axes("out_channels", "in_channels.group", 1)
    convolve = staticmethod(F.conv1d)


class Conv2d(_Conv, nn.Conv2d):
    """``torch.nn.Conv2d`` whose arguments may be choices: kernel, widths, stride, padding, dilation, groups and bias.

    Smaller kernels are the centre of the largest, smaller widths the leading channels (once-for-all, Cai et al.,
    2020). Under a soft gate the candidates share one convolution: the weight is the gate-weighted sum of the
    zero-padded candidates (weight entanglement, Sukthanker et al., 2023).

    Shapes: ``[N, in_channels, H, W]`` → ``[N, out_channels, H', W']``.

    Raises:
        UsageError: groups that do not divide the channels, a padding mode that is not supported for choices, or
            another argument is a choice.
    """

    axes = _axes("out_channels", "in_channels.group", 2)
    convolve = staticmethod(F.conv2d)


class Conv3d(_Conv, nn.Conv3d):
    """``torch.nn.Conv3d`` whose arguments may be choices, see :class:`Conv2d`.

    Shapes: ``[N, in_channels, D, H, W]`` → ``[N, out_channels, D', H', W']``.
    """

    axes = _axes("out_channels", "in_channels.group", 3)
    convolve = staticmethod(F.conv3d)


class ConvTranspose1d(_ConvTranspose, nn.ConvTranspose1d):
    """``torch.nn.ConvTranspose1d`` whose arguments may be choices, see :class:`ConvTranspose2d`.

    Shapes: ``[N, in_channels, L]`` → ``[N, out_channels, L']``.
    """

    axes = _axes("in_channels", "out_channels.group", 1)
    convolve = staticmethod(F.conv_transpose1d)


class ConvTranspose2d(_ConvTranspose, nn.ConvTranspose2d):
    """``torch.nn.ConvTranspose2d`` whose arguments may be choices; slices and gates are as those of :class:`Conv2d`.

    Shapes: ``[N, in_channels, H, W]`` → ``[N, out_channels, H', W']``.

    Raises:
        UsageError: groups that do not divide the channels, or another argument is a choice.
    """

    axes = _axes("in_channels", "out_channels.group", 2)
    convolve = staticmethod(F.conv_transpose2d)


def _kernel_mask(kind: str, window: Gate) -> Tensor | None:
    """The gate-weighted sum of the kernels' supports inside the largest, of its shape.

    Raises:
        UsageError: the paddings do not centre the kernels on each other.
    """
    if window.weights is None:
        return None
    hull = _hull(window)
    mask = window.weights.new_zeros(hull[0])
    for weight, candidate in zip(window.weights, window.values, strict=True):
        if not _centred(candidate, hull):
            raise UsageError(
                f"{kind} kernels {[value[0] for value in window.values]} cannot be mixed: paddings "
                f"{[value[1] for value in window.values]} do not centre them; use padding=kernel // 2."
            )
        support = torch.zeros_like(mask)
        centre = tuple(slice(*crop(size, length)[0]) for size, length in zip(hull[0], candidate[0], strict=True))
        support[centre] = 1
        mask = mask + weight * support
    return mask


def _hull(window: Gate) -> tuple[tuple[int, ...], Any, tuple[int, ...]]:
    """The kernel that holds all kernels of the window, with its padding and dilation."""
    kernels, paddings, dilations = zip(*window.values, strict=True)
    named = next((padding for padding in paddings if isinstance(padding, str)), None)
    padding = named or tuple(max(sides) for sides in zip(*paddings, strict=True))
    return tuple(map(max, zip(*kernels, strict=True))), padding, dilations[0]


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
