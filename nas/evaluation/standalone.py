"""How good is an architecture when its network is trained by itself?"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from nas.data import Augment, Data
from nas.errors import UsageError
from nas.evaluation.auxiliary import AuxiliaryHead, AuxiliaryStep
from nas.evaluation.metrics import evaluate, groups_of
from nas.nn import initialise
from nas.streams import Stream, derive_seed
from nas.supernet import Supernet
from nas.training import (
    Distillation,
    Epoch,
    LossTerm,
    Phase,
    PlainStep,
    Recipe,
    check_fingerprint,
    fingerprint,
    load_checkpoint,
    restore,
    train_phases,
)
from nas.training.drop_path import DropPath, RisingDropPath, cell_edges
from nas.training.steps import Step

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Standalone"]


class Standalone:
    """Trains the plain network of each architecture and measures it on the validation split.

    An auxiliary head, if the recipe has one, sits at the module whose path is the attribute ``auxiliary`` of the model
    with choices; it is gone after the training.

    Args:
        supernet: gives the networks and, if ``inherit``, their first weights.
        data: trained on the training split with its augmentation.
        recipe: of each training.
        seed: of initialisation and training.
        inherit: start from the weights of the supernet instead of fresh ones.
        augment: in place of the augmentation of the data; the cutout of the recipe comes on top of either.
        teacher: what the networks learn from beside targets, which keep the share of the loss that it leaves.
    """

    name = "standalone"

    def __init__(
        self,
        supernet: Supernet,
        data: Data,
        recipe: Recipe,
        seed: int = 0,
        inherit: bool = False,
        augment: Augment | None = None,
        teacher: Distillation | None = None,
    ) -> None:
        self.supernet, self.data, self.recipe, self.seed, self.inherit = supernet, data, recipe, seed, inherit
        self.augment = data.augment if augment is None else augment
        self.teacher = teacher

    def __call__(self, architectures: Sequence[Mapping[str, Any]]) -> "pd.DataFrame":
        """One row for each architecture, with the ``columns`` of the task."""
        import pandas as pd

        return pd.DataFrame([self._evaluate(architecture) for architecture in architectures])

    def _evaluate(self, architecture: Mapping[str, Any]) -> dict[str, float]:
        network, split = self.train(architecture), self.data.at(architecture).validation
        return evaluate(network, split.batches(256), self.data.task, groups_of(split))

    def train(
        self,
        architecture: Mapping[str, Any],
        checkpoint: Path | None = None,
        on_epoch: Callable[[Epoch], None] | None = None,
        until: int | None = None,
    ) -> nn.Module:
        """The trained network; continues from the checkpoint if there is one.

        Args:
            until: after how many epochs of the recipe the training pauses; after all by default.

        Raises:
            UsageError: the recipe drops paths or has an auxiliary head, but the network has no place for it.
        """
        network = self.begin(architecture)
        self.fit(architecture, network, checkpoint, on_epoch, until)
        return network

    def begin(self, architecture: Mapping[str, Any]) -> nn.Module:
        """The network of an architecture with its first weights."""
        network = self.supernet.extract(architecture)
        return network if self.inherit else initialise(network, derive_seed(self.seed, Stream.FRESH_WEIGHTS))

    def fit(
        self,
        architecture: Mapping[str, Any],
        network: nn.Module,
        checkpoint: Path | None = None,
        on_epoch: Callable[[Epoch], None] | None = None,
        until: int | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Trains what :meth:`begin` gave for an architecture, in place; continues from the checkpoint if there is one.

        Args:
            stop: asked after every epoch; if it says so the training ends there.

        Raises:
            UsageError: as :meth:`train`.
        """
        data, drop = self.data.at(architecture), DropPath(network, self._edges(network))
        rising = [RisingDropPath(drop, self.recipe.drop_path)] if self.recipe.drop_path else []
        augment = self.recipe.augmentation(self.augment)
        phase = Phase(self._step(network, data), data.train, self.recipe, augment, rising)
        with drop:
            seed = derive_seed(self.seed, Stream.STANDALONE)
            train_phases([phase], seed=seed, checkpoint=checkpoint, on_epoch=on_epoch, until=until, stop=stop)

    def restored(self, architecture: Mapping[str, Any], checkpoint: Path) -> nn.Module:
        """The network as it was after the last epoch in a checkpoint, be its training finished or not.

        Raises:
            UsageError: the checkpoint cannot be read or belongs to another network.
        """
        network, data = self.begin(architecture), self.data.at(architecture)
        model, (tensors, header) = self._step(network, data).model, load_checkpoint(checkpoint)
        check_fingerprint(header, fingerprint(model, next(iter(data.train.batches(1)))[0]), checkpoint)
        restore(tensors, model)
        return network.eval()

    def _edges(self, network: nn.Module) -> list[str]:
        """The paths of the operations that are dropped; none without drop path."""
        edges = cell_edges(self.supernet.model, network) if self.recipe.drop_path else []
        if self.recipe.drop_path and not edges:
            raise UsageError(
                f"drop_path is {self.recipe.drop_path:g}, but the network has no nas.nn.Cell whose operations could be "
                "dropped; set drop_path to 0."
            )
        return edges

    @property
    def _objective(self) -> list[LossTerm]:
        targets = self.data.task.loss(
            self.recipe.label_smoothing, weight=1 - self.teacher.share if self.teacher else 1.0
        )
        return [targets, self.teacher] if self.teacher else [targets]

    def _step(self, network: nn.Module, data: Data) -> Step:
        if not self.recipe.auxiliary:
            return PlainStep(network, self._objective)
        place = getattr(self.supernet.model, "auxiliary", None)
        if not isinstance(place, str):
            raise UsageError(
                f"auxiliary is {self.recipe.auxiliary:g}, but {type(self.supernet.model).__name__} has no attribute "
                "'auxiliary' that names the module for an auxiliary head; set auxiliary to 0, or add one."
            )
        model = AuxiliaryHead(network, place, data.output_shape[0], data.input_shape)
        initialise(model.head, derive_seed(self.seed, Stream.AUXILIARY_HEAD))
        return AuxiliaryStep(model.to(data.train.device), self._objective, self.recipe.auxiliary)
