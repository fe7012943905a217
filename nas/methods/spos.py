"""Single-path one-shot: one uniformly drawn path in every step."""

from nas.methods.method import Method
from nas.training import CrossEntropy, SupernetStep, Uniform

__all__ = ["SPOS"]

SPOS = Method(
    name="spos",
    family="single-path",
    paper="Guo et al., Single path one-shot neural architecture search with uniform sampling, 2020",
    summary="one uniform path a step; the chosen network is trained again from fresh weights",
    step=lambda each: SupernetStep(
        each.supernet,
        Uniform(each.supernet.space, each.seed),
        [CrossEntropy(each.recipe.label_smoothing)],
    ),
    retrain="fresh",
)
