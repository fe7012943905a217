"""Operations that move elements, compute them one by one, or sum them up."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._pytree import tree_map_only

from nas.conversion.following.calls import Call, Rule, combined, no_rule, tensors_in
from nas.conversion.following.labels import Labels, compressed

__all__ = ["ELEMENT_RULES", "written"]

_ELEMENTWISE = """
    add radd iadd sub rsub isub subtract mul rmul imul multiply div truediv rtruediv itruediv true_divide divide
    floordiv floor_divide mod remainder fmod pow rpow float_power where maximum minimum lerp addcmul addcdiv
    relu relu6 gelu silu hardswish hardsigmoid hardtanh sigmoid tanh mish elu selu celu leaky_relu rrelu softplus
    softsign softshrink hardshrink tanhshrink logsigmoid threshold exp expm1 log log1p log2 sqrt rsqrt square abs neg
    negative pos positive clamp clamp_min clamp_max clip sin cos tan atan erf reciprocal round floor ceil sign
    dropout dropout1d dropout2d dropout3d alpha_dropout feature_dropout float half double bfloat16 to type type_as int
    long bool contiguous clone detach requires_grad masked_fill nan_to_num eq ne lt gt le ge logical_and logical_or
    logical_not logical_xor and or xor invert isnan isinf isfinite copy data zeros_like ones_like empty_like
    full_like rand_like randn_like bernoulli alias view_as_real cpu identity
""".split()  # noqa: SIM905
_MOVING = """
    view reshape flatten unflatten permute transpose swapaxes swapdims t T mT H movedim moveaxis unsqueeze squeeze
    expand expand_as broadcast_to getitem narrow select index_select gather roll flip pixel_shuffle pixel_unshuffle
    repeat tile repeat_interleave view_as reshape_as ravel unfold diagonal rot90
""".split()  # noqa: SIM905
_SPLITTING = ["split", "chunk", "unbind", "tensor_split", "split_with_sizes"]
_REDUCING = "mean sum amax amin max min prod std var norm vector_norm logsumexp all any var_mean std_mean".split()  # noqa: SIM905
_EXACT = ("sum", "any")
"""Reductions to which channels of zeros add nothing."""
_NORMALISING = ["softmax", "log_softmax", "softmin", "normalize"]
_FACTORIES = """
    zeros ones empty full arange tensor linspace eye rand randn randint randperm meshgrid tril_indices triu_indices
    one_hot new_zeros new_ones new_empty new_full new_tensor as_tensor scalar_tensor from_numpy complex empty_strided
