"""Classification: one of several classes for each example."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from nas.errors import UsageError
from nas.tasks.categorical import Categorical
from nas.tasks.intervals import Groups, accuracy_interval, effective_size
from nas.tasks.metric import Metric
from nas.tasks.tally import Tally
from nas.wording import counted, printable

__all__ = ["ACCURACY", "Classification", "check_labels"]

ACCURACY = Metric("accuracy", maximise=True, share=True)
"""Share of the labels that are predicted, between 0 and 1."""

_EXPECTED = 5
"""Classes of which a test split should have at least so many images are not missing by chance."""


@dataclass(frozen=True)
class Classification(Categorical):
    """Logits ``[N, classes]`` for labels ``[N]`` int64; networks are compared by accuracy.

    Attributes:
        classes: their names; label i is ``classes[i]``. They stand in files and sentences, so they are made printable.
    """

    classes: tuple[str, ...]

    name = "classification"
    metric = ACCURACY
    answer = "classes[{output}.argmax()]"

    def __init__(self, classes: Sequence[str]) -> None:
        object.__setattr__(self, "classes", tuple(printable(each, keep="") for each in classes))

    def output_shape(self, target_shape: tuple[int, ...]) -> tuple[int, ...]:
        """(classes,)."""
        return (len(self.classes), *target_shape)

    def describe(self) -> dict[str, Any]:
        return {"classes": list(self.classes)}

    def check_targets(self, targets: npt.ArrayLike, examples: int, where: str) -> Tensor:
        """[N] int64; see :func:`check_labels`."""
        return check_labels(targets, examples, len(self.classes), where)

    def check_splits(self, name: str, targets: Mapping[str, Tensor]) -> list[str]:
        """Refuses a single class, or splits that lack one; a note where chance explains that the test split does."""
        if len(self.classes) < 2:
            raise UsageError(
                f"Data set '{name}' has a single class, '{self.classes[0]}', so there is nothing to learn; "
                "add images of another class."
            )
        return list(self._absences(name, targets))

    def tally(self, groups: Groups | None = None) -> Tally:
        return _Answers(groups)

    def _absences(self, name: str, targets: Mapping[str, Tensor]) -> Iterator[str]:
        counts = {title: torch.bincount(labels, minlength=len(self.classes)) for title, labels in targets.items()}
        share = counts["train"] / counts["train"].sum()
        for title, count in counts.items():
            missing = count == 0
            names = [f"'{self.classes[label]}'" for label in missing.nonzero().flatten().tolist()]
            if names and not (title == "test" and share[missing].sum() * count.sum() < _EXPECTED):
                raise UsageError(
                    f"The {title} split of '{name}' has no image of class {names[0]}; add images or drop the class."
                )
            if names:
                yield (
                    f"The {title} split of '{name}' has no image of class {', '.join(names)}, of which its figures say "
                    "nothing."
                )


class _Answers(Tally):
    """Which examples are right: ``accuracy`` and its interval, and the mean cross-entropy ``loss`` in nats."""

    def __init__(self, groups: Groups | None = None) -> None:
        super().__init__(groups)
        self.correct, self.seen, self.loss = 0, 0, 0.0

    def add(self, output: Tensor, target: Tensor) -> None:
        """Counts logits ``[N, classes]`` and labels ``[N]``."""
        right = output.argmax(1) == target
        self.correct += int(right.sum())
        self.seen += target.numel()
        self.loss += float(F.cross_entropy(output, target, reduction="sum"))
        self._results.append(right.cpu())

    def metrics(self) -> dict[str, float]:
        size = effective_size(self.results, self.groups)
        low, high = accuracy_interval(self.score * size, size)
        return {"accuracy": self.score, "accuracy_low": low, "accuracy_high": high, "loss": self.loss / self.seen}

    @property
    def score(self) -> float:
        """The accuracy."""
        return self.correct / self.seen


def check_labels(labels: npt.ArrayLike, images: int, classes: int, where: str) -> Tensor:
    """Labels as [N] int64, after checking that they fit the images and the classes.

    Args:
        labels: one integer for each image.
        images: number of images.
        classes: labels must be from 0 to ``classes - 1``.
        where: the file or object they come from, for the message.

    Raises:
        UsageError: for an empty set, another count, labels that are no integers or out of range.
    """
    values = np.asarray(labels)
    if values.ndim != 1 or len(values) != images:
        count = counted(len(values), "label") if values.ndim == 1 else f"labels of shape {values.shape}"
        raise UsageError(f"{where} holds {count} for {counted(images, 'image')}; give one label for each image.")
    if images == 0:
        raise UsageError(f"{where} holds no image; give a set with images.")
    if values.dtype.kind not in "iu":
        raise UsageError(f"{where} holds labels of type {values.dtype}; give integers.")
    for position in np.flatnonzero((values < 0) | (values >= classes))[:1]:
        raise UsageError(
            f"{where} holds label {values[position]} at position {position}; labels must be from 0 to {classes - 1}."
        )
    return torch.from_numpy(values.astype(np.int64))
