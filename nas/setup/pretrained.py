"""What follows where the weights with which a space is built are trained already: its settings, its network."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.errors import UsageError
from nas.models import digest_of
from nas.setup.config import RunConfig
from nas.setup.spaces import OWN_MODEL
from nas.space import is_space_file
from nas.training import Recipe

if TYPE_CHECKING:
    from torch import nn

    from nas.supernet import Supernet

__all__ = ["called_space", "check_untrained", "fine_tuning", "pretrained_network", "with_weights"]

_RATE = 0.2
"""Of the learning rates of a training from the beginning."""
_TAUGHT = 0.5
_KERNEL = "fixed"
"""The centre of a trained kernel alone is worth little: half of the latency cost 4 points of accuracy with smaller
kernels and 1.4 without, in a minute of a ResNet on Fashion-MNIST."""


def called_space(config: RunConfig) -> str:
    """What names a space: its name, that of its file, or that of the model that it is made of."""
    if is_space_file(config.space):
        return Path(config.space).stem
    model = config.space_args.get("model") if config.space == OWN_MODEL else None
    return model if isinstance(model, str) else config.space


def with_weights(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with the digest of the checkpoint that they name, and what is decided where weights are pretrained.

    Kernels then keep their size, unless somebody says otherwise.

    Where some weights begin anew, nobody has learnt to teach yet.

    Raises:
        UsageError: the checkpoint cannot be read.
    """
    arguments, given = values.get("space_args"), dict(values)
    if values.get("space") == OWN_MODEL and isinstance(arguments, Mapping):
        checkpoint = arguments.get("checkpoint")
        if isinstance(checkpoint, str):
            kept = arguments.get("digest") or digest_of(Path(checkpoint))
            arguments = {"kernel": _KERNEL, **arguments, "digest": kept}
            given |= {"pretrained": values.get("pretrained", True), "space_args": arguments}
    if given.get("pretrained") is True and not (isinstance(arguments, Mapping) and arguments.get("fresh")):
        given.setdefault("distillation", _TAUGHT)
    return given


def fine_tuning(recipe: Mapping[str, Any]) -> dict[str, float]:
    """Learning rates of a training that goes on from trained weights, given the recipe of one that begins."""
    begun = Recipe(**recipe)
    return {name: _RATE * getattr(begun, name) for name in ("learning_rate", "final_learning_rate")}


def pretrained_network(config: RunConfig, supernet: "Supernet") -> "nn.Module | None":
    """The network whose weights a supernet was built with, in evaluation mode; None where they are not pretrained.

    Args:
        supernet: before any training.
    """
    return supernet.extract(supernet.space.largest()).eval() if config.pretrained else None


def check_untrained(config: RunConfig, source: str) -> None:
    """Refuses a method that trains nothing where there is nothing trained, or a time that nothing could take.

    Raises:
        UsageError: one of them.
    """
    if not config.pretrained:
        raise UsageError(
            f"{source}: method '{config.method}' trains nothing, and the weights of space '{config.space}' are not "
            "trained either; give --model with --checkpoint, or set pretrained=true where the space brings its own."
        )
    if config.is_timed:
        raise UsageError(
            f"{source}: a time is given, but method '{config.method}' trains nothing that could take it; leave the "
            "time out, or choose another method."
        )
