"""Which classes the delivered file takes for which, on the part of the validation split that confirms."""

import numpy as np
import torch

from nas.export import OnnxNetwork
from nas.report.content import Confusion
from nas.setup.folder import RunFolder
from nas.setup.run_setup import Setup
from nas.space import Architecture
from nas.tasks import Classification

__all__ = ["confusion_of"]

_MOST = 10_000
"""Examples, which tell enough."""


@torch.inference_mode()
def confusion_of(setup: Setup, folder: RunFolder, architecture: Architecture) -> Confusion | None:
    """Of ``best.onnx``, by ONNX Runtime on the CPU; None where the task is not to tell one class for each example.

    Args:
        architecture: of the network in the file, which decides what it reads.

    Raises:
        UsageError: the file is damaged.
    """
    task, size = setup.data.task, setup.config.evaluation.batch_size
    if not isinstance(task, Classification):
        return None
    network, classes, seen = OnnxNetwork(folder.onnx), len(task.classes), 0
    counts = np.zeros((classes, classes), dtype=np.int64)
    for x, y in setup.inputs_of(architecture).batches(setup.confirmation, size):
        answers = network(x).argmax(1).cpu().numpy()
        np.add.at(counts, (y.cpu().numpy(), answers), 1)
        seen += len(answers)
        if seen >= _MOST:
            break
    return Confusion(task.classes, counts, f"validation {setup.data.examples}")
