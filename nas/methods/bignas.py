"""BigNAS: one supernet whose subnets need no retraining."""

from nas.methods.method import Method
from nas.training import CrossEntropy, InPlaceDistillation, Sandwich

__all__ = ["BIGNAS"]

BIGNAS = Method(
    name="bignas",
    family="sandwich",
    paper="Yu et al., BigNAS: Scaling up neural architecture search with big single-stage models, 2020",
    summary="sandwich rule: the largest subnet learns from labels, the others from it; no retraining",
    paths=lambda space, seed: Sandwich(space, seed, random=2),
    objective=lambda recipe: [
        CrossEntropy(recipe.label_smoothing, roles=("largest",)),
        InPlaceDistillation(),
    ],
)
