"""The same work on many processes and machines, by Ray.

Ray is imported when a connection is made, never before.
"""

from nas.distributed.banks import train_banks
from nas.distributed.cluster import connected, free_of, ray_module, require, require_reachable
from nas.distributed.data_parallel import Training, train_together
from nas.distributed.measuring import RemoteMachine
from nas.distributed.pool import EvaluationPool
from nas.distributed.tasks import each

__all__ = [
    "EvaluationPool",
    "RemoteMachine",
    "Training",
    "connected",
    "each",
    "free_of",
    "ray_module",
    "require",
    "require_reachable",
    "train_banks",
    "train_together",
]
