"""What a network costs, read off one run on the meta device: no arithmetic, no weights, exact numbers.

* FLOPs are those of :class:`torch.utils.flop_counter.FlopCounterMode`: convolutions, matrix products and
  attention, a multiply and an add counting as two.
* Peak activation memory is the largest sum of activations that must exist at the same time, in the order in which
  forward() executes: what a microcontroller needs beside the weights (MCUNet, Lin et al. 2020). A tensor lives
  from the operation that makes it to the last one that reads it; views share their tensor's memory; parameters
  and buffers do not count, nor does a result that nobody reads. An element-wise operation writes over its input
  if nobody reads that input later.
"""

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from nas.errors import UsageError
from nas.nn.module_calls import tensors
from nas.nn.parametrised import recompute

__all__ = ["Shape", "Trace", "cannot_run", "meta_copy", "parameters", "trace"]

Shape = tuple[int, ...]

Module = TypeVar("Module", bound=nn.Module)

_aten = torch.ops.aten
_BATCH_NORMS = frozenset({_aten.native_batch_norm, _aten._native_batch_norm_legit_no_training})
_ELEMENTWISE_WITHOUT_TAG = frozenset({_aten.hardswish, _aten._prelu_kernel, *_BATCH_NORMS})


@dataclass(frozen=True)
class Trace:
    """The costs of one inference on one example.

    ``flops`` counts a multiply-add as two; ``peak_memory_bytes`` is the peak of live activations; ``output_shape`` is
    without the batch. Shape and type of the output are tuples of such if there are several outputs.
    """

    flops: int
    peak_memory_bytes: int
    output_shape: Shape | tuple[Shape, ...]
    output_dtype: torch.dtype | tuple[torch.dtype, ...] = torch.float32


def trace(
    network: Callable[..., Any],
    input_shape: Sequence[int] | Sequence[Sequence[int]],
    dtype: torch.dtype = torch.float32,
) -> Trace:
    """Run ``network`` (a module, a part of one, or a function of tensors) with batch 1 on the meta device.

    ``input_shape`` is the shape of one example without the batch, such as ``(3, 32, 32)``, or a tuple of such
    shapes if there are several inputs; ``dtype`` is the inputs' type. A module is traced through a weightless copy
    in eval mode, unless it is one, and stays as it was. The peak of a chain of modules is the largest of its parts.

    Raises:
        UsageError: the network cannot be run on such an input.
    """
    inputs = [torch.empty((1, *shape), dtype=dtype, device="meta") for shape in _shapes(input_shape)]
    run = network if not isinstance(network, nn.Module) or _is_weightless(network) else meta_copy(network)
    weights = tensors([*run.parameters(), *run.buffers()]) if isinstance(run, nn.Module) else []
    try:
        # Under inference_mode(True) composite operations would be recorded whole.
        with (
            torch.inference_mode(False),
            torch.no_grad(),
            FlopCounterMode(display=False) as counter,
            _Recorder() as recorder,
        ):
            output = run(*inputs)
    except UsageError:
        raise
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        name = getattr(network, "__name__", type(network).__name__)
        raise cannot_run(name, f"on an input of shape {tuple(input_shape)} and type {dtype}", error) from error
    outputs = tensors(output)
    shapes, dtypes = tuple(tuple(each.shape[1:]) for each in outputs), tuple(each.dtype for each in outputs)
    return Trace(
        flops=counter.get_total_flops(),
        peak_memory_bytes=_peak(recorder.operations, inputs, outputs, weights),
        output_shape=shapes[0] if isinstance(output, Tensor) else shapes,
        output_dtype=dtypes[0] if isinstance(output, Tensor) else dtypes,
    )


def cannot_run(name: str, where: str, error: Exception) -> UsageError:
    """The sentence for a network that fails there."""
    reason = (str(error).strip() or repr(error)).splitlines()[0].rstrip(".")
    return UsageError(
        f"{name} cannot be run {where}: {reason}; "
        "check the input shape, and that all tensors of the network are parameters or buffers."
    )


def parameters(network: nn.Module) -> int:
    """How many weights the network has; tied ones count once, buffers do not count."""
    return sum(each.numel() for each in network.parameters())


