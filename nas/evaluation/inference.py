"""What a network answers in evaluation mode depends on the example and on what a checkpoint holds, else on who asks."""

import torch
from torch import Tensor, nn

from nas.errors import UsageError
from nas.evaluation.exactness import difference
from nas.nn.modes import evaluating
from nas.nn.module_calls import Call, calls, first_different_call, tensors
from nas.nn.tree import modules

__all__ = ["check_inference", "check_memory"]


def check_inference(network: nn.Module, x: Tensor) -> None:
    """Checks that a network in evaluation mode leaves its input as it is, and is a function of each example.

    Most of the examples must show that it is not, since in a network that rounds the order of a sum may decide.

    Args:
        network: plain; its state may change, such as what it counts.
        x: a batch of two examples or more.

    Raises:
        UsageError: it writes over its input, gives something else a second time, or for an example something else
            beside others than alone.
    """
    with evaluating(network), torch.no_grad(), torch.random.fork_rng():
        given, first = x.clone(), _outputs(network, x)
        if not torch.equal(given, x):
            raise UsageError(
                f"{type(network).__name__} writes over its input, so that the next network that reads these examples "
                "gets others; make a new tensor in its first operation, such as x = 2 * x or a ReLU without inplace."
            )
        if _differ(first, _outputs(network, x)):
            raise UsageError(
                f"{_first_call(network, x, x)} gives something else each time in evaluation mode, so no figure is "
                "that of the network; draw and count in training alone, such as by F.dropout(x, p, self.training)."
            )
        alone = [x[index : index + 1] for index in range(len(x))]
        unlike = [
            each
            for index, each in enumerate(alone)
            if _differ([part[index : index + 1] for part in first], _outputs(network, each))
        ]
        if 2 * len(unlike) > len(x):
            raise UsageError(
                f"{_first_call(network, x, alone[0])} gives an example something else beside others than alone, so "
                "figures would depend on the size of a batch; use statistics of training instead of those of the "
                "batch, such as batch norm with track_running_stats."
            )


def check_memory(network: nn.Module, fresh: nn.Module, x: Tensor) -> None:
    """Checks that what a network became by training is in its parameters and buffers.

    Args:
        network: that ran in training mode.
        fresh: the same before it ran; it is given its parameters and buffers.
        x: examples.

    Raises:
        UsageError: then both do not answer alike.
    """
    fresh.load_state_dict(network.state_dict())
    with evaluating(network), evaluating(fresh), torch.no_grad():
        if _differ(_outputs(network, x), _outputs(fresh, x)):
            raise UsageError(
                f"{_first_call(network, x, x, fresh)} remembers of training what is in no parameter or buffer, so "
                "that a run that goes on, a worker or an export would have another network; keep it by "
                "register_buffer."
            )


def _outputs(network: nn.Module, x: Tensor) -> list[Tensor]:
    return tensors(network(x))


def _first_call(network: nn.Module, x: Tensor, other_x: Tensor, other: nn.Module | None = None) -> str:
    """The first module that gives something else for other inputs, of which there may be fewer, or in another network.

    The other network has the same modules.
    """
    ours, theirs = _calls(network, x), _calls(other or network, other_x)
    call = first_different_call(ours, theirs, _begin_otherwise)
    kind = type(network.get_submodule(call.path if call else "")).__name__
    return f"'{call}' ({kind})" if call else f"the model ({kind})"


def _calls(network: nn.Module, x: Tensor) -> dict[Call, list[Tensor]]:
    return calls(modules(network), lambda: network(x))


def _begin_otherwise(some: list[Tensor], others: list[Tensor]) -> bool:
    """Whether tensors differ in their first rows, where both have these."""
    pairs = [
        (ours[: len(theirs)], theirs) for ours, theirs in zip(some, others, strict=True) if ours.ndim and theirs.ndim
    ]
    return any(_differ([ours], [theirs]) for ours, theirs in pairs if ours.shape == theirs.shape)


def _differ(some: list[Tensor], others: list[Tensor]) -> bool:
    return difference(some, others) is not None
