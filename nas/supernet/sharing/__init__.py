"""Which weights does an architecture see? Each scheme maps architectures to coefficients over weight banks."""

from nas.supernet.sharing.balanced_mixture import BalancedMixture
from nas.supernet.sharing.few_shot import FewShot
from nas.supernet.sharing.gradient_matching import GradientMatching
from nas.supernet.sharing.one_bank import OneBank
from nas.supernet.sharing.partition import Partition
from nas.supernet.sharing.routed_experts import RoutedExperts
from nas.supernet.sharing.shared import Shared
from nas.supernet.sharing.sharing import Sharing
from nas.supernet.sharing.tied import Tied

__all__ = [
    "BalancedMixture",
    "FewShot",
    "GradientMatching",
    "OneBank",
    "Partition",
    "RoutedExperts",
    "Shared",
    "Sharing",
    "Tied",
]
