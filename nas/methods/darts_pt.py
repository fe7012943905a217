"""DARTS-PT: keeps the operations and edges whose removal hurts the trained supernet most."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from nas.methods.differentiable import check_one_bank, differentiable_method, relaxed_phases
from nas.nn.batch_norms import batch_statistics
from nas.problem import Problem
from nas.search import derive, select_by_perturbation, selection_rounds
from nas.space import Architecture
from nas.supernet import Relaxed
from nas.supernet.relaxations import Softmax
from nas.training import Context, Listener, Phase, RelaxedStep

__all__ = ["DARTS_PT", "selected", "with_selection_rounds"]

_BATCH = 256


class _SelectionRound(Listener):
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
    def _score(self, removed: Mapping[str, frozenset[int]]) -> float:
        """In evaluation mode, but with the batch-norm statistics of each batch; does not change the supernet."""
        self.relaxed.show(removed)
        tally, supernet = self.data.task.tally(), self.relaxed.supernet
        with batch_statistics(supernet):
            for x, y in self.data.validation.batches(_BATCH):
                tally.add(supernet(x), y)
        return tally.score


def selected(relaxed: Relaxed) -> Architecture:
    """The selected options, and the most likely ones of undecided choices, but not the zero operation."""
    supernet = relaxed.supernet
    zero = {name: each.is_zero for name, each in relaxed.decisions.items() if name not in relaxed.frozen}
    return derive(supernet.space, relaxed.arrays(), options=supernet.options, banned=zero)


def with_selection_rounds(problem: Problem, main: Phase) -> list[Phase]:
    """The training of a relaxed supernet, followed by rounds of perturbation-based selection.

    After each round some epochs of tuning anneal a tenth of the learning rate again; as published, one cosine spans all
    rounds.

    Args:
        main: the training, whose step derives architectures by :func:`selected`.
    """
    check_one_bank(problem, "darts-pt")
    assert isinstance(main.step, RelaxedStep)
    relaxed, recipe = main.step.relaxed, problem.recipe
    tuning = recipe.model_copy(
        update={
            "epochs": problem.learning.tune_epochs,
            "learning_rate": recipe.learning_rate / 10,
            "final_learning_rate": recipe.final_learning_rate / 10,
        }
    )
    rounds = selection_rounds(problem.space, problem.seed, options=problem.supernet.options)
    listeners = [_SelectionRound(relaxed, problem, names) for names in rounds]
    return [
        replace(main, name="search"),
        *(replace(main, recipe=tuning, listeners=[each], name="decisions") for each in listeners),
    ]


DARTS_PT = differentiable_method(
    "darts-pt",
    paper="Wang et al., Rethinking architecture selection in differentiable NAS, 2021",
    summary="softmax mixture; keeps the operations and edges whose removal costs most accuracy",
    phases=lambda problem: with_selection_rounds(problem, *relaxed_phases(problem, Softmax(), rule=selected)),
)
