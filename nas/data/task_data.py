"""What a user's function returns where its data are not labelled images: data sets, and what networks must do."""

from dataclasses import dataclass
from typing import Any

from nas.errors import UsageError
from nas.tasks import Task

__all__ = ["TaskData"]


@dataclass(frozen=True)
class TaskData:
    """Torch Datasets of (input, target), and the task that they are for.

    Inputs are images [C, H, W], or arrays [C, ...] such as vectors [C] of features, uint8 (0 to 255) or floats. They
    are normalised channel by channel; targets stay as they are.

    Attributes:
        train: a Dataset with a length.
        task: what networks must do, such as ``nas.tasks.Regression()``.
        validation: by which candidates are evaluated; by default it is taken out of ``train``.
        test: for the final networks; likewise.

    Raises:
        UsageError: the task is none.
    """

    train: Any
    task: Task
    validation: Any = None
    test: Any = None

    def __post_init__(self) -> None:
        if not isinstance(self.task, Task):
            raise UsageError(
                f"TaskData has task {self.task!r:.80}; give an object of nas.tasks, such as nas.tasks.Regression()."
            )

    def sets(self) -> dict[str, Any]:
        """The data sets that are there, by title, that for training first."""
        given = {"validation": self.validation, "test": self.test}
        return {"train": self.train, **{title: each for title, each in given.items() if each is not None}}
