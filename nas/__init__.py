"""Neural architecture search with weight-sharing supernets.

A search space is an ordinary PyTorch model with choices in it, an architecture says which candidate each choice
takes, and a supernet is that model plus a rule for which weights an architecture sees.

Sub-packages are imported when they are first used, so that ``import nas`` stays light.
"""

import importlib
from types import ModuleType

from nas import nn, space, supernet
from nas.errors import UsageError
from nas.space import Architecture, Choice, Space
from nas.streams import Stream, rng
from nas.supernet import Supernet

__version__ = "0.1.0"

__all__ = [
    "Architecture",
    "Choice",
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


def __getattr__(name: str) -> ModuleType:
    if name in __all__:
        return importlib.import_module(f"nas.{name}")
    raise AttributeError(f"module 'nas' has no attribute '{name}'")
