"""Which weights does an architecture see? Each scheme maps architectures to coefficients over weight banks."""

from typing import TYPE_CHECKING

from nas.lazy_imports import lazy

if TYPE_CHECKING:
    from nas.sharing.attention_atoms import AttentionAtoms as AttentionAtoms
    from nas.sharing.balanced_mixture import BalancedMixture as BalancedMixture
    from nas.sharing.dense_parent import DenseParent as DenseParent
    from nas.sharing.few_shot import FewShot as FewShot
    from nas.sharing.gradient_matching import GradientMatching as GradientMatching
    from nas.sharing.hashed_bank import HashedBank as HashedBank
    from nas.sharing.kernel_transforms import KernelTransforms as KernelTransforms
    from nas.sharing.one_bank import OneBank as OneBank
    from nas.sharing.partition import Partition as Partition
    from nas.sharing.relaxed_tying import RelaxedTied as RelaxedTied
    from nas.sharing.routed_experts import RoutedExperts as RoutedExperts
    from nas.sharing.shared import Shared as Shared
    from nas.sharing.sharing import Sharing as Sharing
    from nas.sharing.tied import Tied as Tied

lazy(__name__)
