"""What every sharing scheme answers: which weights does an architecture see?"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from torch import nn

from nas.errors import UsageError
from nas.sharing.bank import Override
from nas.space import Architecture, Choice, Space

__all__ = ["Sharing"]


class Sharing(nn.Module):
    """A map from architectures to coefficients over weight banks; to be extended.

    A scheme is a part of its supernet, so that the banks it makes are trained, moved and saved with it. It only
    answers: what it learns from while the supernet trains is told to it by a :class:`nas.training.Listener`.
    """

    name: str

    def choices(self, model: nn.Module) -> Mapping[str, Choice]:
        """Choices that the scheme adds to those of the model, by the path of the module that reads them."""
        return {}

    def bind(self, model: nn.Module, space: Space) -> None:
        """Makes the banks for a model whose architectures are those of the space; called once, by the supernet.

        Raises:
            UsageError: the scheme does not fit the model or the space.
        """

    @property
    def needs_trained(self) -> bool:
        """Whether the banks are made of weights that only mean something where the model is trained already."""
        return False

    @property
    def banks(self) -> int:
        """How many sets of weights there are."""
        return 1

    def bank_of(self, architecture: Architecture) -> int | None:
        """The one bank whose weights the architecture sees; None if it sees those of several, or there is one only."""
        return None

    def weights(self, architecture: Architecture, bank: int | None, within: str = "") -> Sequence[Override]:
        """The tensors that modules read instead of their own.

        Args:
            architecture: of the supernet's space.
            bank: whose weights it sees; of schemes that give it one.
            within: path of the module that they belong to or are below; by default all of them.
        """
        return ()

    def bank_of_gates(self, bank: int | None) -> int | None:
        """The bank whose weights soft gates see, which follow no architecture: the one that is asked for.

        Raises:
            UsageError: which weights are seen takes a whole architecture to say, or there is no such bank.
        """
        if self.banks > 1:
            raise UsageError(
                f"soft gates follow no single architecture, so {type(self).__name__} cannot say which weights they "
                "see; for a method that learns gates use one set of weights, or few-shot or gradient-matching."
            )
        return None if bank is None else self.check_bank(bank)

    def weights_of_gates(self, bank: int | None, within: str = "") -> Sequence[Override]:
        """As :meth:`weights`, of soft gates."""
        return ()

    def key(self, architecture: Architecture, bank: int | None, path: str) -> Hashable:
        """Equal for two architectures if the module at the path has the same weights in both."""
        return None

    def check_bank(self, bank: int) -> int:
        """The bank; UsageError if there is none of that number, or architectures do not see one bank each."""
        raise UsageError(
            f"bank {bank} is asked for, but with {type(self).__name__} no architecture sees the weights of one bank; "
            "leave the bank out."
        )

    def describe(self) -> dict[str, Any]:
        """The scheme in JSON values: its name and the number of banks."""
        return {"scheme": self.name, "banks": self.banks}
