"""What methods of the sandwich rule have in common."""

from nas.methods.method import Setting
from nas.training import CrossEntropy, InPlaceDistillation, Sandwich, SupernetStep

__all__ = ["sandwich_step"]


def sandwich_step(setting: Setting, random: int = 2) -> SupernetStep:
    """The largest subnet learns from labels; the smallest and so many random ones learn from it."""
    return SupernetStep(
        setting.supernet,
        Sandwich(setting.supernet.space, setting.seed, random=random),
        [CrossEntropy(setting.recipe.label_smoothing, roles=("largest",)), InPlaceDistillation()],
    )
