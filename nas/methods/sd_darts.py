"""SD-DARTS: the supernet learns from its own past; reconstructed from the abstract."""

from nas.methods.method import Method, Setting
from nas.methods.relaxing import RECIPE, SEARCH_ARGS, SETTINGS, relaxed_step, without_zero
from nas.supernet.relaxations import Softmax
from nas.training import CrossEntropy, RelaxedStep, SelfDistillation

__all__ = ["SD_DARTS"]


def _step(setting: Setting) -> RelaxedStep:
    """Three snapshots, one an epoch, vote by the mean of their predictions and teach the weights."""
    return relaxed_step(
        setting,
        Softmax(),
        rule=without_zero,
        objective=lambda relaxed: [
            CrossEntropy(setting.recipe.label_smoothing),
            SelfDistillation(setting.supernet, setting.task, setting.steps_per_epoch, relaxed),
        ],
    )


SD_DARTS = Method(
    name="sd-darts",
    family="differentiable",
    paper="Zhu et al., Improving differentiable architecture search via self-distillation, 2023 (reconstructed)",
    summary="softmax mixture taught by votes of its own earlier versions",
    step=_step,
    recipe=RECIPE,
    search_args=SEARCH_ARGS,
    retrain="fresh",
    settings=SETTINGS,
)
