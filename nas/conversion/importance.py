"""Channels sorted by importance inside each group, so that the leading part is the best part."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from nas.conversion.following.calls import tensors_in
from nas.conversion.groups import Group, Groups
from nas.errors import UsageError

__all__ = ["IMPORTANCES", "OF_DATA", "Batches", "Calibration", "Loss", "importances", "sort_channels"]

Batches = Iterable[tuple[Any, Any]]
"""Pairs of inputs, a tensor, a sequence of arguments or a mapping of named ones, and targets."""
Loss = Callable[[Any, Any], Tensor]
"""Output and target → a number."""

Scores = npt.NDArray[np.float64]

IMPORTANCES = ("l1", "l2", "taylor", "activation")
OF_DATA = ("taylor", "activation")
"""Those that need batches."""


@dataclass(frozen=True)
class Calibration:
    """Data by which the importance of channels is measured.

    Attributes:
        batches: read where they are needed, once.
        loss: of an output and a target.
    """

    batches: Batches
    loss: Loss


def importances(model: nn.Module, groups: Groups, kind: str, batches: Batches, loss: Loss | None) -> dict[int, Scores]:
    """How important each unit of the elastic groups is, by number of the group; the mean is one.

    The mean over all slices of tensors that belong to a unit, of what each has: the sum of absolute values ("l1"), the
    root of the sum of squares ("l2"; Li et al., 2017), the absolute value of the sum of weight times gradient
    ("taylor"; Molchanov et al., 2019), or of the layers that make the channels, the mean absolute output
    ("activation").

    Args:
        model: a plain copy in evaluation mode.
        groups: of the model.
        kind: one of :data:`IMPORTANCES`.
        batches: for "taylor" and "activation".
        loss: for "taylor".

    Raises:
        UsageError: the loss cannot be computed, or what is measured is not finite.
    """
    if kind == "activation":
        scores = _activations(model, groups, batches)
    else:
        gradients = _gradients(model, batches, loss) if kind == "taylor" else {}
        scores = {group.number: _of_weights(model, groups, group, kind, gradients) for group in groups.elastic}
    for number, each in scores.items():
        if not np.isfinite(each).all():
            raise UsageError(
                f"order='{kind}' finds channels of {groups.all[number]} whose importance is not finite; give a model "
                "with finite weights and outputs, or order=None."
            )
    return {number: each / max(float(each.mean()), 1e-30) for number, each in scores.items()}


def sort_channels(model: nn.Module, groups: Groups, scores: Mapping[int, Scores]) -> None:
    """Puts the units of each group in the order of importance, alike in all tensors; the model computes the same."""
    orders = {number: np.argsort(-each, kind="stable").tolist() for number, each in scores.items()}
    with torch.no_grad():
        for (place, dim), layout in groups.layouts.items():
            if layout.groups:
                tensor = getattr(model.get_submodule(place.path), place.name)
                tensor.copy_(tensor.index_select(dim, torch.tensor(layout.moved(orders), device=tensor.device)))


def _of_weights(model: nn.Module, groups: Groups, group: Group, kind: str, gradients: Mapping[int, Tensor]) -> Scores:
    total, count = np.zeros(group.units), 0
    for axis in group.axes:
        tensor = getattr(model.get_submodule(axis.place.path), axis.place.name)
        if not isinstance(tensor, nn.Parameter):
            continue
        value, others = tensor.detach(), [dim for dim in range(tensor.dim()) if dim != axis.dim]
        if kind == "taylor":
            each = (value * gradients[id(tensor)]).sum(others) if others else value * gradients[id(tensor)]
        else:
            power = 1 if kind == "l1" else 2
            each = (torch.linalg.vector_norm(value, power, others) if others else value.abs()) ** power
        summed = _by_unit(groups, group, axis.ids, each.double().cpu().numpy())
        total += np.sqrt(summed) if kind == "l2" else np.abs(summed)
        count += 1
    return total / max(1, count)


def _by_unit(groups: Groups, group: Group, ids: npt.NDArray[np.int64], values: npt.NDArray[Any]) -> Scores:
    there = (ids >= 0) & (groups.of_channel[np.maximum(ids, 0)] == group.number)
    summed: Scores = np.bincount(groups.unit_of[ids[there]], weights=values[there], minlength=group.units).astype(
        np.float64
    )
    return summed


def _gradients(model: nn.Module, batches: Batches, loss: Loss | None) -> dict[int, Tensor]:
    if loss is None:
        raise UsageError("order='taylor' needs a loss; give one, as in loss=torch.nn.functional.cross_entropy.")
    sums = {id(each): torch.zeros_like(each) for each in model.parameters()}
    with _all_learning(model) as learning:
        for inputs, target in batches:
            try:
                given = torch.autograd.grad(loss(_run(model, inputs), target), learning, allow_unused=True)
            except Exception as error:  # whatever a forward or a loss of a user raises
                reason = (str(error).strip() or repr(error)).splitlines()[0].rstrip(".")
                raise UsageError(
                    f"order='taylor' needs gradients of the loss, which cannot be computed ({reason}); what the "
                    "model gives must fit what the loss is given beside it, or take order='l1'."
                ) from error
            for parameter, gradient in zip(learning, given, strict=True):
                if gradient is not None:
                    sums[id(parameter)].add_(gradient)
    return sums


@contextmanager
def _all_learning(model: nn.Module) -> Iterator[Sequence[nn.Parameter]]:
    """The parameters that can have gradients; within it also frozen ones have them."""
    parameters = [each for each in model.parameters() if each.is_floating_point()]
    frozen = [each for each in parameters if not each.requires_grad]
    for each in frozen:
        each.requires_grad_(True)
    try:
        yield parameters
    finally:
        for each in frozen:
            each.requires_grad_(False)


@torch.no_grad()
def _activations(model: nn.Module, groups: Groups, batches: Batches) -> dict[int, Scores]:
    """The mean absolute output of the layer that makes a group, channel by channel."""
    found = {group.number: np.ones(group.units) for group in groups.elastic}

    def noting(group: Group) -> Callable[[nn.Module, Any, Any], None]:
        axis = group.axes[0]

        def note(module: nn.Module, inputs: Any, output: Any) -> None:
            (given, *_) = tensors_in(output)
            dims = [dim for dim, size in enumerate(given.shape) if size == len(axis.ids) and dim]
            if dims:
                mean = given.abs().double().movedim(dims[0], 0).flatten(1).mean(1)
                found[group.number] += _by_unit(groups, group, axis.ids, mean.cpu().numpy())

        return note

    with ExitStack() as stack:
        for group in groups.elastic:
            module = model.get_submodule(group.axes[0].place.path)
            stack.callback(module.register_forward_hook(noting(group)).remove)
        for inputs, _ in batches:
            _run(model, inputs)
    return found


def _run(model: nn.Module, inputs: Any) -> Any:
    if isinstance(inputs, Mapping):
        return model(**inputs)
    return model(*inputs) if isinstance(inputs, Sequence) else model(inputs)