""".split()  # noqa: SIM905
_SPATIAL = {
    f"{kind}_pool{dims}d{end}": dims
    for kind in ("max", "avg", "lp", "adaptive_max", "adaptive_avg")
    for dims in (1, 2, 3)
    for end in ("", "_with_indices")
}


def _elementwise(call: Call) -> list[Labels]:
    found = combined(call, [call.labels(tensor) for tensor in call.inputs], call.shape)
    return [found for _ in call.outputs]


def _moving(call: Call) -> list[Labels]:
    """Moves the labels by the same function; where it moves positions along which they are alike, that is free."""
    labels = call.labels(call.args[0])
    if not labels.carries:
        return _without(call, labels)
    name = "reshape" if call.name in ("view", "view_as", "reshape_as") else call.name
    if name == "unfold" and call.function is F.unfold:
        ids = call.graph.vector(labels, 1, call.where)
        moved: Any = ids.repeat_interleave(call.shape[1] // len(ids))[None, :, None]
        return [Labels(moved, call.shape, labels.note, labels.data)]
    if name == "reshape":
        moved = labels.full.reshape(call.shape)
    else:
        others = tree_map_only(Tensor, Tensor.cpu, (tuple(call.args[1:]), call.kwargs))
        moved = call.function(labels.full, *others[0], **others[1])
    return [Labels(compressed(each), tuple(each.shape), labels.note, labels.data) for each in tensors_in(moved)]


def _without(call: Call, labels: Labels) -> list[Labels]:
    data = any(call.labels(tensor).data for tensor in call.inputs)
    return [Labels.none(each.shape, labels.note, data) for each in call.outputs]


def _splitting(call: Call) -> list[Labels]:
    """Channels of different parts are cut each by themselves; parts of one size stay of one size."""
    parts = _moving(call)
    named = [position for position, value in enumerate(call.args[1:], 1) if isinstance(value, int)]
    default = 0 if call.name == "unbind" and not named else None
    dim = call.kwargs.get("dim", call.get(1 if call.name == "unbind" else 2, "dim", default or 0))
    labels = call.labels(call.args[0])
    if dim % len(labels.shape) in labels.varying:
        call.graph.marks += [part.ids.reshape(-1).numpy() for part in parts]
        first = next((part for part in parts if part.carries), parts[0])
        call.graph.equal += [
            (first.ids.reshape(-1).numpy(), part.ids.reshape(-1).numpy(), call.where)
            for part in parts
            if part.shape == first.shape and part.carries and part is not first
        ]
    return parts


def _glu(call: Call) -> list[Labels]:
    labels, dim = call.labels(call.args[0]), call.get(1, "dim", -1)
    halves = [Labels(compressed(each), tuple(each.shape)) for each in labels.full.chunk(2, dim)]
    return [combined(call, halves, call.shape)]


def _joining(call: Call) -> list[Labels]:
    """Concatenation; along a dimension that is none of channels the parts must have the same channels."""
    parts = [call.labels(tensor) for tensor in tensors_in(call.args[0])]
    parts = [part for part in parts if part.shape != (0,)]
    dims = len(call.shape)
    dim = call.get(1, "dim", call.kwargs.get("axis", 0)) % dims
    data = any(part.data for part in parts)
    if call.name in ("stack",):
        parts = [Labels(p.ids.unsqueeze(dim), (*p.shape[:dim], 1, *p.shape[dim:]), p.note, p.data) for p in parts]
    if not any(part.carries for part in parts):
        return [Labels.none(call.shape, parts[0].note, data)]
    if not any(dim in part.varying for part in parts) and any(part.varying for part in parts):
        return [Labels(combined(call, parts, call.shape).ids, call.shape, "", data)]
    most = [max(part.ids.shape[each] for part in parts) for each in range(dims)]
    pieces = []
    for part in parts:
        sizes = [part.shape[dim] if each == dim else most[each] for each in range(dims)]
        pieces.append(part.ids.expand([size if part.ids.shape[i] == 1 else -1 for i, size in enumerate(sizes)]))
        call.graph.marks.append(part.ids.reshape(-1).numpy())
    return [Labels(compressed(torch.cat(pieces, dim)), call.shape, "", data)]


def _padding(call: Call) -> list[Labels]:
    labels, mode = call.labels(call.args[0]), call.get(2, "mode", "constant")
    if not labels.carries:
        return _without(call, labels)
    pads: Sequence[int] = call.get(1, "pad")
    padded = [len(labels.shape) - 1 - side for side in range(len(pads) // 2) if any(pads[2 * side : 2 * side + 2])]
    if not set(padded) & set(labels.varying):
        return [Labels(labels.ids, call.shape, labels.note, labels.data)]
    value = {"value": -1.0} if mode == "constant" else {}
    moved = F.pad(labels.full.double(), list(pads), mode=mode, **value).long()
    return [Labels(compressed(moved), call.shape, labels.note, labels.data)]


def _spatial(call: Call) -> list[Labels]:
    """What mixes positions, each channel by itself."""
    labels = call.labels(call.args[0])
    dims = len(labels.shape)
    first = dims - _SPATIAL[call.name] if call.name in _SPATIAL else 2
    for dim in range(first, dims):
        labels = call.graph.along(labels, dim, call.where)
    return [Labels(labels.ids, tuple(each.shape), labels.note, labels.data) for each in call.outputs]


def _dims(value: Any, count: int) -> list[int]:
    if value is None:
        return list(range(count))
    return [each % count for each in (value if isinstance(value, tuple | list) else [value])]


def _reducing(call: Call) -> list[Labels]:
    """Over all channels the result has none; over a part of each group it has those of the group."""
    second = call.get(1, "other")
    if isinstance(second, Tensor):
        return _elementwise(call)
    labels = call.labels(call.args[0])
    axis = call.kwargs.get("dim", call.kwargs.get("axis", call.get(2 if call.name == "norm" else 1, "dim")))
    if call.name == "vector_norm":
        axis = call.get(2, "dim")
    dims = _dims(axis, len(labels.shape))
    labels = _over(call, labels, dims, call.name not in _EXACT)
    keeps = len(call.shape) == len(labels.shape)
    ids = labels.ids if keeps else labels.ids.reshape([s for d, s in enumerate(labels.ids.shape) if d not in dims])
    return [Labels(ids, tuple(each.shape), labels.note, labels.data) for each in call.outputs]


def _over(call: Call, labels: Labels, dims: Sequence[int], statistic: bool) -> Labels:
    """The labels with nothing that differs along dimensions over which something is computed."""
    if labels.carries and labels.varying and set(labels.varying) <= set(dims):
        if any(not output.is_floating_point() for output in call.outputs):
            call.graph.fix(labels.ids, f"has positions that {call.where} gives")
        if statistic:
            call.graph.softened.append(labels.ids.reshape(-1).numpy())
        return Labels(torch.full([1] * len(labels.shape), -1), labels.shape, labels.note, labels.data)
    for dim in dims:
        labels = call.graph.along(labels, dim, call.where)
    return labels


def _normalising(call: Call) -> list[Labels]:
    labels = call.labels(call.args[0])
    axis = call.get(2 if call.name == "normalize" else 1, "dim", 1 if call.name == "normalize" else -1)
    reduced = _over(call, labels, _dims(axis, len(labels.shape)), True)
    return [labels if not reduced.carries else reduced]


def _triangle(call: Call) -> list[Labels]:
    labels = call.labels(call.args[0])
    last = len(labels.shape) - 1
    return no_rule(call) if labels.carries and {last, last - 1} & set(labels.varying) else [labels]


def _factory(call: Call) -> list[Labels]:
    return [Labels.none(each.shape, f"a tensor of {call.where}", False) for each in call.outputs]


def written(call: Call) -> Labels:
    """The labels of a tensor after ``tensor[index] = value``; a number leaves them."""
    target, index, value = call.args
    labels = call.labels(target)
    new = call.labels(value) if isinstance(value, Tensor) else None
    if new is None or new.ids.numel() == new.full.numel() == 1 or not (labels.carries or new.carries):
        return labels
    ids = labels.full.clone()
    ids[tree_map_only(Tensor, Tensor.cpu, index)] = new.full
    return Labels(compressed(ids), labels.shape, "", True)


ELEMENT_RULES: dict[str, Rule] = {
    **dict.fromkeys(_ELEMENTWISE, _elementwise),
    **dict.fromkeys(_MOVING, _moving),
    **dict.fromkeys(_SPLITTING, _splitting),
    **dict.fromkeys(_REDUCING, _reducing),
    **dict.fromkeys(_NORMALISING, _normalising),
    **dict.fromkeys(_FACTORIES, _factory),
    **dict.fromkeys([*_SPATIAL, "interpolate", "upsample", "grid_sample"], _spatial),
    **dict.fromkeys(["cat", "concat", "concatenate", "stack"], _joining),
    **dict.fromkeys(["tril", "triu"], _triangle),
    "glu": _glu,
    "pad": _padding,
}
