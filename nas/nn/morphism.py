"""A larger network that computes what a smaller one does, before it is trained further."""

import torch
from torch import Tensor, nn

from nas.errors import UsageError
from nas.nn.batch_norms import batch_norms
from nas.nn.branches import branch_paths

__all__ = ["grow_from"]


def grow_from(network: nn.Module, smaller: nn.Module) -> None:
    """Gives a network the weights of a smaller one of the same space, so that in evaluation mode both compute the same.

    In place, and after EAS (Cai et al., 2018). A wider layer keeps its channels; what reads the new ones begins with
    zeros, where Net2Net (Chen et al., 2016) splits copies, since so no two channels are alike. A larger kernel is the
    smaller one in zeros. A block that the smaller network lacks passes on what it gets: if it has a residual branch,
    called by its attribute ``branch``, the last layer of that is zero; else convolutions and norms become identities,
    which are none where an activation changes what another has given.

    It relies on layers that use their first channels and the centre of their kernels, as elastic ones do.

    Args:
        network: with fresh weights, which the new channels keep.
        smaller: both are on the same device.

    Raises:
        UsageError: a layer of the network is smaller than that of the other, or absent.
    """
    own, given = _tensors(network), _tensors(smaller)
    for name, tensor in given.items():
        if name not in own or any(size < old for size, old in zip(own[name].shape, tensor.shape, strict=True)):
            raise UsageError(
                f"'{name}' {tuple(tensor.shape)} of the smaller network does not fit into the larger one, which has "
                f"{tuple(own[name].shape) if name in own else 'no such tensor'}; only grow what contains the other."
            )
        _enlarge(own[name], tensor)
    known = {name for name, _ in smaller.named_modules()}
    for name, module in network.named_modules():
        if name not in known and name.rpartition(".")[0] in known and any(True for _ in module.parameters()):
            _pass_on(module)


def _tensors(network: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers, without gradients."""
    return {name: tensor.detach() for name, tensor in network.state_dict().items()}


def _enlarge(tensor: Tensor, smaller: Tensor) -> None:
    """Puts a tensor into the first channels and the centre of a larger one; its channels read nothing else."""
    if tensor.dim() > 1:
        tensor[: len(smaller)] = 0
    places = [
        slice(0, old) if axis < 2 else slice((size - old) // 2, (size - old) // 2 + old)
        for axis, (size, old) in enumerate(zip(tensor.shape, smaller.shape, strict=True))
    ]
    tensor[tuple(places)] = smaller


def _pass_on(block: nn.Module) -> None:
    """Makes a new block the identity."""
    branches = [block.get_submodule(path) for path in branch_paths(block)]
    for branch in branches:
        last = [module for module in branch.modules() if "weight" in module._parameters][-1]
        for parameter in last.parameters():
            nn.init.zeros_(parameter)
    if not branches:
        _make_identities(block)


@torch.no_grad()
def _make_identities(block: nn.Module) -> None:
    for module in block.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
            nn.init.dirac_(module.weight, module.groups)
        elif isinstance(module, nn.Linear):
            nn.init.eye_(module.weight)
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear) and module.bias is not None:
            module.bias.zero_()
    for norm in batch_norms(block.modules()):
        mean, variance = norm.running_mean, norm.running_var
        if norm.affine and mean is not None and variance is not None:
            norm.weight.copy_((variance + norm.eps).sqrt())
            norm.bias.copy_(mean)
