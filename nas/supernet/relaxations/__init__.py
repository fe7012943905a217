"""How do choices become gates while architecture parameters learn? One file for each answer."""

from typing import TYPE_CHECKING

from nas.lazy_imports import lazy

if TYPE_CHECKING:
    from nas.supernet.relaxations.adjustment import adjusted as adjusted
    from nas.supernet.relaxations.annealing import cosine as cosine, linear as linear
    from nas.supernet.relaxations.binary_gates import BinaryGatePairs as BinaryGatePairs, BinaryGates as BinaryGates
    from nas.supernet.relaxations.dirichlet import Dirichlet as Dirichlet
    from nas.supernet.relaxations.group_dropout import GroupDropout as GroupDropout
    from nas.supernet.relaxations.gumbel import Concrete as Concrete, GumbelStraightThrough as GumbelStraightThrough
    from nas.supernet.relaxations.max_w import MaxW as MaxW
    from nas.supernet.relaxations.relaxation import (
        Decision as Decision,
        GateWeights as GateWeights,
        Relaxation as Relaxation,
    )
    from nas.supernet.relaxations.sampled_sizes import SampledSizes as SampledSizes
    from nas.supernet.relaxations.softmax import Softmax as Softmax
    from nas.supernet.relaxations.thresholds import Thresholds as Thresholds

lazy(__name__)
