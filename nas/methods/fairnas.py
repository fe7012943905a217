"""FairNAS: every candidate is trained equally often."""

from nas.methods.method import Method
from nas.training import CrossEntropy, Fair, SupernetStep

__all__ = ["FAIRNAS"]

FAIRNAS = Method(
    name="fairnas",
    family="single-path",
    paper="Chu et al., FairNAS: Rethinking evaluation fairness of weight sharing neural architecture search, 2021",
    summary="paths that together train each candidate equally often, gradients summed; retrained from fresh weights",
    step=lambda each: SupernetStep(
        each.supernet,
        Fair(each.supernet.space, each.seed),
        [CrossEntropy(each.recipe.label_smoothing)],
    ),
    retrain="fresh",
)
