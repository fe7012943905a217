"""An auxiliary classifier at two thirds of the depth, which helps deep cell networks to train."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nas.costs.tracing import meta_copy
from nas.errors import UsageError, did_you_mean
from nas.training.context import Context
from nas.training.objectives import Forward, LossTerm
from nas.training.steps import Backward, Pass, Step, total_loss

__all__ = ["AuxiliaryHead", "AuxiliaryStep"]


class AuxiliaryHead(nn.Module):
    """A network and a second classifier on what one of its modules gives (Szegedy et al., 2015; Liu et al., 2019).

    Only for training: afterwards the network itself is taken, in which nothing but the weights has changed. The head is
    that of DARTS on CIFAR: ReLU, pooling to 2x2, 128 channels, 768 channels, linear. Maps of 8x8 are pooled as
    published, others adaptively.

    Shapes: ``[N, C, H, W]`` → outputs of the network and of the head, each ``[N, outputs]``.

    Args:
        network: plain.
        path: of the module whose output ``[N, C, H, W]`` the head classifies.
        outputs: how many a network has, such as classes.
        input_shape: channels, height and width of the images.

    Raises:
        UsageError: the network has no such module, or it gives no map.
    """

    def __init__(self, network: nn.Module, path: str, outputs: int, input_shape: tuple[int, ...]) -> None:
        super().__init__()
        paths = [name for name, _ in network.named_modules() if name]
        if path not in paths:
            raise UsageError(
                f"an auxiliary head is wanted at '{path}', which is no module; {did_you_mean(path, paths)}"
            )
        self.network, self.path = network, path
        with torch.no_grad():
            _, caught = _run(meta_copy(network), path, torch.empty((1, *input_shape), device="meta"))
        if caught.dim() != 4:
            raise UsageError(
                f"'{path}' gives {list(caught.shape)}, but an auxiliary head needs a map [N, C, H, W]; name a module "
                "before the global pooling."
            )
        self.head = _classifier(caught.shape[1], (caught.shape[2], caught.shape[3]), outputs)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        output, caught = _run(self.network, self.path, x)
        return output, self.head(caught)


class AuxiliaryStep(Step):
    """One forward and backward pass of a network with an auxiliary head.

    Args:
        model: the two.
        objective: loss terms, added up for each of the two.
        weight: of the head's loss; 0.4 as published.
    """

    def __init__(self, model: AuxiliaryHead, objective: Sequence[LossTerm], weight: float = 0.4) -> None:
        self.model, self.objective, self.weight, self.parts = model, objective, weight, objective

    def run(self, context: Context, x: Tensor, y: Tensor, backward: Backward) -> list[Pass]:
        output, auxiliary = self.model(x)
        loss = total_loss(self.objective, Forward(output, y, "network", {}, x))
        extra = total_loss(self.objective, Forward(auxiliary, y, "auxiliary", {}, x))
        backward(loss + self.weight * extra)
        return [Pass("network", loss.detach()), Pass("auxiliary", extra.detach())]


def _run(network: nn.Module, path: str, x: Tensor) -> tuple[Tensor, Tensor]:
    """What the network gives, and what the module at ``path`` gives on the way."""
    caught: list[Tensor] = []
    handle = network.get_submodule(path).register_forward_hook(lambda module, inputs, output: caught.append(output))
    try:
        output = network(x)
    finally:
        handle.remove()
    return output, caught[0]


def _classifier(channels: int, size: tuple[int, int], outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ReLU(),
        nn.AvgPool2d(5, stride=3) if size == (8, 8) else nn.AdaptiveAvgPool2d(2),
        nn.Conv2d(channels, 128, 1, bias=False),
        nn.BatchNorm2d(128),
        nn.ReLU(inplace=True),
        nn.Conv2d(128, 768, 2, bias=False),
        nn.BatchNorm2d(768),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(768, outputs),
    )
