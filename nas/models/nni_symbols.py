"""What varies in a model space of NNI, as choices and expressions of ours."""

from typing import Any

from nas.errors import UsageError
from nas.space import Choice, Expression, Operation, Subset

__all__ = ["Symbols"]


class Symbols:
    """NNI's mutable values as ours; those of one label are one choice, whose name the label is.

    Attributes:
        defaults: what each choice is in the network that the space runs by itself: its first candidate.
    """

    def __init__(self) -> None:
        self.defaults: dict[Choice, Any] = {}
        self._choices: dict[str, Choice] = {}
        self._expressions: dict[int, tuple[Any, Expression]] = {}

    def __call__(self, value: Any, path: str) -> Any:
        """A value without choices stays what it is; the same expression gives the same object.

        Raises:
            UsageError: a value of no finite number of candidates, or of any number of them.
        """
        from nni.mutable import Categorical, CategoricalMultiple
        from nni.mutable.symbol import Symbol, SymbolicExpression

        if not isinstance(value, SymbolicExpression):
            return value
        if isinstance(value, Categorical):
            return self.choice(value.label, value.values)
        if isinstance(value, CategoricalMultiple):
            if value.n_chosen is None:
                raise UsageError(
                    f"module '{path}' of the NNI space takes any number of its candidates ('{value.label}'), which no "
                    "choice does; say n_chosen."
                )
            return self.subset(value.label, value.values, value.n_chosen)
        if isinstance(value, Symbol):
            raise UsageError(
                f"module '{path}' of the NNI space has {type(value).__name__} '{value.label}', which has no finite "
                "number of candidates; list them, as in nni.choice."
            )
        if id(value) not in self._expressions:
            arguments = [self(each, path) for each in value.arguments]
            self._expressions[id(value)] = value, Operation(value.function, *arguments)
        return self._expressions[id(value)][1]

    def choice(self, label: str, candidates: Any) -> Choice:
        """The choice of a label."""
        return self._of(label, Choice(list(candidates), label))

    def subset(self, label: str, elements: Any, size: int) -> Choice:
        """The choice of a label, of several of its elements."""
        return self._of(label, Subset(list(elements), size, label))

    def default_sample(self) -> dict[str, Any]:
        """NNI's default network, as far as choices are known."""
        return {str(choice.name): value for choice, value in self.defaults.items()}

    def _of(self, label: str, new: Choice) -> Choice:
        known = self._choices.setdefault(label, new)
        if known.candidates != new.candidates:
            raise UsageError(
                f"the NNI space has two choices of label '{label}', with candidates {list(known.candidates)} and "
                f"{list(new.candidates)}; give one of them another label."
            )
        self.defaults[known] = known.candidates[0]
        return known
