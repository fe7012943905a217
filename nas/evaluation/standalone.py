"""How good is an architecture when its network is trained by itself?"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from nas.data import ImageData
from nas.errors import UsageError
from nas.evaluation.metrics import evaluate
from nas.supernet import Supernet
from nas.training import CrossEntropy, Epoch, PlainStep, Recipe, train

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Standalone", "initialise"]


class Standalone:
    """Trains the plain network of each architecture and measures it on the validation split.

    Args:
        supernet: gives the networks and, if ``inherit``, their first weights.
        data: trained on the training split with its augmentation.
        recipe: of each training.
        seed: of initialisation and training.
        inherit: start from the weights of the supernet instead of fresh ones.
    """

    name = "standalone"

    def __init__(
        self, supernet: Supernet, data: ImageData, recipe: Recipe, seed: int = 0, inherit: bool = False
    ) -> None:
        self.supernet, self.data, self.recipe, self.seed, self.inherit = supernet, data, recipe, seed, inherit

    def __call__(self, architectures: Sequence[Mapping[str, Any]]) -> "pd.DataFrame":
        """One row for each architecture: accuracy, accuracy_low, accuracy_high, loss."""
        import pandas as pd

        networks = map(self.train, architectures)
        return pd.DataFrame([evaluate(network, self.data.validation.batches(256)) for network in networks])

    def train(
        self,
        architecture: Mapping[str, Any],
        checkpoint: Path | None = None,
        on_epoch: Callable[[Epoch], None] | None = None,
    ) -> nn.Module:
        """The trained network; continues from the checkpoint if there is one."""
        network = self.supernet.extract(architecture)
        if not self.inherit:
            initialise(network, self.seed)
        step = PlainStep(network, [CrossEntropy(self.recipe.label_smoothing)])
        train(
            step,
            self.data.train,
            self.recipe,
            seed=self.seed,
            augment=self.data.augment,
            checkpoint=checkpoint,
            on_epoch=on_epoch,
        )
        return network


def initialise(network: nn.Module, seed: int) -> nn.Module:
    """Gives every layer fresh weights by its own ``reset_parameters``, as if it had just been made.

    Raises:
        UsageError: a module holds parameters but has no ``reset_parameters``.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for module in network.modules():
            reset = getattr(module, "reset_parameters", None) or getattr(module, "_reset_parameters", None)
            if reset is not None:
                reset()
            elif next(module.parameters(recurse=False), None) is not None:
                raise UsageError(
                    f"{type(module).__name__} holds parameters but has no reset_parameters(), so a network with it "
                    "cannot be trained from fresh weights; write that method, or use retrain=inherited."
                )
    return network
