"""The checkpoint of a model that is used as it is."""

from pathlib import Path

from torch import Tensor, nn

from nas.training.checkpoint import save_checkpoint
from nas.training.fingerprints import described, fingerprint

__all__ = ["save_untrained"]


def save_untrained(path: Path, model: nn.Module, example: Tensor) -> None:
    """Writes the weights of a model as those of a training without epochs, which has ended.

    Args:
        path: of the file.
        model: whose weights are kept.
        example: a batch of its inputs, of which only shape and type matter.
    """
    save_checkpoint(path, model, epochs=0, history=[], fingerprint=described(fingerprint(model, example)))
