"""DARTS-PT: keeps what the trained supernet misses most."""

from collections.abc import Mapping

from nas.methods.method import Method, Trained
from nas.methods.relaxing import RECIPE, SEARCH_ARGS, SETTINGS, relaxed_step, without_zero
from nas.search import Projection, perturb, projected
from nas.space import Architecture
from nas.supernet.relaxations import Softmax

__all__ = ["DARTS_PT"]


def _choose(trained: Trained) -> Architecture:
    """Decides choice after choice by the accuracy without each option, and tunes the supernet between.

    Each round of tuning anneals a tenth of the learning rate anew; as published one cosine spans all rounds.
    """
    relaxed = trained.step.relaxed

    def accuracy(without: Mapping[str, frozenset[int]]) -> float:
        relaxed.show(without)
        return trained.accuracy()

    decisions = perturb(
        trained.space,
        relaxed.arrays(),
        evaluate=accuracy,
        decide=relaxed.freeze,
        tune=trained.tune,
        seed=relaxed.seed,
        options=relaxed.supernet.options,
        done=[Projection(name, kept) for name, kept in trained.decided],
        tuned=trained.rounds,
    )
    return projected(trained.space, decisions, options=relaxed.supernet.options)


DARTS_PT = Method(
    name="darts-pt",
    family="differentiable",
    paper="Wang et al., Rethinking architecture selection in differentiable NAS, 2021",
    summary="softmax mixture; keeps the operations and edges whose removal costs most accuracy",
    step=lambda each: relaxed_step(each, Softmax(), rule=without_zero),
    choose=_choose,
    recipe=RECIPE,
    search_args=SEARCH_ARGS,
    retrain="fresh",
    settings=SETTINGS,
)
