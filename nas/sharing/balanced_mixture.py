"""Balanced mixture of supernets: independent models, each for as many architectures, found by trial."""

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from nas.errors import UsageError
from nas.nn import initialise
from nas.nn.parametrised import recompute
from nas.sharing.balancing import balance, equal_shares, soft_assignment
from nas.sharing.bank import held
from nas.sharing.one_bank import OneBank
from nas.sharing.options import check_choices
from nas.space import Architecture, Space
from nas.streams import Stream, derive_seed

__all__ = ["BalancedMixture"]

Scores = npt.NDArray[np.float64]

_MOST_ROWS = 20_000
_RATE = 0.1


class BalancedMixture(OneBank):
    """Banks of their own for architectures that suit each other, as many for every bank (Javan et al., 2023).

    A table of scores ``[rows, models]`` has a row for each assignment of some choices. Scores begin at 1, more than
    what is ever told, so every bank is tried; then they follow the validation accuracies that they are told. While the
    supernet trains, banks are drawn from the softmax of a row, balanced over the rows so that every bank is drawn
    alike: without this one bank that is a little better would soon take all of them. What was never tried keeps the
    highest score, and the start is forgotten after some twenty tellings, so let ``rows * models`` be less than a
    twentieth of the steps of the training; naming fewer choices makes fewer rows.

    Afterwards an architecture has one bank, and banks have equal shares of the rows, up to one. The paper takes the
    likeliest bank of each row, ``probabilities(temperature).argmax(1)``, whose shares are roughly equal; here it is the
    assignment that is likeliest as a whole among those with equal shares. The offsets that balance the table cancel in
    its likelihood, which leaves the sum of the scores.

    Bank 0 is the model itself, the others have fresh weights, made by the layers' own ``reset_parameters``.

    Args:
        models: number of banks.
        choices: that make a row, by name; by default all of them, so that each architecture is a row.
        seed: of the fresh weights.

    Raises:
        UsageError: fewer than one model; and when bound, an unknown choice, no choice, or too many rows.
    """

    name = "balanced-mixture"

    def __init__(self, models: int = 4, choices: str | Sequence[str] | None = None, seed: int = 0) -> None:
        super().__init__(models)
        self.seed, self._given = seed, choices

    def bind(self, model: nn.Module, space: Space) -> None:
        self.by = check_choices(list(space.choices) if self._given is None else self._given, space)
        self._rows = {row: number for number, row in enumerate(_assignments(space, self.by))}
        if self.models > len(self._rows):
            raise UsageError(
                f"balanced-mixture has models={self.models} for {len(self._rows)} assignments of {self.by}; use at "
                "most one model for each, or name more choices."
            )
        super().bind(model, space)
        self.scores: Scores = np.ones((len(self._rows), self.models))
        self.balance(temperature=1.0)

    def first_tensors(self, model: nn.Module, bank: int) -> Mapping[str, Tensor]:
        recompute(model)
        return held(initialise(deepcopy(model), derive_seed(self.seed, Stream.BANK_WEIGHTS, bank)))

    def row_of(self, architecture: Architecture) -> int:
        """The row of the table that an architecture belongs to."""
        return self._rows[_positions(self.space, self.by, [architecture])[0]]

    def update(self, architecture: Architecture, bank: int, score: float) -> None:
        """Moves a score by a tenth of the way to one between 0 and 1, such as an accuracy."""
        place = self.row_of(architecture), self.check_bank(bank)
        self.scores[place] = (1 - _RATE) * self.scores[place] + _RATE * score
        self._forget()

    def balance(self, temperature: float) -> None:
        """Balances the table as it is; :meth:`probability` goes by it until this is called again."""
        self.temperature = temperature
        self._offsets, _ = balance(self.scores, temperature)

    def probability(self, architecture: Architecture) -> Scores:
        """The chance ``[models]`` of each bank to train an architecture, at the last balance and the present scores.

        Scores that are loaded are not balanced before :meth:`balance` is called.
        """
        return soft_assignment(self.scores[self.row_of(architecture)], self.temperature, self._offsets)

    def probabilities(self, temperature: float) -> Scores:
        """The balanced table ``[rows, models]``: rows add up to one, and the mean of every column is about the same."""
        return soft_assignment(self.scores, temperature, balance(self.scores, temperature)[0])

    @cached_property
    def assignment(self) -> npt.NDArray[np.int64]:
        """The bank of each row ``[rows]`` under the present scores; equal shares, up to one."""
        return equal_shares(self.scores)

    def bank_of(self, architecture: Architecture) -> int:
        return int(self.assignment[self.row_of(architecture)])

    def get_extra_state(self) -> Tensor:
        """The scores, float64 ``[rows, models]``."""
        return torch.tensor(self.scores)

    def set_extra_state(self, state: Tensor) -> None:
        self.scores = state.double().cpu().numpy().copy()
        self._forget()

    @property
    def untried(self) -> float:
        """The share of the scores that are as they began."""
        return float((self.scores == 1).mean())

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "choices": self.by, "rows": len(self.scores)}

    def _forget(self) -> None:
        self.__dict__.pop("assignment", None)


def _assignments(space: Space, names: Sequence[str]) -> list[tuple[int, ...]]:
    """Every assignment of some choices that an architecture can have: positions of candidates, -1 if inactive.

    Raises:
        UsageError: there are too many.
    """
    found = space.deciders(names)
    deciding = [name for name in space.choices if name in found]
    part = Space({name: space.choices[name] for name in deciding}, {name: space.uses[name] for name in deciding})
    if part.size > _MOST_ROWS:
        raise UsageError(
            f"balanced-mixture would score {part.size:,} assignments of {len(deciding)} choices, more than "
            f"{_MOST_ROWS:,}; name fewer with choices, such as ['{names[0]}']."
        )
    return list(dict.fromkeys(_positions(part, names, part)))


def _positions(space: Space, names: Sequence[str], architectures: Iterable[Architecture]) -> list[tuple[int, ...]]:
    columns = [list(space.choices).index(name) for name in names]
    return list(map(tuple, space.indices(architectures)[:, columns].tolist()))
