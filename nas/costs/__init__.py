"""What a network costs, counted by tracing it: FLOPs, parameters, memory, and costs of a user's own."""

from nas.costs.candidate import Candidate
from nas.costs.expected import ExpectedCost
from nas.costs.own_costs import COSTS, OwnCosts
from nas.costs.static import BlockCost, StaticCosts
from nas.costs.tracing import Trace, parameters, trace

__all__ = ["COSTS", "BlockCost", "Candidate", "ExpectedCost", "OwnCosts", "StaticCosts", "Trace", "parameters", "trace"]
