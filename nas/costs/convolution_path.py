"""The longest chain of convolutions in a network, and how deep it is for its width."""

import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from nas.costs.candidate import Candidate
from nas.costs.tracing import meta_copy
from nas.errors import UsageError
from nas.nn.module_calls import tensors

__all__ = ["Convolution", "Path", "convolution_path", "depth_over_width", "depth_to_width", "stages"]

_aten = torch.ops.aten
_FILLING = frozenset({_aten.zeros_like, _aten.new_zeros, _aten.ones_like, _aten.new_ones, _aten.full_like})
"""Operations that take the shape of what they read, but none of its values."""


class Convolution(NamedTuple):
    """What DeepMAD reads of a convolution.

    Attributes:
        width: numbers that each output is a sum of: input channels in a group times positions of the kernel.
        channels: of the output.
        positions: height times width of the output.
    """

    width: int
    channels: int
    positions: int

    @property
    def entropy(self) -> float:
        """Half the logarithm of the width, in nats."""
        return math.log(self.width) / 2


Path = tuple[Convolution, ...]


def convolution_path(network: nn.Module, example: Tensor) -> Path:
    """The convolutions from input to output in the order of forward(): of parallel branches those of most entropy.

    So a shortcut does not count beside the branch that it passes. A convolution of a single position by a single
    position is a dense layer, as in squeeze-and-excitation, and does not count either. Nothing is calculated. The path
    is empty where no value passes a convolution on its way to the output.

    Args:
        network: stays as it was.
        example: a batch of one.

    Raises:
        UsageError: the network runs no convolution.
    """
    recorder = _Paths()
    with torch.inference_mode(False), torch.no_grad(), recorder:
        output = meta_copy(network)(torch.empty_like(example, device="meta"))
    if not recorder.any:
        raise UsageError(
            "proxy 'deepmad' and cost 'depth_to_width' read the convolutions of a network, and there are none; choose "
            "another proxy or cost."
        )
    return recorder.longest(tensors(output))


def stages(path: Path) -> list[Path]:
    """The parts of a path whose outputs have one resolution.

    >>> first, second = Convolution(27, 8, 64), Convolution(72, 8, 16)
    >>> stages((first, second, second)) == [(first,), (second, second)]
    True
    """
    return [tuple(part) for _, part in itertools.groupby(path, lambda each: each.positions)]


def depth_to_width(candidate: Candidate) -> float:
    """The depth of a network over its width (DeepMAD, Shen et al., 2023): much above 0.3 it is hard to train.

    Raises:
        UsageError: the network runs no convolution.
    """
    return depth_over_width(convolution_path(candidate.network, candidate.example))


def depth_over_width(path: Path) -> float:
    """How many convolutions there are, over the geometric mean of their widths.

    Of the beginnings of the path that end with a resolution, the one with the largest ratio counts; 0 of an empty path.

    >>> round(depth_over_width((Convolution(2, 8, 64), Convolution(8, 8, 64))), 6)  # the mean is 4
    0.5
    """
    ends = itertools.accumulate(len(stage) for stage in stages(path))
    return max((_depth_over_mean(path[:end]) for end in ends), default=0.0)


def _depth_over_mean(path: Path) -> float:
    return len(path) / statistics.geometric_mean(each.width for each in path)


class _Paths(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes for every tensor the path that leads to it; what it keeps holds no memory on the meta device."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.any = False
        """Whether a convolution has run."""
        self._paths: dict[torch.UntypedStorage, Path] = {}

    def longest(self, read: Sequence[Tensor]) -> Path:
        """Of the paths to these tensors, the one of most entropy."""
        paths: list[Path] = [self._paths.get(each.untyped_storage(), ()) for each in read]
        return max(paths, key=lambda path: sum(each.entropy for each in path), default=())

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func.overloadpacket in _FILLING:
            return result
        path = self.longest(tensors((args, kwargs)))
        if func.overloadpacket is _aten.convolution:
            self.any = True
            path += _counted(args[0], args[1], result)
        for each in tensors(result):
            self._paths[each.untyped_storage()] = path
        return result


def _counted(x: Tensor, weight: Tensor, result: Tensor) -> Path:
    if x.shape[2:].numel() == weight.shape[2:].numel() == 1:
        return ()
    return (Convolution(weight[0].numel(), result.shape[1], result.shape[2:].numel()),)
