"""What a proxy may ask of an untrained network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from nas.tasks import Forward, LossTerm

__all__ = ["Probe", "weights_of", "without_normalisation"]

_NORMS = (_BatchNorm, _InstanceNorm, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)


@dataclass(frozen=True, eq=False)
class Probe:
    """Examples, a loss, random numbers and costs. A network is in training mode, and the proxy may change it.

    Attributes:
        batches: inputs ``[N, ...]`` and targets ``[N, ...]`` of the training split.
        criterion: what the task's networks learn.
        costs: exact ones of the network, such as ``params``.
        seed: of what a proxy draws.
    """

    batches: Sequence[tuple[Tensor, Tensor]]
    criterion: LossTerm
    costs: Mapping[str, float]
    seed: int

    def loss(self, network: nn.Module, batch: int = 0) -> Tensor:
        """The loss of a network on one of the batches."""
        inputs, targets = self.batches[batch]
        found = self.criterion(Forward(network(inputs), targets, "network", {}, inputs))
        assert found is not None, "a loss without roles applies to every pass"
        return found

    def gradients(self, network: nn.Module, batch: int = 0) -> list[Tensor]:
        """Of the loss by the weights; zeros for those that the loss does not depend on."""
        weights = weights_of(network)
        return list(torch.autograd.grad(self.loss(network, batch), weights, allow_unused=True, materialize_grads=True))

    def normal(self, *shape: int) -> Tensor:
        """The same standard normal numbers in each call."""
        inputs = self.batches[0][0]
        return torch.randn(shape, generator=torch.Generator().manual_seed(self.seed)).to(inputs.device)


def weights_of(network: nn.Module) -> list[nn.Parameter]:
    """The kernels and matrices, without biases and scales."""
    return [parameter for parameter in network.parameters() if parameter.requires_grad and parameter.dim() > 1]


def without_normalisation(network: nn.Module) -> nn.Module:
    """The network with its layers of normalisation replaced, in place, by identities."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, _NORMS):
                setattr(module, name, nn.Identity())
    return network
