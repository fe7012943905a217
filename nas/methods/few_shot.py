"""Few-shot: the space is cut by the candidates of one choice, and each part trains weights of its own."""

from nas.methods.method import Method, Setting
from nas.supernet.sharing import FewShot
from nas.training import CrossEntropy, EveryCandidate, SupernetStep, Uniform

__all__ = ["FEW_SHOT"]


def _step(setting: Setting) -> SupernetStep:
    """All parts share the steps that are left after the cut, so the whole training is as long as without."""
    supernet, recipe = setting.supernet, setting.recipe
    return SupernetStep(
        supernet,
        Uniform(supernet.space, setting.seed),
        [CrossEntropy(recipe.label_smoothing)],
        [EveryCandidate(supernet, recipe.epochs * setting.steps_per_epoch)],
    )


FEW_SHOT = Method(
    name="few-shot",
    family="mixture",
    paper="Zhao et al., Few-shot neural architecture search, 2021",
    summary="one uniform path a step; halfway the weights are copied for each candidate of a choice; retrained",
    step=_step,
    sharing=FewShot,
    retrain="fresh",
)
