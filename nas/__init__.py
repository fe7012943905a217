"""Neural architecture search with weight-sharing supernets."""

from nas import nn
from nas.errors import UsageError
from nas.space import Architecture, Choice, Space
from nas.supernet import Supernet

__version__ = "0.1.0"

__all__ = ["Architecture", "Choice", "Space", "Supernet", "UsageError", "nn"]
