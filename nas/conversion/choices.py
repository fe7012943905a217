"""Which widths and kernels may be chosen."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from torch import nn

from nas.conversion.groups import Group, Groups
from nas.conversion.settling import common_steps
from nas.errors import UsageError
from nas.space import Choice, round_to

__all__ = ["Kernel", "Options", "Width", "check_options", "choose_kernels", "choose_widths", "names_of"]

Shares = Sequence[float] | None
"""Shares of the full size; None where it is fixed."""


@dataclass(frozen=True)
class Options:
    """What a user asks for.

    Attributes:
        width, heads: shares of the full number of channels and heads, or such by pattern of a name.
        kernel: "shrink", sizes, or "fixed".
        depth: "stages" or "fixed".
        include, exclude: patterns of the names of layers.
        divisor: of which widths are multiples.
    """

    width: Shares | Mapping[str, Shares]
    heads: Shares | Mapping[str, Shares]
    kernel: str | Sequence[int]
    depth: str
    include: Sequence[str]
    exclude: Sequence[str]
    divisor: int

    def refusal(self, names: Iterable[str]) -> str | None:
        """Why what has these names is not to vary; None where it may."""
        names = list(names)
        excluded = next((pattern for pattern in self.exclude for name in names if fnmatchcase(name, pattern)), None)
        if excluded is not None:
            return f"is excluded by '{excluded}'"
        if not any(fnmatchcase(name, pattern) for pattern in self.include for name in names):
            return "is not included"
        return None

    def shares(self, names: Iterable[str], heads: bool) -> Shares:
        """The shares of the first pattern that fits."""
        given = self.heads if heads and self.heads is not None else self.width
        if not isinstance(given, Mapping):
            return given
        names = list(names)
        return next((each for pattern, each in given.items() for name in names if fnmatchcase(name, pattern)), None)


@dataclass
class Width:
    """A choice of a width, or of a number of heads.

    Attributes:
        choice: its candidates are channels of the first layer, or heads.
        groups: that follow it.
        each: number of a group → how much of a candidate a unit is.
        heads: whether it counts heads.
    """

    choice: Choice
    groups: list[Group]
    each: dict[int, int] = field(default_factory=dict)
    heads: bool = False


@dataclass(frozen=True)
class Kernel:
    """A choice of the size of a kernel, whose padding keeps the size of the output.

    Attributes:
        choice: its candidates are sizes of the longest side.
        sizes: full sizes.
        padding, dilation: of the full kernel.
    """

    choice: Choice
    sizes: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]

    @property
    def arguments(self) -> dict[str, Any]:
        """Those of the elastic layer."""
        return {
            "kernel_size": self.choice.map(partial(_shrunk, self.sizes)),
            "padding": self.choice.map(partial(_padding, self.sizes, self.padding, self.dilation)),
        }


def choose_widths(groups: Groups, options: Options) -> list[Width]:
    """A choice for the groups that keep the same share; what cannot or shall not vary is fixed."""
    found: list[Width] = []
    for tied in groups.tied():
        names = [name for group in tied for name in names_of(group)]
        refused = options.refusal(names)
        heads = all(group.heads for group in tied)
        shares = options.shares(names, heads)
        if refused is None and shares is None:
            refused = "is to stay as it is"
        width = None if refused is not None else _width(groups, tied, heads, shares or (), options.divisor)
        if width is not None and len(width.choice.candidates) == 1:
            refused, width = f"has no other width of these shares: {width.choice.candidates[0]}", None
        if width is None:
            for group in tied:
                groups.fix(group.number, refused or "")
        else:
            found.append(width)
    return _with_names_of_their_own(found)


def _with_names_of_their_own(widths: list[Width]) -> list[Width]:
    """Numbers those that one layer makes: ``conv.width``, ``conv.width.2``."""
    seen = Counter[str]()
    for width in widths:
        name = str(width.choice.name)
        seen[name] += 1
        if seen[name] > 1:
            width.choice = Choice(width.choice.candidates, f"{name}.{seen[name]}")
    return widths


def names_of(group: Group) -> list[str]:
    """The names by which a group goes: the paths of its layers."""
    return list(dict.fromkeys(axis.place.path or axis.place.name for axis in group.axes))


def _width(groups: Groups, tied: list[Group], heads: bool, shares: Sequence[float], divisor: int) -> Width:
    first = next((group for group in tied if not group.heads), tied[0])
    full = first.units * (1 if heads else _channels_of_unit(groups, first))
    steps = common_steps(tied)
    step = full // steps
    wanted = [share * full if heads else round_to(share * full, divisor) for share in shares]
    taken = {min(steps, max(1, int(value / step + 0.5))) * step for value in wanted}
    name = f"{first.name}.{'heads' if heads else 'width'}"
    each = {group.number: full // group.units for group in tied}
    return Width(Choice(sorted({*taken, full}), name), tied, each, heads)


def _channels_of_unit(groups: Groups, group: Group) -> int:
    """How many channels of the layer that makes them a unit is."""
    axis = group.axes[0]
    parts = groups.layouts[axis.place, axis.dim].parts
    return sum(part.size for part in parts if part.group == group.number)


def choose_kernels(model: nn.Module, options: Options) -> dict[str, Kernel]:
    """A choice for each convolution with a kernel that can be cut to its centre, by path."""
    if options.kernel == "fixed":
        return {}
    found = {}
    for path, module in model.named_modules():
        plain = type(module) in (nn.Conv1d, nn.Conv2d, nn.Conv3d)
        if not plain or options.refusal([path]) or isinstance(module.padding, str) or module.padding_mode != "zeros":
            continue
        sizes, padding, dilation = module.kernel_size, module.padding, module.dilation
        most = max(sizes)
        wanted = range(1, most + 1) if options.kernel == "shrink" else options.kernel
        fits = [size for size in wanted if _fits(size, sizes, padding, dilation)]
        if fits and fits != [most]:
            found[path] = Kernel(Choice(sorted({*fits, most}), f"{path}.kernel"), sizes, padding, dilation)
    return found


def _fits(size: Any, sizes: Sequence[int], padding: Sequence[int], dilation: Sequence[int]) -> bool:
    """Whether the centre of this size is in the middle of every side and has a padding."""
    shrunk = [(side, min(size, side)) for side in sizes]
    centred = all((side - cut) % 2 == 0 for side, cut in shrunk)
    return size <= max(sizes) and centred and all(pad >= 0 for pad in _padding(sizes, padding, dilation, size))


def _shrunk(sizes: Sequence[int], size: int) -> tuple[int, ...]:
    return tuple(min(size, side) for side in sizes)


def _padding(sizes: Sequence[int], padding: Sequence[int], dilation: Sequence[int], size: int) -> tuple[int, ...]:
    return tuple(
        pad - step * (side - min(size, side)) // 2 for side, pad, step in zip(sizes, padding, dilation, strict=True)
    )


def check_options(options: Options) -> None:
    """Refuses (UsageError) values that mean nothing."""
    for name in ("width", "heads"):
        given = getattr(options, name)
        for shares in given.values() if isinstance(given, Mapping) else [given]:
            wrong = [each for each in shares or () if not isinstance(each, int | float) or not 0 < each <= 1]
            if wrong or isinstance(shares, str):
                raise UsageError(f"{name} has the share {(wrong or [shares])[0]!r}; give numbers above 0 and up to 1.")
    if isinstance(options.kernel, str) and options.kernel not in ("shrink", "fixed"):
        raise UsageError(f"kernel is {options.kernel!r}; give 'shrink', 'fixed' or sizes such as [3, 5].")
    if options.depth not in ("stages", "fixed"):
        raise UsageError(f"depth is {options.depth!r}; give 'stages' or 'fixed'.")
    if not isinstance(options.divisor, int) or options.divisor < 1:
        raise UsageError(f"divisor is {options.divisor!r}; give a whole number of channels, at least 1.")
