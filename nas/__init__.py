"""Neural architecture search with weight-sharing supernets.

A search space is an ordinary PyTorch model with choices in it, an architecture says which candidate each choice
takes, and a supernet is that model plus a rule for which weights an architecture sees.

Sub-packages, and :class:`nas.run.Run`, are imported when they are first used, so that ``import nas`` stays light.
"""

import importlib
from typing import TYPE_CHECKING, Any

from nas import nn, space, supernet
from nas.errors import UsageError
from nas.space import Architecture, Choice, Space
from nas.streams import Stream, rng
from nas.supernet import Supernet

if TYPE_CHECKING:
    from nas.run import Run

__version__ = "0.1.0"

__all__ = [
    "Architecture",
    "Choice",
    "Run",
    "Space",
    "Stream",
    "Supernet",
    "UsageError",
    "data",
    "distributed",
    "evaluation",
    "export",
    "hardware",
    "methods",
    "nn",
    "predictors",
    "problem",
    "report",
    "rng",
    "runs",
    "search",
    "space",
    "streams",
    "supernet",
    "tasks",
    "training",
]


def __getattr__(name: str) -> Any:
    if name == "Run":
        return importlib.import_module("nas.run").Run
    if name in __all__:
        return importlib.import_module(f"nas.{name}")
    raise AttributeError(f"module 'nas' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
