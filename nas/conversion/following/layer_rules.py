"""Operations with weights: linear layers, convolutions, embeddings, normalisation; and products of tensors."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nas.conversion.following.calls import Call, Rule, combined, no_rule, tensors_in
from nas.conversion.following.graph import Place, ids_of
from nas.conversion.following.labels import Labels, of_axis

__all__ = ["LAYER_RULES"]


def _linear(call: Call) -> list[Labels]:
    return _project(call, call.get(0, "input"), call.get(1, "weight"), call.get(2, "bias"), (1, 0))


def _matmul(call: Call) -> list[Labels]:
    one, other = call.args[0], call.get(1, "other", call.kwargs.get("mat2"))
    if call.name == "rmatmul":
        one, other = other, one
    if call.place(other) is not None and other.dim() == 2:
        return _project(call, one, other, None, (0, 1))
    if min(one.dim(), other.dim()) < 2 or call.place(one) is not None or call.place(other) is not None:
        return no_rule(call)
    return [_product(call, call.labels(one), call.labels(other), call.shape)]


def _addmm(call: Call) -> list[Labels]:
    bias, x, weight = call.get(0, "input"), call.get(1, "mat1"), call.get(2, "mat2")
    if call.place(weight) is None or call.place(bias) is None:
        return no_rule(call)
    return _project(call, x, weight, bias, (0, 1))


def _project(call: Call, x: Tensor, weight: Tensor, bias: Tensor | None, dims: tuple[int, int]) -> list[Labels]:
    """A product with a weight, over the last dimension of ``x``; ``dims`` of the weight: of inputs, of outputs."""
    place, labels, (reads, makes) = call.place(weight), call.labels(x), dims
    if place is None or weight.dim() != 2 or (bias is not None and call.place(bias) is None):
        return no_rule(call)
    last = len(labels.shape) - 1
    if labels.carries and labels.varying != (last,):
        labels = call.graph.along(labels, last, call.where)
    if labels.carries and labels.varying and labels.varying != (last,):
        call.graph.whole.setdefault(place, f"'{place}' mixes what is no channel")
        return [Labels(labels.ids, call.shape, "", labels.data)]
    if labels.carries and labels.varying:
        call.graph.use(place, reads, labels.ids.reshape(-1), call.path)
    return [_made(call, place, makes, bias, len(call.shape) - 1)]


def _made(call: Call, place: Place, dim: int, bias: Tensor | None, channel: int) -> Labels:
    """The labels of what a layer gives, of whose weight ``dim`` is that of the outputs."""
    ids = call.graph.produce(place, dim, call.shape[channel], call.path)
    return of_axis(_biased(call, bias, ids), call.shape, channel)


def _biased(call: Call, bias: Tensor | None, ids: Tensor) -> Tensor:
    place = None if bias is None else call.place(bias)
    if place is not None and bool((ids >= 0).any()):
        call.graph.use(place, 0, ids, call.path)
    return ids


def _convolution(call: Call) -> list[Labels]:
    transposed = "transpose" in call.name
    place, labels = call.place(call.get(1, "weight")), call.labels(call.get(0, "input"))
    weight, bias = call.get(1, "weight"), call.get(2, "bias")
    if place is None or (bias is not None and call.place(bias) is None):
        return no_rule(call)
    groups: int = call.get(6, "groups", 1)
    channel = len(labels.shape) - weight.dim() + 1
    ids = call.graph.vector(labels, channel, call.where)
    carries = bool((ids >= 0).any())
    reads, makes = (0, 1) if transposed else (1, 0)
    if groups == 1:
        if carries:
            call.graph.use(place, reads, ids, call.path)
        return [_made(call, place, makes, bias, channel)]
    if not carries:
        call.graph.whole.setdefault(place, f"'{place}' has groups of a fixed input")
        return [Labels.none(call.shape, f"the output of {call.where}")]
    first, outputs = ids.view(groups, -1)[:, :1], call.shape[channel]
    call.graph.join(first, ids.view(groups, -1), f"groups of {call.where}")
    given = first.expand(groups, outputs // groups).reshape(-1)
    call.graph.use(place, 0, ids if transposed else given, call.path)
    return [of_axis(_biased(call, bias, given), call.shape, channel)]


def _embedding(call: Call) -> list[Labels]:
    weight = call.get(1, "weight")
    place = call.place(weight)
    if place is None:
        return no_rule(call)
    return [_made(call, place, 1, None, len(call.shape) - 1)]


def _channel_norm(call: Call) -> list[Labels]:
    """Batch and instance norm: each channel by itself."""
    return [_scaled(call, [call.get(i, n) for i, n in enumerate(("running_mean", "running_var", "weight", "bias"), 1)])]


def _group_norm(call: Call) -> list[Labels]:
    labels, groups = call.labels(call.args[0]), int(call.get(1, "num_groups"))
    if labels.carries and labels.varying:
        ids = call.graph.vector(labels, 1, call.where)
        if groups > 1:
            call.graph.join(ids.view(groups, -1)[:, :1], ids.view(groups, -1), f"groups of {call.where}")
        else:
            call.graph.softened.append(ids.numpy())
    return [_scaled(call, [call.get(2, "weight"), call.get(3, "bias")])]


def _scaled(call: Call, tensors: list[Tensor | None]) -> Labels:
    labels = call.labels(call.args[0])
    if not (labels.carries and labels.varying):
        return Labels.none(call.shape, labels.note, labels.data)
    ids = call.graph.vector(labels, 1, call.where)
    for tensor in tensors:
        place = None if tensor is None else call.place(tensor)
        if place is not None:
            call.graph.use(place, 0, ids, call.path)
        elif tensor is not None:
            call.graph.fix(ids, f"is scaled by a computed tensor in {call.where}")
    return of_axis(ids, call.shape, 1)


def _feature_norm(call: Call) -> list[Labels]:
    """Layer and root-mean-square norm over the last dimensions."""
    labels, count = call.labels(call.args[0]), len(call.get(1, "normalized_shape"))
    last = len(labels.shape) - 1
    inside = [dim for dim in labels.varying if dim > last - count]
    if not labels.carries or not inside:
        return [labels]
    if labels.varying != (last,) or count > 1:
        if count > 1:
            call.graph.fix(labels.ids, f"is normalised with other dimensions by {call.where}")
        return [call.graph.along(labels, last, call.where)]
    ids = labels.ids.reshape(-1)
    call.graph.softened.append(ids.numpy())
    for tensor in (call.get(2, "weight"), call.get(3, "bias") if call.name == "layer_norm" else None):
        place = None if tensor is None else call.place(tensor)
        if place is not None:
            call.graph.use(place, 0, ids, call.path, normalises=True)
    return [labels]


def _prelu(call: Call) -> list[Labels]:
    weight, labels = call.get(1, "weight"), call.labels(call.args[0])
    return [labels if weight.numel() == 1 else _scaled(call, [weight])]


def _product(call: Call, one: Labels, other: Labels, shape: tuple[int, ...]) -> Labels:
    """Of matrices: every row with every column, summed over what both have."""
    rows, summed, columns = one.shape[-2], one.shape[-1], other.shape[-1]
    left = Labels(one.ids.unsqueeze(-1), (*one.shape, 1), one.note, one.data)
    right = Labels(other.ids.unsqueeze(-3), (*other.shape[:-2], 1, summed, columns), other.note, other.data)
    full = (*shape[:-2], rows, summed, columns)
    met = _summed(call, [left, right], full, [len(full) - 2])
    return Labels(met.ids.squeeze(-2), shape, met.note, met.data)


def _summed(call: Call, operands: list[Labels], shape: Sequence[int], dims: Sequence[int]) -> Labels:
    """The labels of a product that is summed over dimensions: what is summed goes together, heads stay."""
    met = combined(call, operands, shape)
    inside = set(met.varying) & set(dims)
    if not inside:
        return met
    if set(met.varying) <= set(dims):
        return Labels.none(shape, f"the output of {call.where}", met.data)
    for dim in dims:
        met = call.graph.along(met, dim, call.where)
    call.graph.heads.append(ids_of(met.ids))
    return met


def _einsum(call: Call) -> list[Labels]:
    """Two tensors, named dimensions: as a product of matrices."""
    equation, *operands = call.args
    tensors = tensors_in(operands)
    inputs, _, output = str(equation).replace(" ", "").partition("->")
    named = inputs.split(",")
    plain = output and len(named) == len(tensors) <= 2 and "." not in inputs
    if not plain or any(len(set(names)) < len(names) for names in named) or any(map(call.place, tensors)):
        return no_rule(call)
    letters = [*output, *sorted({*inputs} - {*output, ","})]
    sizes = {
        letter: size
        for names, each in zip(named, tensors, strict=True)
        for letter, size in zip(names, each.shape, strict=True)
    }
    spread = []
    for names, tensor in zip(named, tensors, strict=True):
        labels, there = call.labels(tensor), [letter for letter in letters if letter in names]
        ids = labels.ids.permute([names.index(letter) for letter in there])
        shape = tuple(sizes[letter] if letter in names else 1 for letter in letters)
        carried = dict(zip(there, ids.shape, strict=True))
        ids = ids.reshape([carried.get(letter, 1) for letter in letters])
        spread.append(Labels(ids, shape, labels.note, labels.data))
    dims = list(range(len(output), len(letters)))
    met = _summed(call, spread, [sizes[letter] for letter in letters], dims)
    return [Labels(met.ids.reshape(met.ids.shape[: len(output)]), call.shape, met.note, met.data)]


def _transposed(labels: Labels) -> Labels:
    *batch, rows, columns = labels.shape
    return Labels(labels.ids.transpose(-1, -2), (*batch, columns, rows), labels.note, labels.data)


def _attention(call: Call) -> list[Labels]:
    query, key, value = (call.labels(call.get(i, name)) for i, name in enumerate(("query", "key", "value")))
    if query.shape[:-2] != key.shape[:-2] and len(query.shape) == len(key.shape):
        each = query.shape[-3] // key.shape[-3]
        key, value = (_repeated(labels, each) for labels in (key, value))
    scores = _product(call, query, _transposed(key), (*query.shape[:-1], key.shape[-2]))
    if call.kwargs.get("scale") is None and not scores.carries:
        call.graph.fix(query.ids, f"decides the scale of {call.where}")
    mask = call.get(3, "attn_mask")
    if mask is not None:
        scores = combined(call, [scores, call.labels(mask)], scores.shape)
    return [_product(call, scores, value, call.shape)]


def _repeated(labels: Labels, each: int) -> Labels:
    ids = labels.ids if labels.ids.shape[-3] == 1 else labels.ids.repeat_interleave(each, -3)
    shape = (*labels.shape[:-3], labels.shape[-3] * each, *labels.shape[-2:])
    return Labels(ids, shape, labels.note, labels.data)


def _multi_head(call: Call) -> list[Labels]:
    """``torch.nn.MultiheadAttention``: its heads fill the width of the queries, so both keep the same share."""
    names = ("in_proj_weight", "in_proj_bias", "out_proj_weight", "out_proj_bias")
    tensors = [call.get(i, name) for i, name in zip((5, 6, 11, 12), names, strict=True)]
    extra = any(call.get(i, name) is not None for i, name in ((7, "bias_k"), (8, "bias_v")))
    places = [None if tensor is None else call.place(tensor) for tensor in tensors]
    if extra or places[0] is None or places[2] is None:
        return no_rule(call)
    heads, graph, path = int(call.get(4, "num_heads")), call.graph, call.path
    width = call.shape[-1]
    inputs = [call.labels(call.args[i]) for i in range(3)]
    known = graph.axes.get((places[2], 1))
    ids = graph.fresh(heads) if known is None else torch.from_numpy(known.ids[:: width // heads])
    each = ids.repeat_interleave(width // heads)
    for labels in inputs:
        if labels.carries and labels.varying:
            read = graph.vector(labels, len(labels.shape) - 1, call.where)
            graph.use(places[0], 1, read, path)
            graph.equal.append((ids.numpy(), read.numpy(), call.where))
        else:
            graph.fix(ids, f"fills the fixed width of the inputs of {call.where}")
    graph.use(places[0], 0, each.repeat(3), path)
    _biased(call, tensors[1], each.repeat(3))
    graph.use(places[2], 1, each, path)
    graph.heads.append(ids.numpy())
    if len(call.outputs) > 1 and call.outputs[1].dim() > inputs[0].ids.dim():
        graph.fix(ids, f"has weights of its own in the output of {call.where}")
    made = _made(call, places[2], 0, tensors[3], len(call.shape) - 1)
    graph.equal.append((ids.numpy(), made.ids.reshape(-1).numpy(), call.where))
    return [made, *(Labels.none(each.shape, f"the weights of {call.where}") for each in call.outputs[1:])]


LAYER_RULES: dict[str, Rule] = {
    "linear": _linear,
    **dict.fromkeys(["matmul", "bmm", "mm", "rmatmul"], _matmul),
    "addmm": _addmm,
    "einsum": _einsum,
    **dict.fromkeys([f"conv{kind}{dims}d" for kind in ("", "_transpose") for dims in (1, 2, 3)], _convolution),
    "embedding": _embedding,
    **dict.fromkeys(["batch_norm", "instance_norm"], _channel_norm),
    "group_norm": _group_norm,
    **dict.fromkeys(["layer_norm", "rms_norm"], _feature_norm),
    "prelu": _prelu,
    "scaled_dot_product_attention": _attention,
    "multi_head_attention_forward": _multi_head,
}
