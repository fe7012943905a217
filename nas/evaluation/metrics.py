"""What a network's outputs on a split are worth."""

from collections.abc import Iterable

import torch
from torch import nn

from nas.data import Split
from nas.data.protocols import Batch
from nas.tasks import Task
from nas.tasks.intervals import Groups

__all__ = ["evaluate", "groups_of"]


def groups_of(split: Split) -> Groups | None:
    """Which examples of a split are copies of one, as NumPy has it."""
    return None if split.groups is None else split.groups.cpu().numpy()


@torch.inference_mode()
def evaluate(
    network: nn.Module, batches: Iterable[Batch], task: Task, groups: Groups | None = None
) -> dict[str, float]:
    """The metrics of a network on batches, run in evaluation mode as it stands.

    Args:
        task: of the data; its ``columns`` are the names of the metrics.
        groups: which examples are copies of one, as of :func:`groups_of`.
    """
    network.eval()
    tally = task.tally(groups)
    for x, y in batches:
        tally.add(network(x), y)
    return tally.metrics()
