"""Which classes the delivered file takes for which, and how sure it is, on the part of validation that confirms."""

import numpy as np
import torch
from torch import Tensor

from nas.export import OnnxNetwork
from nas.report.content import Confusion
from nas.setup.folder import RunFolder
from nas.setup.run_setup import Setup
from nas.space import Architecture
from nas.tasks import Classification
from nas.tasks.calibration import Calibration

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
    network, classes = OnnxNetwork(folder.onnx), len(task.classes)
    outputs, targets, seen = list[Tensor](), list[Tensor](), 0
    for x, y in setup.inputs_of(architecture).batches(setup.confirmation, size):
        outputs.append(network(x).cpu())
        targets.append(y.cpu())
        seen += len(y)
        if seen >= _MOST:
            break
    confidences, answers = torch.cat(outputs).double().softmax(1).max(1)
    right = torch.cat(targets)
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (right.numpy(), answers.numpy()), 1)
    calibration = Calibration.of(confidences.numpy(), (answers == right).numpy())
    return Confusion(task.classes, counts, f"validation {setup.data.examples}", calibration)
