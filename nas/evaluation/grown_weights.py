"""The evaluator that trains every candidate from the weights of a smaller one."""

import math
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn

from nas.errors import UsageError
from nas.evaluation.standalone import Standalone
from nas.evaluation.trained_alone import TrainedAlone
from nas.nn.morphism import grow_from
from nas.problem import Problem
from nas.space import Architecture, are_numbers
from nas.space.growth import shrunk

__all__ = ["GrownWeights"]

_TOLERANCE = 1e-3
"""How far outputs may be apart that should be the same, as a share of the largest; layers add up in another order."""


class GrownWeights(TrainedAlone):
    """Each candidate begins as what computes the same as one that is a step smaller, and is trained for a few epochs.

    As in EAS (Cai et al., 2018); see :func:`nas.nn.morphism.grow_from` and :func:`nas.space.growth.shrunk`. The smaller
    one is what remains if the last choice that can become smaller does so; it is trained before in the same way, unless
    it has been. What cannot become smaller is trained by the recipe of the run, from fresh weights. So a network is a
    function of its architecture alone, of which those that are many steps larger have been trained for longer. Strategy
    ``grow`` proposes what takes few trainings more.

    Args:
        problem: its ``retraining`` is the recipe.
        epochs: of each training that goes on, in place of those of the recipe.
        rate: its learning rate, as a share of that of the recipe; as published 0.02 in place of 0.1.
        batch_size: of the validation pass.

    Raises:
        UsageError: less than one epoch, a rate that is not positive, or a space without choices of numbers.
    """

    name = "grown"
    choices = ()

    def __init__(self, problem: Problem, epochs: int = 3, rate: float = 0.2, *, batch_size: int = 256) -> None:
        if epochs < 1:
            raise UsageError(f"evaluator 'grown' has epochs {epochs}; give 1 or more.")
        if not 0 < rate < math.inf:
            raise UsageError(f"evaluator 'grown' has rate {rate}; give a positive factor of the learning rate.")
        if not any(map(are_numbers, problem.space.choices.values())):
            raise UsageError(
                "evaluator 'grown' enlarges numbers, such as widths, but no choice of this space has them; take "
                "evaluator 'standalone'."
            )
        super().__init__(problem, batch_size=batch_size)
        rates = {name: rate * getattr(self._recipe, name) for name in ("learning_rate", "final_learning_rate")}
        self._further = self._recipe.model_copy(update={"epochs": epochs, **rates})
        self._temporary = None if problem.folder else TemporaryDirectory(prefix="nas-grown-")
        """Networks are kept there where the run has no folder."""
        self.fidelity = f"{self.fidelity}, {epochs} epochs a step at {rate:g} of the rate"

    def network(self, architecture: Architecture) -> nn.Module:
        """The trained network; trained now, and what it grows from, if it is not there.

        Raises:
            UsageError: the larger network does not compute what the smaller one does.
        """
        kept, problem = self._file(architecture), self._problem
        smaller = next(reversed(list(shrunk(problem.space, architecture))), None)
        recipe = self._recipe if smaller is None else self._further
        trainer = Standalone(problem.delivered, problem.data, recipe, problem.seed)
        network = trainer.begin(architecture)
        if smaller is not None and not kept.exists():
            self._grow(network, architecture, smaller)
        trainer.fit(architecture, network, kept)
        return network.eval()

    def _grow(self, network: nn.Module, architecture: Architecture, smaller: Architecture) -> None:
        known = self.network(smaller)
        grow_from(network, known)
        x, _ = next(iter(self._problem.data.at(architecture).validation.batches(8)))
        with torch.no_grad():
            expected, found = known(x), network.eval()(x)
        network.train()
        apart = float((found - expected).abs().max())
        if apart > _TOLERANCE * max(1.0, float(expected.abs().max())):
            raise UsageError(
                f"evaluator 'grown' made architecture {architecture.id} of {smaller.id}, but their outputs differ by "
                f"{apart:.3g}; this space has layers that it cannot enlarge without changing what they compute, such "
                "as layer norm or concatenated channels; take evaluator 'standalone'."
            )

    def _file(self, architecture: Architecture) -> Path:
        folder = Path(self._temporary.name) if self._temporary else self._problem.folder
        assert folder is not None
        return folder / "checkpoints" / f"grown-{architecture.id}.safetensors"
