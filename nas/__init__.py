"""Neural architecture search with weight-sharing supernets.

A search space is an ordinary PyTorch model with choices in it, an architecture says which candidate each choice
takes, and a supernet is that model plus a rule for which weights an architecture sees.

What is here is imported when it is first used, so that ``import nas`` stays light.
"""

from typing import TYPE_CHECKING

from nas.lazy import lazy

if TYPE_CHECKING:
    from nas import (
        data as data,
        distributed as distributed,
        evaluation as evaluation,
        export as export,
        hardware as hardware,
        methods as methods,
        nn as nn,
        predictors as predictors,
        problem as problem,
        report as report,
        runs as runs,
        search as search,
        space as space,
        streams as streams,
        supernet as supernet,
        tasks as tasks,
        training as training,
    )
    from nas.errors import UsageError as UsageError
    from nas.run import Run as Run
    from nas.space import Architecture as Architecture, Choice as Choice, Space as Space
    from nas.streams import Stream as Stream, rng as rng
    from nas.supernet import Supernet as Supernet

__version__ = "0.1.0"

lazy(__name__)
