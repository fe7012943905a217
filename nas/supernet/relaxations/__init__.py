"""How do choices become gates while architecture parameters learn? One file for each answer."""

from nas.supernet.relaxations.adjustment import adjusted
from nas.supernet.relaxations.annealing import cosine, linear
from nas.supernet.relaxations.binary_gates import BinaryGatePairs, BinaryGates
from nas.supernet.relaxations.dirichlet import Dirichlet
from nas.supernet.relaxations.group_dropout import GroupDropout
from nas.supernet.relaxations.gumbel import Concrete, GumbelStraightThrough
from nas.supernet.relaxations.max_w import MaxW
from nas.supernet.relaxations.relaxation import Decision, GateWeights, Relaxation
from nas.supernet.relaxations.sampled_sizes import SampledSizes
from nas.supernet.relaxations.softmax import Softmax
from nas.supernet.relaxations.thresholds import Thresholds

__all__ = [
    "BinaryGatePairs",
    "BinaryGates",
    "Concrete",
    "Decision",
    "Dirichlet",
    "GateWeights",
    "GroupDropout",
    "GumbelStraightThrough",
    "MaxW",
    "Relaxation",
    "SampledSizes",
    "Softmax",
    "Thresholds",
    "adjusted",
    "cosine",
    "linear",
]
