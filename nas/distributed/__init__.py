"""The same work on many processes and machines, by Ray.

Ray is imported when a connection is made, never before.
"""

from typing import TYPE_CHECKING

from nas.lazy_imports import lazy

if TYPE_CHECKING:
    from nas.distributed.banks import train_banks as train_banks
    from nas.distributed.cluster import (
        connected as connected,
        free_of as free_of,
        ray_module as ray_module,
        require as require,
        require_reachable as require_reachable,
    )
    from nas.distributed.data_parallel import Training as Training, train_together as train_together
    from nas.distributed.jobs import Ending as Ending, Jobs as Jobs
    from nas.distributed.measuring import RemoteMachine as RemoteMachine
    from nas.distributed.pool import EvaluationPool as EvaluationPool
    from nas.distributed.tasks import each as each

lazy(__name__)
