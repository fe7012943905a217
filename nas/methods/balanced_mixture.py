"""Balanced mixture of supernets: several supernets, each for an equal share of the architectures."""

from typing import cast

from nas.methods.method import Method, Setting
from nas.streams import Stream
from nas.supernet.sharing import BalancedMixture
from nas.training import BatchStream, CrossEntropy, InBanks, SupernetStep, Uniform, ValidationScores

__all__ = ["BALANCED_MIXTURE"]


def _step(setting: Setting) -> SupernetStep:
    supernet, recipe, seed = setting.supernet, setting.recipe, setting.seed
    mixture = cast(BalancedMixture, supernet.sharing)
    scores = ValidationScores(
        supernet,
        mixture,
        setting.task,
        BatchStream(setting.validation, recipe.batch_size, (seed, Stream.SCORE_BATCHES)),
        epochs=recipe.epochs,
        steps_per_epoch=setting.steps_per_epoch,
    )
    paths = InBanks(Uniform(supernet.space, seed), mixture, seed)
    return SupernetStep(supernet, paths, [CrossEntropy(recipe.label_smoothing)], [scores])


BALANCED_MIXTURE = Method(
    name="balanced-mixture",
    family="mixture",
    paper="Javan et al., Balanced mixture of supernets for learning the CNN pooling architecture, 2023",
    summary="one uniform path a step in one of several supernets, drawn by validation scores and balanced; retrained",
    step=_step,
    recipe={"final_learning_rate": 0.001, "weight_decay": 0.0, "warmup_epochs": 0.0},
    sharing=BalancedMixture,
    retrain="fresh",
    settings={"constraints": []},
)
