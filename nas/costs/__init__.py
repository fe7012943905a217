"""What a network costs, counted by tracing it: FLOPs, parameters, memory, and costs of a user's own."""

from typing import TYPE_CHECKING

from nas.lazy_imports import lazy

if TYPE_CHECKING:
    from nas.costs.candidate import Candidate as Candidate
    from nas.costs.expected import ExpectedCost as ExpectedCost
    from nas.costs.names import COUNTED as COUNTED, LATENCY as LATENCY
    from nas.costs.own_costs import COSTS as COSTS, OwnCosts as OwnCosts
    from nas.costs.static import BlockCost as BlockCost, StaticCosts as StaticCosts
    from nas.costs.tracing import Trace as Trace, parameters as parameters, trace as trace

lazy(__name__)
