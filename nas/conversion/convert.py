"""Any model becomes one with elastic modules."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from nas.conversion.choices import Options, Shares, Width, check_options, choose_kernels, choose_widths
from nas.conversion.cutting import Example, cut
from nas.conversion.depth import can_be_shorter, choose_depths
from nas.conversion.elastic_model import ElasticModel
from nas.conversion.following.calls import tensors_in
from nas.conversion.following.graph import Place
from nas.conversion.following.tracing import traced
from nas.conversion.groups import find_groups
from nas.conversion.importance import IMPORTANCES, Batches, Loss, importances, sort_channels
from nas.conversion.plan import Plan
from nas.conversion.replacement import make_elastic
from nas.conversion.settling import settle, settle_widths, without_values
from nas.errors import UsageError
from nas.nn import Elastic, Gate
from nas.nn.module_calls import calls, first_different_call

__all__ = ["elastic"]


def elastic(
    model: nn.Module,
    example_input: Tensor | Sequence[Any] | Mapping[str, Any],
    *,
    width: Shares | Mapping[str, Shares] = (0.25, 0.5, 0.75, 1.0),
    heads: Shares | Mapping[str, Shares] = None,
    kernel: Literal["shrink", "fixed"] | Sequence[int] = "shrink",
    depth: Literal["stages", "fixed"] = "stages",
    include: Sequence[str] = ("*",),
    exclude: Sequence[str] = (),
    divisor: int = 8,
    order: Literal["l1", "l2", "taylor", "activation"] | None = "l1",
    batches: Batches | None = None,
    loss: Loss | None = None,
) -> ElasticModel:
    """A copy of a model in which widths, heads, kernels and depths are choices, with all its weights.

    The model is run once on the example, and its channels are followed through every operation. Channels that must go
    together are one width (coupled groups; SPA, Wang et al., 2024; OTOv2, Chen et al., 2023). A smaller width has the
    most important channels, a smaller kernel is the centre, and a block that is left out is the identity. The largest
    subnet is the model; the object that is given stays as it is.

    >>> from torch import nn
    >>> import nas
    >>> model = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 4, 1))
    >>> space = nas.elastic(model, torch.zeros(1, 3, 8, 8), width=[0.5, 1.0])
    >>> nas.Supernet(space).space.choices
    {'0.width': (16, 32), '0.kernel': (1, 3)}

    Args:
        model: any module whose forward does the same whatever the values of its input.
        example_input: what its forward takes: a tensor, a sequence of arguments, or a mapping of named ones.
        width: shares of the full number of channels, or such by pattern of a layer's name, the first that fits; None
            for widths that stay.
        heads: the same for heads of attention; by default that of ``width``.
        kernel: "shrink" for every smaller kernel with the same centre, their sizes, or "fixed".
        depth: "stages" for runs of residual blocks of which the last ones may be left out, or "fixed".
        include, exclude: patterns of names of layers that may vary, and of those that may not.
        divisor: widths are multiples of it.
        order: how the importance of channels is measured, see :mod:`nas.conversion.importance`; None leaves them.
        batches: pairs of inputs and targets for "taylor" and "activation"; the example by default for the latter.
        loss: of an output and a target, for "taylor".

    Raises:
        UsageError: the model cannot be followed, nothing in it can vary, or an option has no such value.
    """
    options = Options(width, heads, kernel, depth, tuple(include), tuple(exclude), divisor)
    check_options(options)
    if order is not None and order not in IMPORTANCES:
        raise UsageError(f"order is {order!r}; give one of {', '.join(IMPORTANCES)}, or None.")
    example = _example(example_input)
    plain = _copy(model)
    plan, expected = _plan(plain, example, options)
    if order is not None:
        scores = importances(plain, plan.groups, order, _batches(order, batches, example), loss)
        sort_channels(plain, plan.groups, scores)
    return _checked(model, plain, plan, example, expected)


def _plan(plain: nn.Module, example: Example, options: Options) -> tuple[Plan, Any]:
    """What varies, and the output of the model."""
    graph, expected = traced(plain, *example)
    groups = find_groups(graph)
    model, inputs = without_values(plain, graph, groups, example)
    followers = settle(model, graph, groups, inputs)
    widths = choose_widths(groups, options)
    groups.lay_out(graph.axes.values())
    settle_widths(model, graph, groups, followers, lambda: _some_networks(_elastic(widths)), inputs)
    widths = _elastic(widths)
    followers = [each for each in followers if all(groups.all[number].reason is None for number in each.layout.groups)]
    kernels, stages = choose_kernels(plain, options), choose_depths(plain, graph, options)
    stages = [stage for stage in stages if can_be_shorter(model, graph, groups, stage, inputs)]
    if not (widths or kernels or stages):
        reasons = dict.fromkeys(f"{group} {group.reason}" for group in groups.all)
        raise UsageError(
            f"nothing in {type(plain).__name__} can vary: {next(iter(reasons), 'it has no layer with channels')}; give "
            "other shares, or a model with layers between its input and its output."
        )
    return Plan(graph, groups, followers, widths, kernels, stages), expected


def _elastic(widths: Sequence[Width]) -> list[Width]:
    return [width for width in widths if all(group.reason is None for group in width.groups)]


def _some_networks(widths: Sequence[Width]) -> list[dict[int, int]]:
    """The narrowest, and some between it and the widest, as numbers of units of groups."""
    options = [width.choice.candidates for width in widths]
    taken = [[each[0] for each in options]]
    taken += [[each[(place + shift) % len(each)] for place, each in enumerate(options)] for shift in range(2)]
    return [
        {
            group: value // each
            for width, value in zip(widths, values, strict=True)
            for group, each in width.each.items()
        }
        for values in taken
    ]


def _checked(model: nn.Module, plain: nn.Module, plan: Plan, example: Example, expected: Any) -> ElasticModel:
    """The elastic model, after its largest and its narrowest network did what they must."""
    smallest = {width.choice: min(width.choice.candidates) for width in plan.widths}
    kept = {number: smallest[width.choice] // each for width in plan.widths for number, each in width.each.items()}
    places = list(plain.named_modules())
    with cut(plain, plan.groups, plan.followers, kept), torch.no_grad():
        narrow = calls(places, lambda: plain(*example[0], **example[1]))
    parameters = {Place(*_split(name)): parameter.numel() for name, parameter in plain.named_parameters()}
    network = make_elastic(plain, plan)
    space = ElasticModel(network, plan, parameters)
    largest = {choice: max(choice.candidates) for choice in space.choices}
    _configure(network, largest)
    with torch.no_grad():
        _compare(tensors_in(network(*example[0], **example[1])), tensors_in(expected), "the largest network")
        _configure(network, {**largest, **smallest})
        found = calls(list(network.named_modules()), lambda: network(*example[0], **example[1]))
        wrong = first_different_call(narrow, found, lambda one, other: not all(map(_close, one, other)))
        if wrong is not None:
            raise UsageError(
                f"the narrower network does something else in '{wrong}' than channels say; leave it out by "
                f"exclude=['{wrong.path}*']."
            )
        _configure(network, {choice: min(choice.candidates) for choice in space.choices})
        given = tensors_in(network(*example[0], **example[1]))
    if [each.shape for each in given] != [each.shape for each in tensors_in(expected)]:
        raise UsageError("the smallest network gives outputs of other shapes; give depth='fixed' or kernel='fixed'.")
    modes = {path: module.training for path, module in model.named_modules()}
    for path, module in network.named_modules():
        module.training = modes.get(path, model.training)
    return space


def _split(name: str) -> tuple[str, str]:
    path, _, own = name.rpartition(".")
    return path, own


def _compare(given: Sequence[Tensor], expected: Sequence[Tensor], what: str) -> None:
    if not all(map(_close, given, expected)):
        raise UsageError(f"{what} does not give what the model gives; give order=None, or leave layers out by exclude.")


def _close(one: Tensor, other: Tensor) -> bool:
    """Whether tensors differ by rounding alone."""
    if one.shape != other.shape or not one.is_floating_point():
        return one.shape == other.shape
    scale = float(other.abs().nan_to_num().max()) if other.numel() else 0.0
    return bool(torch.allclose(one, other, rtol=1e-3, atol=1e-4 * max(scale, 1e-3), equal_nan=True))


def _configure(network: nn.Module, values: Mapping[Any, Any]) -> None:
    gates = {choice: Gate((value,)) for choice, value in values.items()}
    for module in network.modules():
        if isinstance(module, Elastic):
            module.configure(gates)


def _example(given: Any) -> Example:
    if isinstance(given, Tensor):
        return (given,), {}
    if isinstance(given, Mapping):
        return (), dict(given)
    if isinstance(given, Sequence) and not isinstance(given, str):
        return tuple(given), {}
    raise UsageError(
        f"example_input is of type {type(given).__name__}; give a tensor, a sequence of arguments, or a mapping."
    )


def _batches(order: str, batches: Batches | None, example: Example) -> Batches:
    if batches is not None:
        return batches
    if order == "taylor":
        raise UsageError("order='taylor' needs batches, pairs of inputs and targets, and a loss.")
    positional, named = example
    return [(named or positional, None)]


def _copy(model: Any) -> nn.Module:
    """A copy in evaluation mode of what can be converted."""
    if not isinstance(model, nn.Module):
        raise UsageError(f"model is a {type(model).__name__}; give a torch.nn.Module.")
    if isinstance(model, torch.jit.ScriptModule):
        raise UsageError(
            "the model is a TorchScript module, into which nobody can look; give the module it was made of."
        )
    for path, module in model.named_modules():
        kind = type(module)
        where = f"'{path}'" if path else "the model"
        if ".quantized" in kind.__module__ or ".ao." in kind.__module__:
            raise UsageError(f"{where} is a quantised {kind.__name__}; convert the model before it is quantised.")
        if kind.__module__.startswith("torch._dynamo"):
            raise UsageError(f"{where} is compiled; give the module it was made of, before torch.compile.")
        if isinstance(module, Elastic):
            raise UsageError(f"{where} is an elastic {kind.__name__} already; give the model with plain layers.")
        tensors = (*module._parameters.values(), *module._buffers.values())
        if any(isinstance(each, UninitializedParameter | UninitializedBuffer) for each in tensors):
            raise UsageError(f"{where} is a {kind.__name__} that has no size yet; run the model once before.")
    try:
        return copy.deepcopy(model).eval()
    except Exception as error:  # whatever the attributes of a user raise
        raise UsageError(
            f"{type(model).__name__} cannot be copied ({error}); remove what copy.deepcopy refuses."
        ) from error
