"""The same work on many processes and machines, by Ray.

Ray is imported when a connection is made, never before.
"""

from nas.distributed.cluster import connected, ray_module, require, require_reachable
from nas.distributed.measuring import RemoteMachine
from nas.distributed.pool import EvaluationPool

__all__ = ["EvaluationPool", "RemoteMachine", "connected", "ray_module", "require", "require_reachable"]
