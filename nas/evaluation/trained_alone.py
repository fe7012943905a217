"""The evaluator that needs no supernet: every candidate is trained by itself."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import nn

from nas.data import Split
from nas.errors import UsageError
from nas.evaluation.metrics import groups_of, tally_of
from nas.evaluation.standalone import Standalone
from nas.problem import Problem
from nas.space import EPOCHS, Architecture
from nas.tasks import Tally

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TrainedAlone"]


class TrainedAlone:
    """Each candidate trained by itself from fresh weights; the networks that were evaluated are delivered.

    In the folder of a run a network is kept as a checkpoint, so that a training that was interrupted goes on, and none
    is done twice. Where ``epochs`` are a choice outside the model, each candidate is trained for as many as its
    architecture says, from fresh weights and with a schedule of that length.

    Args:
        problem: its ``retraining`` is the recipe.
        epochs: of each training, in place of those of the recipe.
        batch_size: of the validation pass.

    Raises:
        UsageError: less than one epoch.
    """

    name = "standalone"
    batch = 1
    choices: tuple[str, ...] = (EPOCHS,)

    def __init__(self, problem: Problem, epochs: int | None = None, *, batch_size: int = 256) -> None:
        if epochs is not None and epochs < 1:
            raise UsageError(f"evaluator 'standalone' has epochs {epochs}; give 1 or more.")
        recipe = problem.retraining if epochs is None else problem.retraining.model_copy(update={"epochs": epochs})
        self._problem, self._recipe = problem, recipe
        self._data, self._folder, self._batch_size = problem.data, problem.folder, batch_size
        self.fidelity = f"{len(problem.data.train)} {problem.data.examples}, {recipe.model_dump_json()}"

    def __call__(self, architectures: Sequence[Architecture]) -> "pd.DataFrame":
        """One row for each architecture, with the columns of the ``columns`` of the task."""
        import pandas as pd

        return pd.DataFrame([tally.metrics() for tally in self.tallies(architectures, self._data.validation)])

    def tallies(self, architectures: Sequence[Architecture], split: Split) -> list[Tally]:
        """What the trained network of each architecture makes of every example of a split."""
        return [self._tally(architecture, split) for architecture in architectures]

    def network(self, architecture: Architecture) -> nn.Module:
        """The trained network; trained now if it is not there."""
        kept = self._folder and self._folder / "checkpoints" / f"alone-{architecture.id}.safetensors"
        problem, epochs = self._problem, architecture.get(EPOCHS, self._recipe.epochs)
        recipe = self._recipe.model_copy(update={"epochs": epochs})
        return Standalone(problem.delivered, problem.data, recipe, problem.seed).train(architecture, kept).eval()

    def _tally(self, architecture: Architecture, split: Split) -> Tally:
        batches = split.at(architecture).batches(self._batch_size)
        return tally_of(self.network(architecture), batches, self._data.task, groups_of(split))
