"""Gradient matching: the space is cut where the gradients of candidates disagree."""

from nas.methods.method import Method, Setting
from nas.streams import Stream
from nas.supernet.sharing import GradientMatching
from nas.training import BatchStream, ByGradients, CrossEntropy, LossTerm, SupernetStep, Uniform

__all__ = ["GRADIENT_MATCHING"]


def _step(setting: Setting) -> SupernetStep:
    """All parts share the steps that are left after a cut, so the whole training is as long as without, but for the
    passes that compare gradients."""
    supernet, recipe = setting.supernet, setting.recipe
    objective: list[LossTerm] = [CrossEntropy(recipe.label_smoothing)]
    batches = BatchStream(setting.weights, recipe.batch_size, (setting.seed, Stream.GRADIENT_BATCHES), setting.augment)
    steps = recipe.epochs * setting.steps_per_epoch
    feedback = [ByGradients(supernet, objective, batches, steps, setting.seed)]
    return SupernetStep(supernet, Uniform(supernet.space, setting.seed), objective, feedback)


GRADIENT_MATCHING = Method(
    name="gradient-matching",
    family="mixture",
    paper="Hu et al., Generalizing few-shot NAS with gradient matching, 2022",
    summary="one uniform path a step; weights are copied for candidates whose gradients disagree; retrained",
    step=_step,
    sharing=GradientMatching,
    retrain="fresh",
)
