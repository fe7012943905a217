"""How long architectures are trained, where that is a choice too: a result of few epochs is cheap and tells less."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from nas.errors import UsageError
from nas.space.architecture import Architecture
from nas.space.space import Space

__all__ = ["EPOCHS", "Fidelity"]

EPOCHS = "epochs"
"""Name of the choice outside the model by which a run trains architectures for several numbers of epochs."""


@dataclass(frozen=True)
class Fidelity:
    """A choice that says for how many epochs an architecture is trained.

    Attributes:
        name: of the choice; None where there is none, so that each training counts as one.
        levels: its candidates, from the fewest epochs to the most.
    """

    name: str | None = None
    levels: tuple[int, ...] = (1,)

    @classmethod
    def of(cls, space: Space, name: str | None) -> Self:
        """That of a space.

        Raises:
            UsageError: the space has no such choice, or it is there under conditions only, or its candidates are no
                numbers of epochs.

        >>> Fidelity.of(Space({"depth": [1, 2], "epochs": [9, 1, 3]}), "epochs").levels
        (1, 3, 9)
        """
        if name is None:
            return cls()
        if name not in space.choices or space.uses[name] != ((),):
            raise UsageError(
                f"the choice '{name}' says how long architectures are trained, but not every architecture of this "
                f"space has it; give its epochs, such as --set extra.{name}=[1,3,9,27]."
            )
        levels = space.choices[name]
        if not all(isinstance(each, int) and not isinstance(each, bool) and each >= 1 for each in levels):
            raise UsageError(f"{name} are {list(levels)}; give whole numbers of epochs, each at least 1.")
        return cls(name, tuple(sorted(levels)))

    @property
    def most(self) -> int:
        """What a whole training takes: its epochs, or one."""
        return self.levels[-1]

    @property
    def unit(self) -> str:
        """What a budget counts: epochs, or candidates."""
        return "candidate" if self.name is None else "epoch"

    def epochs(self, architecture: Mapping[str, Any]) -> int:
        """For how many epochs an architecture is trained; one where that is no choice."""
        return 1 if self.name is None else int(architecture[self.name])

    def is_whole(self, architecture: Mapping[str, Any]) -> bool:
        """Whether an architecture is trained for as many epochs as any is."""
        return self.epochs(architecture) == self.most

    def at(self, architecture: Mapping[str, Any], epochs: int) -> Architecture:
        """An architecture, be it with or without this choice, trained for so many epochs."""
        return Architecture({**architecture, str(self.name): epochs})

    def without(self, architecture: Mapping[str, Any]) -> Architecture:
        """What is trained, however long."""
        return Architecture({name: value for name, value in architecture.items() if name != self.name})
