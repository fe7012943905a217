"""Which weights does an architecture see? Each scheme maps architectures to coefficients over weight banks."""

from nas.sharing.balanced_mixture import BalancedMixture
from nas.sharing.few_shot import FewShot
from nas.sharing.gradient_matching import GradientMatching
from nas.sharing.one_bank import OneBank
from nas.sharing.partition import Partition
from nas.sharing.routed_experts import RoutedExperts
from nas.sharing.shared import Shared
from nas.sharing.sharing import Sharing
from nas.sharing.tied import Tied

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
