"""What the networks of a data set must do."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from torch import Tensor

from nas.tasks.intervals import Groups
from nas.tasks.losses import LossTerm
from nas.tasks.metric import Metric
from nas.tasks.tally import Tally

__all__ = ["Task"]


class Task(ABC):
    """Says what a network is trained for and evaluated by, and of what shape its outputs are; to be extended.

    Outputs are ``[N, ...]`` with at least one more dimension. Targets are what a split gives beside its inputs.

    Attributes:
        name: in files.
        metric: by which networks are compared.
        others: further figures that a tally gives.
        agreement: what two outputs that agree have in common, for a sentence: "the same label".
        answer: Python that says what an ``{output}`` for one example ``[1, ...]`` means, for those who use the network;
            ``classes`` are those that :meth:`describe` tells.
        classes: what integer targets ``[N]`` stand for; they are shared out in proportion among splits.
    """

    name: ClassVar[str]
    metric: ClassVar[Metric]
    others: ClassVar[Sequence[Metric]] = ()
    agreement: ClassVar[str]
    answer: ClassVar[str] = "{output}[0]"
    classes: Sequence[str] = ()

    @property
    def figures(self) -> list[str]:
        """The names of the figures that tell how good a network is, the metric first."""
        return [self.metric.name, *(other.name for other in self.others)]

    @property
    def columns(self) -> list[str]:
        """The names of what :meth:`Tally.metrics` gives."""
        name = self.metric.name
        return [name, f"{name}_low", f"{name}_high", *self.figures[1:], "loss"]

    @abstractmethod
    def output_shape(self, target_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Of the output for one example, given the shape of its target."""

    @abstractmethod
    def outputs(self, count: int) -> str:
        """So many outputs in words, such as "10 classes"."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Plain values that a user of an exported network must know, such as the names of its classes."""

    @abstractmethod
    def check_targets(self, targets: npt.ArrayLike, examples: int, where: str) -> Tensor:
        """Targets ``[N, ...]`` in the type that losses and tallies take.

        Args:
            targets: one for each example, as they were read.
            examples: how many there are.
            where: the file or object they come from, for a sentence.

        Raises:
            UsageError: they are none of this task, or another number.
        """

    def check_splits(self, name: str, targets: Mapping[str, Tensor]) -> list[str]:
        """Refuses splits from which nothing could be learnt, or by which nothing could be evaluated.

        Args:
            name: of the data set.
            targets: of the splits "train", "validation" and "test".

        Returns:
            Sentences that the user should read.

        Raises:
            UsageError: naming what is missing.
        """
        return []

    @abstractmethod
    def loss(self, label_smoothing: float = 0.0, roles: Collection[str] | None = None, weight: float = 1.0) -> LossTerm:
        """What is learnt from targets.

        Args:
            label_smoothing: share of the probability that goes to other answers; a task without probabilities has none.
            roles: the roles that learn from targets; None for all.
            weight: factor.
        """

    @abstractmethod
    def distillation(self, teacher: str = "largest") -> LossTerm:
        """What a pass learns from another pass of the same step.

        Args:
            teacher: the role that teaches; passes that ran before it have no such term.
        """

    @abstractmethod
    def taught(self, output: Tensor, temperature: float = 1.0) -> Tensor:
        """What a teacher's output says, in numbers of which a mean over teachers makes sense, such as probabilities.

        Args:
            output: of the teacher.
            temperature: by which logits are divided.
        """

    @abstractmethod
    def votes(self, output: Tensor) -> Tensor:
        """The same where a teacher has but votes: everything for its choice.

        Raises:
            UsageError: there is nothing to choose from.
        """

    @abstractmethod
    def divergence(self, output: Tensor, taught: Tensor, temperature: float = 1.0) -> Tensor:
        """A scalar: how far a student's output is from what it was taught, averaged over examples.

        Args:
            output: of the student.
            taught: what :meth:`taught` or :meth:`votes` gave of teachers.
            temperature: by which logits are divided; gradients stay as large as those of targets.
        """

    @abstractmethod
    def tally(self, groups: Groups | None = None) -> Tally:
        """An empty tally.

        Args:
            groups: ``[examples]``, equal for copies of one example, in the order in which they will be added.
        """

    @abstractmethod
    def agree(self, answers: np.ndarray, expected: np.ndarray) -> npt.NDArray[np.bool_]:
        """Whether two networks say the same, one value for each thing that they say.

        Args:
            answers: outputs ``[N, ...]`` of an exported file.
            expected: outputs of the network.
        """
