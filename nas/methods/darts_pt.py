"""DARTS-PT: keeps what the trained supernet misses most."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from nas.methods.differentiable import RECIPE, SEARCH_ARGS, SETTINGS, relaxed_phases
from nas.methods.method import Method
from nas.nn.batch_statistics import batch_statistics
from nas.problem import Problem
from nas.search import derive, select_by_perturbation, selection_rounds
from nas.space import Architecture
from nas.supernet import Relaxed
from nas.supernet.relaxations import Softmax
from nas.training import Context, Listener, Phase, RelaxedStep

__all__ = ["DARTS_PT", "decided", "with_rounds"]

_BATCH = 256


class _Decisions(Listener):
    """Decides some choices when its phase begins, by the validation score without each of their options."""

    def __init__(self, relaxed: Relaxed, problem: Problem, names: Sequence[str]) -> None:
        self.relaxed, self.data, self.names = relaxed, problem.data, names

    def begin(self, context: Context) -> None:
        supernet = self.relaxed.supernet
        select_by_perturbation(
            supernet.space,
            self.names,
            self.relaxed.arrays(),
            evaluate=self._score,
            decide=self.relaxed.freeze,
            options=supernet.options,
        )

    @torch.no_grad()
    def _score(self, without: Mapping[str, frozenset[int]]) -> float:
        """With the batch-norm statistics of each batch; all else is in evaluation mode, and is left as it was."""
        self.relaxed.show(without)
        tally, supernet = self.data.task.tally(), self.relaxed.supernet
        with batch_statistics(supernet):
            for x, y in self.data.validation.batches(_BATCH):
                tally.add(supernet(x), y)
        return tally.score


def decided(relaxed: Relaxed) -> Architecture:
    """What is decided, and the likeliest of what is not; there never an operation that passes nothing on."""
    supernet = relaxed.supernet
    zero = {name: each.is_zero for name, each in relaxed.decisions.items() if name not in relaxed.frozen}
    return derive(supernet.space, relaxed.arrays(), options=supernet.options, banned=zero)


def with_rounds(problem: Problem, main: Phase) -> list[Phase]:
    """The training of a relaxed supernet, and rounds of decisions by perturbation after it.

    Each round is followed by some epochs of tuning, which anneal a tenth of the learning rate anew; as published one
    cosine spans all rounds.

    Args:
        main: whose step derives by :func:`decided`.
    """
    assert isinstance(main.step, RelaxedStep)
    relaxed, recipe = main.step.relaxed, problem.recipe
    tuning = recipe.model_copy(
        update={
            "epochs": problem.learning.tune_epochs,
            "learning_rate": recipe.learning_rate / 10,
            "final_learning_rate": recipe.final_learning_rate / 10,
        }
    )
    names = selection_rounds(problem.space, problem.seed, options=problem.supernet.options)
    decisions = [_Decisions(relaxed, problem, each) for each in names]
    return [
        replace(main, name="search"),
        *(replace(main, recipe=tuning, listeners=[each], name="decisions") for each in decisions),
    ]


DARTS_PT = Method(
    name="darts-pt",
    family="differentiable",
    paper="Wang et al., Rethinking architecture selection in differentiable NAS, 2021",
    summary="softmax mixture; keeps the operations and edges whose removal costs most accuracy",
    phases=lambda problem: with_rounds(problem, *relaxed_phases(problem, Softmax(), rule=decided)),
    recipe=RECIPE,
    search_args=SEARCH_ARGS,
    retrain="fresh",
    settings=SETTINGS,
)
