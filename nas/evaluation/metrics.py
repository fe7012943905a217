"""What a network's outputs on a split are worth."""

from collections.abc import Iterable

import torch
from torch import nn

from nas.data import Split
from nas.data.protocols import Batch
from nas.tasks import Classification, Tally, Task
from nas.tasks.intervals import Groups

__all__ = ["evaluate", "groups_of", "selected", "tally_of"]

_CLASSES = Classification([])


def selected(task: Task, name: str) -> str:
    """What a column is called in results, where figures of the task by their plain names are confirmed ones.

    >>> from nas.tasks import Classification
    >>> task = Classification(["cat", "dog"])
    >>> selected(task, "accuracy"), selected(task, "synflow")
    ('selection_accuracy', 'synflow')
    """
    return f"selection_{name}" if name in task.columns else name


def groups_of(split: Split) -> Groups | None:
    """Which examples of a split are copies of one, as NumPy has it."""
    return None if split.groups is None else split.groups.cpu().numpy()


def evaluate(
    network: nn.Module, batches: Iterable[Batch], task: Task = _CLASSES, groups: Groups | None = None
) -> dict[str, float]:
    """The metrics of a network on batches, run in evaluation mode as it stands.

    Args:
        task: of the data; its ``columns`` are the names of the metrics. Classification by default.
        groups: which examples are copies of one, as of :func:`groups_of`.
    """
    return tally_of(network, batches, task, groups).metrics()


@torch.inference_mode()
def tally_of(network: nn.Module, batches: Iterable[Batch], task: Task, groups: Groups | None = None) -> Tally:
    """What a network makes of each example of batches, as :func:`evaluate` runs it."""
    network.eval()
    tally = task.tally(groups)
    for x, y in batches:
        tally.add(network(x), y)
    return tally
