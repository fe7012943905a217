"""The data sets that have a name."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nas.parts import Slot

if TYPE_CHECKING:
    from nas.data.source import ExampleSource, TextSource

__all__ = ["TASKS", "available"]

_NAMES = ("digits", "noisy_digits", "fashion_mnist", "cifar10", "folder", "npz", "text")


def _fits(part: Any) -> bool:
    from nas.data.source import ExampleSource, TextSource

    return isinstance(part, ExampleSource | TextSource) or callable(part)


TASKS: "Slot[ExampleSource | TextSource | Callable[..., Any]]" = Slot(
    "task",
    "nas.tasks",
    {name: f"nas.data.shipped:{name.upper()}" for name in _NAMES},
    _fits,
    "a function that returns torch Datasets, or nas.data.TaskData of them",
)
"""Data with their tasks: what ships, what other packages register, and what a user wrote."""


def available() -> dict[str, str]:
    """Name and one-line summary of everything ``load`` takes.

    >>> list(available())
    ['digits', 'noisy_digits', 'fashion_mnist', 'cifar10', 'folder', 'npz', 'text', 'package.module:function']
    """
    own = "your function, which returns torch Datasets of (image, label), or nas.data.TaskData"
    return {each.name: each.summary for each in TASKS.listing()} | {"package.module:function": own}