@dataclass(frozen=True)
class _Operation:
    reads: list[Tensor]
    writes: list[Tensor]
    elementwise: bool


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes every executed operation; the tensors it keeps hold no memory on the meta device."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations: list[_Operation] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = _normalised(args) if func.overloadpacket in _BATCH_NORMS else func(*args, **(kwargs or {}))
        elementwise = torch.Tag.pointwise in func.tags or func.overloadpacket in _ELEMENTWISE_WITHOUT_TAG
        self.operations.append(_Operation(tensors((args, kwargs)), tensors(result), elementwise))
        return result


def _normalised(args: tuple[Any, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """What batch norm gives in eval mode; PyTorch would take it apart, which is slow on meta tensors."""
    x: Tensor = args[0]
    return torch.empty_like(x), x.new_empty(0), x.new_empty(0)


def _peak(
    operations: Sequence[_Operation], inputs: Iterable[Tensor], outputs: Iterable[Tensor], weights: Iterable[Tensor]
) -> int:
    """The largest sum of live storages over the steps; step ``len(operations)`` holds the outputs alone."""
    end = len(operations)
    fixed = {_storage(each) for each in weights}
    first = {_storage(each): 0 for each in inputs}
    last = {}
    for step, operation in enumerate(operations):
        for each in operation.writes:
            if _storage(each) not in fixed:
                first.setdefault(_storage(each), step)
        for each in operation.reads:
            last[_storage(each)] = step
    last.update((_storage(each), end) for each in outputs)

    change = [0] * (end + 2)
    for storage in first.keys() & last.keys():
        change[first[storage]] += storage.nbytes()
        change[last[storage] + 1] -= storage.nbytes()
    live = list(accumulate(change))
    reused = [_reused(step, operation, first, last) for step, operation in enumerate(operations)]
    return max(size - saved for size, saved in zip(live, [*reused, 0, 0], strict=True))


def _reused(
    step: int, operation: _Operation, first: dict[torch.UntypedStorage, int], last: dict[torch.UntypedStorage, int]
) -> int:
    """Bytes of the new output that take the place of an input which dies here."""
    if not operation.elementwise:
        return 0
    new = operation.writes[0]
    made_here = first.get(_storage(new)) == step and _storage(new) in last
    dying = (
        each
        for each in operation.reads
        if _storage(each) in first and last[_storage(each)] == step and _same_layout(each, new)
    )
    return _storage(new).nbytes() if made_here and any(True for _ in dying) else 0


def _same_layout(a: Tensor, b: Tensor) -> bool:
    return (
        a.dtype == b.dtype
        and a.shape == b.shape
        and a.stride() == b.stride()
        and _storage(a).nbytes() == _storage(b).nbytes()
        and _storage(a) is not _storage(b)
    )


def _storage(tensor: Tensor) -> torch.UntypedStorage:
    """The memory under a tensor; views give the same object, so it serves as a key."""
    return tensor.untyped_storage()


def meta_copy(network: Module) -> Module:
    """A copy in eval mode whose parameters and buffers (ties kept) have shapes but no values."""
    recompute(network)
    on_meta: dict[int, Any] = {
        id(each): nn.Parameter(each.to("meta"), requires_grad=False) for each in network.parameters()
    }
    on_meta.update((id(each), each.to("meta")) for each in network.buffers())
    return copy.deepcopy(network, on_meta).eval()


def _is_weightless(network: Module) -> bool:
    """Whether the network is what :func:`meta_copy` gives."""
    held = [*network.parameters(), *network.buffers()]
    return bool(held) and all(each.is_meta for each in held) and not any(m.training for m in network.modules())


def _shapes(input_shape: Sequence[int] | Sequence[Sequence[int]]) -> list[Shape]:
    nested = bool(input_shape) and isinstance(input_shape[0], Sequence)
    shapes = [tuple(each) for each in cast("Sequence[Sequence[int]]", input_shape if nested else [input_shape])]
    if any(not isinstance(size, int) or size < 1 for shape in shapes for size in shape):
        raise UsageError(
            f"input_shape is {input_shape}, but it must hold positive whole numbers: give the shape of one example "
            "without the batch, such as (3, 32, 32), or a tuple of such shapes."
        )
    return shapes
