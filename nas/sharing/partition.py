"""The space cut into regions, each of which has a bank of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nas.errors import UsageError, did_you_mean
from nas.sharing.one_bank import OneBank
from nas.space import Architecture
from nas.space.condition import is_active

__all__ = ["CandidateIndices", "Division", "Partition"]

CandidateIndices = Mapping[str, tuple[int, ...]]
"""Choice → the positions of the candidates that it may take where it is active."""

_TRIES = 1000


@dataclass(frozen=True)
class Division:
    """A region cut in parts by the candidate of one choice.

    Attributes:
        bank: of the region.
        choice: that decides.
        banks: of the part that each candidate leads to; -1 for a candidate that the region does not hold.
    """

    bank: int
    choice: str
    banks: tuple[int, ...]

    @property
    def children(self) -> list[int]:
        """The banks that the division takes into use."""
        return sorted(set(self.banks) - {self.bank, -1})

    def group(self, bank: int) -> tuple[int, ...]:
        """The positions of the candidates that lead to a bank."""
        return tuple(position for position, target in enumerate(self.banks) if target == bank)


class Partition(OneBank):
    """Architectures see the bank of the region that they are in; to be extended by what decides how regions are cut.

    At first all of the space is the region of bank 0. Regions are disjoint and cover the space.

    Args:
        models: number of banks, the most regions that there can be.

    Attributes:
        named: the choices by which alone it may be cut, where a user named some.
    """

    name = "partition"
    named: Sequence[str] = ()

    def __init__(self, models: int) -> None:
        super().__init__(models)
        self.divisions: list[Division] = []

    @property
    def used(self) -> int:
        """How many banks have a region: those from 0 on."""
        return 1 + sum(len(division.children) for division in self.divisions)

    def bank_of(self, architecture: Architecture) -> int:
        if not self.divisions:
            return 0
        positions = dict(zip(self.space.choices, self.space.indices([architecture])[0].tolist(), strict=True))
        bank = 0
        for division in self.divisions:
            if division.bank == bank and positions[division.choice] >= 0:
                bank = division.banks[positions[division.choice]]
        return bank

    def bank_of_gates(self, bank: int | None) -> int | None:
        if bank is None and self.models > 1:
            raise UsageError(
                f"soft gates follow no single architecture, so {type(self).__name__} must be told in whose region they "
                "mix; name the bank."
            )
        return None if bank is None else self.check_bank(bank)

    def region(self, bank: int) -> CandidateIndices:
        """What the architectures of a bank may choose; UsageError if the bank has no region yet."""
        if not 0 <= bank < self.used:
            raise UsageError(f"bank {bank} has no region: banks 0 to {self.used - 1} have one.")
        regions: list[CandidateIndices] = [{name: tuple(range(len(each))) for name, each in self.space.choices.items()}]
        for division in self.divisions:
            parent = regions[division.bank]
            regions[division.bank] = {**parent, division.choice: division.group(division.bank)}
            for child in division.children:
                there = {**parent, division.choice: division.group(child)}
                regions.append(self._where_active(there, division.choice))
        return regions[bank]

    def undecided(self, bank: int) -> list[str]:
        """The choices of which the architectures of a bank take different candidates."""
        region = self.region(bank)
        several = [name for name, positions in region.items() if len(positions) > 1]
        return [name for name in several if all(self._where_active(region, name).values())]

    def split(self, bank: int, choice: str, groups: Sequence[Sequence[int]]) -> None:
        """Cuts the region of a bank in parts; the banks of the new ones get the weights of the old one.

        The first part keeps the bank, as do architectures in which the choice is inactive. One group changes nothing.

        Args:
            groups: for each part the positions of the candidates that lead to it.

        Raises:
            UsageError: the groups do not hold every candidate of the region once, or there are too few banks.
        """
        region = self.region(bank)
        if choice not in region:
            raise UsageError(f"bank {bank} cannot be split by '{choice}'; {did_you_mean(choice, region)}")
        if not all(groups) or sorted(position for group in groups for position in group) != list(region[choice]):
            raise UsageError(
                f"bank {bank} is split by '{choice}' in groups {[list(group) for group in groups]}, but each of the "
                f"positions {list(region[choice])} must be in one of them."
            )
        if len(groups) == 1:
            return
        if choice not in self.undecided(bank):
            raise UsageError(f"bank {bank} cannot be split by '{choice}', which is inactive in all of its region.")
        banks = [bank, *range(self.used, self.used + len(groups) - 1)]
        if banks[-1] >= self.models:
            raise UsageError(
                f"splitting bank {bank} by '{choice}' takes {banks[-1] + 1} banks, but {type(self).__name__} has "
                f"{self.models}; make it with more."
            )
        targets = {position: target for group, target in zip(groups, banks, strict=True) for position in group}
        size = len(self.space.choices[choice])
        self.divisions.append(Division(bank, choice, tuple(targets.get(position, -1) for position in range(size))))
        for child in banks[1:]:
            self.copy_bank(bank, child)

    def variants(self, bank: int, choice: str, rng: np.random.Generator) -> list[Architecture]:
        """Random architectures of a bank that are alike but for one choice, one for each of its candidates there.

        Empty if a thousand draws find none, as where the choice and another decide together what else is there.
        """
        region = self.region(bank)
        column = list(region).index(choice)
        for _ in range(_TRIES):
            rows = np.tile([int(rng.choice(positions)) for positions in region.values()], (len(region[choice]), 1))
            rows[:, column] = region[choice]
            found = self.space.from_indices(rows)
            if all(choice in each and self.bank_of(each) == bank for each in found):
                return found
        return []

    def get_extra_state(self) -> Tensor:
        """Int64 ``[models - 1, 2 + candidates]``: bank, choice and banks of each division, filled up with -1."""
        names = list(self.space.choices)
        state = torch.full((self.models - 1, 2 + max(map(len, self.space.choices.values()))), -1)
        for row, division in zip(state, self.divisions, strict=False):
            values = [division.bank, names.index(division.choice), *division.banks]
            row[: len(values)] = torch.tensor(values)
        return state

    def set_extra_state(self, state: Tensor) -> None:
        names = list(self.space.choices)
        self.divisions = []
        for bank, column, *banks in state.tolist():
            if bank >= 0:
                name = names[column]
                self.divisions.append(Division(bank, name, tuple(banks[: len(self.space.choices[name])])))

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "divisions": [self.describe_division(division) for division in self.divisions]}

    def describe_division(self, division: Division) -> dict[str, Any]:
        """A division in JSON values, with the candidates that lead to each bank."""
        candidates = self.space.choices[division.choice]
        parts = {
            str(bank): [candidates[position] for position in division.group(bank)]
            for bank in (division.bank, *division.children)
        }
        return {"bank": division.bank, "choice": division.choice, "parts": parts}

    def _where_active(self, region: CandidateIndices, choice: str) -> CandidateIndices:
        """The region without candidates of other choices that leave this one out; some choice has none left if all do.

        Conditions on several choices at once are left as they are while these are open.
        """
        names = {name for use in self.space.uses[choice] for condition in use for name in condition.names}
        decided = {name: positions[0] for name, positions in region.items() if len(positions) == 1}
        return {
            name: tuple(
                position
                for position in positions
                if name not in names or is_active(self.space.uses[choice], {**decided, name: position}) is not False
            )
            for name, positions in region.items()
        }
