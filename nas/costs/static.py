"""Costs of architectures that need no device: parameters, FLOPs, peak activation memory, bytes of the weights.

All follow from the blocks of the active sequence, so each block is traced once for the choices it reads and
the shape it gets, and a candidate costs a few table look-ups.
"""

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from nas.costs.names import COUNTED
from nas.costs.tracing import Shape, Trace, meta_copy, trace
from nas.errors import UsageError
from nas.nn.shape_misfit import misfit
from nas.supernet import Segment, SegmentKey, Supernet, extract

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BlockCost", "StaticCosts", "Work"]

Work = tuple[SegmentKey, Shape, torch.dtype]


@dataclass(frozen=True)
class BlockCost:
    """What one block costs.

    Attributes:
        path: its module path in the model.
        kind: the class of its module, or of all that it calls.
        trace: FLOPs, peak memory, shape and type of the output.
        parts: shapes of the parameters, with a key for each, so that blocks that share weights count them once.
        paths: where all modules are that it calls.
    """

    path: str
    kind: str
    trace: Trace
    parts: Mapping[Hashable, Shape]
    paths: tuple[str, ...]

    @property
    def params(self) -> int:
        """Elements of the parameters in use."""
        return sum(map(math.prod, self.parts.values()))


class StaticCosts:
    """Exact costs of the stand-alone network of an architecture.

    ``params`` counts elements, ``flops`` a multiply-add as two (as ``torch.utils.flop_counter``),
    ``peak_memory_bytes`` the live activations of one example (see :func:`nas.costs.trace`). ``weight_bytes`` is 4
    bytes an element of every parameter, as in float32; ``weight_bytes_int8`` is 1 byte an element of a parameter with
    two or more dimensions (convolutions, matrices, embeddings) and 4 bytes an element of any other (biases, which
    static int8 quantisation keeps as int32; scales of normalisation).

    Buffers do not count. Batch norm counts as it stands in the network, a scale and a shift of each channel: where an
    exporter folds it into the convolution before, the file keeps one bias instead, 4 bytes a channel less.

    Args:
        supernet: stays as it is; the attribute is a copy without weights. It must follow one architecture.
        input_shape: of one example as it is stored, without the batch.
        input_dtype: of the inputs, ``torch.int64`` for token ids.
    """

    names = tuple(COUNTED)

    def __init__(self, supernet: Supernet, input_shape: Shape, input_dtype: torch.dtype = torch.float32) -> None:
        self.supernet, self.input_shape, self.input_dtype = meta_copy(supernet), tuple(input_shape), input_dtype
        self._blocks: dict[Work, BlockCost] = {}
        self._read: dict[tuple[Any, ...], Tensor] = {}

    def __call__(self, architecture: Mapping[str, Any]) -> dict[str, int]:
        """The costs by name."""
        blocks = self.blocks(architecture)
        parts: dict[Hashable, Shape] = {}
        for block in blocks:
            parts |= block.parts
        params = sum(map(math.prod, parts.values()))
        return {
            "params": params,
            "flops": sum(block.trace.flops for block in blocks),
            "peak_memory_bytes": max(block.trace.peak_memory_bytes for block in blocks),
            "weight_bytes": 4 * params,
            "weight_bytes_int8": sum(math.prod(shape) * (1 if len(shape) > 1 else 4) for shape in parts.values()),
        }

    def table(self, architectures: Sequence[Mapping[str, Any]]) -> "pd.DataFrame":
        """The costs of each architecture, a row each."""
        import pandas as pd

        return pd.DataFrame([self(each) for each in architectures])

    def blocks(self, architecture: Mapping[str, Any]) -> list[BlockCost]:
        """The active blocks in order, each with what it costs at the shape it gets."""
        return [self._blocks[work] for work, _ in self.walk(architecture)]

    def walk(self, architecture: Mapping[str, Any]) -> Iterator[tuple[Work, Segment]]:
        """The active blocks in order, each after what says all about its work: its key, the shape and type it gets."""
        self.supernet.activate(architecture)
        example = self.example(architecture)
        shape, dtype = tuple(example.shape[1:]), example.dtype
        for key, segment in self.supernet.segments():
            work = (key, shape, dtype)
            if work not in self._blocks:
                self._blocks[work] = self._cost(segment, shape, dtype)
            yield work, segment
            output = self._blocks[work].trace
            shape, dtype = cast(Shape, output.output_shape), cast(torch.dtype, output.output_dtype)

    def example(self, architecture: Mapping[str, Any]) -> Tensor:
        """What the network of an architecture reads: one example, batch included, on the meta device."""
        values = tuple(architecture[name] for name in self.supernet.extra)
        if values not in self._read:
            stored = torch.empty((1, *self.input_shape), dtype=self.input_dtype, device="meta")
            self._read[values] = self.supernet.reads(stored, architecture)
        return self._read[values]

    def plain(self, work: Work, segment: Segment) -> tuple[nn.Module, Tensor]:
        """The plain module of a block of :meth:`walk`, in eval mode, and an input for it, both on the meta device."""
        _, shape, dtype = work
        example = torch.empty((1, *shape), dtype=dtype, device="meta")
        return extract(segment.module, self.supernet.values).eval(), example

    def _cost(self, segment: Segment, shape: Shape, dtype: torch.dtype) -> BlockCost:
        parts = self.supernet.active_parts(segment.module)
        try:
            traced = trace(segment.module, shape, dtype)
        except UsageError as error:
            cause = error.__cause__
            if cause and (sentence := misfit(self.supernet.model, cause)):
                raise UsageError(sentence) from cause
            raise
        return BlockCost(segment.path, segment.kind, traced, parts, segment.paths)
