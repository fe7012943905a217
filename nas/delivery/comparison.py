"""Which of two files is delivered, where one of them holds a network that was trained again."""

from pathlib import Path

import torch

from nas.data import Inputs
from nas.evaluation.metrics import groups_of
from nas.evaluation.paired import cheapest_of_equals
from nas.export import OnnxNetwork
from nas.setup.run_setup import Setup
from nas.tasks import Tally

__all__ = ["is_better"]

_ERRORS = 1.0


File = tuple[bytes | Path, Inputs]
"""The bytes of an ONNX file, or where it is, and what it reads."""


def is_better(setup: Setup, new: File, old: File) -> bool:
    """Whether a file is ahead of another by more than one standard error of their paired difference.

    That is the rule of Breiman et al. (1984), by the part of the validation split that selects, so a single image never
    decides; the part that confirms is not read. Both files are what they are when handed over, in the run's dtype.

    Args:
        new: a file.
        old: another; it stays unless the new one is better.
    """
    split, maximise = setup.data.validation, setup.metric.maximise
    results = [_tally(setup, *file).results for file in (old, new)]
    return cheapest_of_equals(results, [0, 1], maximise, _ERRORS, groups_of(split)).chosen == 1


@torch.inference_mode()
def _tally(setup: Setup, file: bytes | Path, inputs: Inputs) -> Tally:
    split, network = setup.data.validation, OnnxNetwork(file)
    tally = setup.data.task.tally(groups_of(split))
    for x, y in inputs.batches(split, setup.config.evaluation.batch_size):
        tally.add(network(x), y)
    return tally
