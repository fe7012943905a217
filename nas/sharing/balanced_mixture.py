"""Balanced mixture of supernets: independent models, each for as many architectures, found by trial."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from nas.errors import UsageError
from nas.sharing.balancing import balance, equal_shares, soft_assignment
from nas.sharing.bank import fresh
from nas.sharing.one_bank import OneBank
from nas.sharing.options import check_choices
from nas.space import Architecture, Space
from nas.streams import Stream, derive_seed

__all__ = ["BalancedMixture", "Scoring"]

Scores = npt.NDArray[np.float64]

Scoring = Literal["paired", "table", "published"]
"""How scores are told: see :class:`BalancedMixture`."""

_MOST_ROWS = 20_000
_RATES: dict[str, float] = {"paired": 0.1, "table": 0.5, "published": 0.1}


class BalancedMixture(OneBank):
    """Banks of their own for architectures that suit each other, as many for every bank (Javan et al., 2023).

    A table of scores ``[rows, models]`` has a row for each assignment of some choices. While the supernet trains, banks
    are drawn from the softmax of a row, balanced over the rows so that every bank is drawn alike: without this one bank
    that is a little better would soon take all of them. What scores are is up to ``scores``:

    - ``paired``: the architecture of a step is run on a validation batch in every bank, and what is kept is minus its
      loss less the mean over the banks, as a moving average that begins at 0. The batch, the architecture and the
      progress of the training are the same for all banks, so they cancel. It takes a forward pass of each bank a step.
    - ``table``: the same of all rows at once, as each epoch begins, on a fixed batch. Cheaper where there are fewer
      ``rows * models`` than ``models`` times the steps of an epoch.
    - ``published``: the validation accuracy of the bank that the step trains (Javan et al., 2023). What was never tried
      has 1, more than what is ever told, so every bank is tried; the paper lets its averages begin there too, here that
      start is taken out of them, as Adam does, since it outweighs any merit for some twenty tellings of an entry.

    Each entry should be told 50 times at least, see :meth:`tellings`; naming fewer choices makes fewer rows.

    Afterwards an architecture has one bank, and banks have equal shares of the rows, up to one. The paper takes the
    likeliest bank of each row, ``probabilities(temperature).argmax(1)``, whose shares are roughly equal; here it is the
    assignment that is likeliest as a whole among those with equal shares. The offsets that balance the table cancel in
    its likelihood, which leaves the sum of the scores.

    Bank 0 is the model itself, the others have fresh weights, made by the layers' own ``reset_parameters``.

    Args:
        models: number of banks.
        choices: that make a row, by name; by default all of them, so that each architecture is a row.
        seed: of the fresh weights.
        scores: how they are told.
        temperature: by which scores are multiplied in the last epoch; it rises from 1. The authors take 50 to 300.
        rate: how far a score moves to what is told; by default a tenth of the way, or half where all are told at once.

    Raises:
        UsageError: fewer than one model, a temperature below 1, or a rate that is not above 0 and at most 1; and when
            bound, an unknown choice, no choice, or too many rows.
    """

    name = "balanced-mixture"

    def __init__(
        self,
        models: int = 4,
        choices: str | Sequence[str] | None = None,
        seed: int = 0,
        scores: Scoring = "paired",
        temperature: float = 100.0,
        rate: float | None = None,
    ) -> None:
        super().__init__(models)
        if not 1 <= temperature < np.inf:
            raise UsageError(f"balanced-mixture has temperature={temperature:g}; give 1 or more, to which it rises.")
        if rate is not None and not 0 < rate <= 1:
            raise UsageError(f"balanced-mixture has rate={rate:g}; give a share above 0, and 1 at most.")
        self.seed, self._given, self.scoring, self.hottest = seed, choices, scores, temperature
        self.rate = _RATES[scores] if rate is None else rate

    def bind(self, model: nn.Module, space: Space) -> None:
        self.by = check_choices(list(space.choices) if self._given is None else self._given, space)
        assigned = _assignments(space, self.by)
        self._rows = {row: number for number, row in enumerate(assigned)}
        self._assigned = list(assigned.values())
        if self.models > len(self._rows):
            raise UsageError(
                f"balanced-mixture has models={self.models} for {len(self._rows)} assignments of {self.by}; use at "
                "most one model for each, or name more choices."
            )
        super().bind(model, space)
        start = 1.0 if self.scoring == "published" else 0.0
        self.scores: Scores = np.full((len(self._rows), self.models), start)
        self.told = np.zeros(self.scores.shape, np.int64)
        self.balance(temperature=1.0)

    def first_tensors(self, model: nn.Module, bank: int) -> Mapping[str, Tensor]:
        return fresh(model, derive_seed(self.seed, Stream.BANK_WEIGHTS, bank))

    def row_of(self, architecture: Architecture) -> int:
        """The row of the table that an architecture belongs to."""
        columns = [list(self.space.choices).index(name) for name in self.by]
        return self._rows[tuple(self.space.indices([architecture])[0, columns].tolist())]

    def architecture_of(self, row: int, rng: np.random.Generator) -> Architecture:
        """An architecture of a row, at random where the row leaves it open."""
        open_ = {name: int(rng.integers(len(each))) for name, each in self.space.choices.items()}
        return self.space.from_indices([list((open_ | self._assigned[row]).values())])[0]

    def update(self, architecture: Architecture, bank: int, score: float) -> None:
        """Moves a published score towards one between 0 and 1, such as an accuracy; the first telling replaces it.

        The mean of all tellings, weighted so that each weighs ``1 - rate`` of the next.
        """
        place = self.row_of(architecture), self.check_bank(bank)
        self.told[place] += 1
        step = self.rate / (1 - (1 - self.rate) ** float(self.told[place]))
        self.scores[place] += step * (score - self.scores[place])
        self._forget()

    def compare(self, rows: Sequence[int], scores: Scores) -> None:
        """Moves the scores of some rows towards how much better each bank does than the banks on average.

        Args:
            rows: ``[n]``.
            scores: ``[n, models]``, the higher the better, of each row's architecture on one batch in all banks.
        """
        differences = scores - scores.mean(1, keepdims=True)
        self.scores[rows] += self.rate * (differences - self.scores[rows])
        self.told[rows] += 1
        self._forget()

    def tellings(self, steps: int, epochs: int) -> float:
        """How often an entry of the table will be told on average, in a training of so many steps of one path."""
        rows = len(self.scores)
        return {"paired": steps / rows, "table": float(epochs), "published": steps / (rows * self.models)}[self.scoring]

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
        """Float64 ``[2, rows, models]``: the scores, and how often each was told."""
        return torch.tensor(np.stack([self.scores, self.told]))

    def set_extra_state(self, state: Tensor) -> None:
        if state.dim() != 3:
            raise UsageError(
                "the checkpoint holds a balanced mixture of an earlier version, which kept other scores; train it "
                "again, in a run of another name."
            )
        scores, told = state.double().cpu().numpy()
        self.scores, self.told = scores.copy(), told.astype(np.int64)
        self._forget()

    @property
    def untried(self) -> float:
        """The share of the scores that were never told."""
        return float((self.told == 0).mean())

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "choices": self.by, "rows": len(self.scores), "scores": self.scoring}

    def _forget(self) -> None:
        self.__dict__.pop("assignment", None)


def _assignments(space: Space, names: Sequence[str]) -> dict[tuple[int, ...], dict[str, int]]:
    """Every assignment of some choices that an architecture can have: positions of candidates, -1 if inactive.

    With each come positions, by name, of these choices and those that decide whether they are active.

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
    indices = part.indices(part)
    columns = [deciding.index(name) for name in names]
    rows: dict[tuple[int, ...], dict[str, int]] = {}
    for positions in indices.tolist():
        active = {name: position for name, position in zip(deciding, positions, strict=True) if position >= 0}
        rows.setdefault(tuple(positions[column] for column in columns), active)
    return rows
