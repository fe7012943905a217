"""Values that depend on choices: what arithmetic on a :class:`~nas.space.Choice` gives.

An expression is a symbol, never a number: it is evaluated only against the values that an architecture gives to
its choices. Asking a symbol for a truth value, an integer or a length is therefore an error with a sentence, not
a silent constant baked into the model.
"""

import itertools
import operator
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import FrameType
from typing import Any, NoReturn

from nas.errors import UsageError

__all__ = [
    "Concatenation", "Expression", "Operation", "choices_of", "concatenate", "evaluate", "expressions_in", "largest",
    "outcomes", "round_to",
]  # fmt: skip

_MOST_OUTCOMES = 1_000_000
_Binary = Callable[["Expression", Any], "Operation"]


def _either_way(function: Callable[[Any, Any], Any]) -> tuple[_Binary, _Binary]:
    """The operator of an expression and something behind it, or before it."""
    return lambda self, other: Operation(function, self, other), lambda self, other: Operation(function, other, self)


class Expression:
    """A value that an architecture decides.

    Supports ``+ - * / // %`` with numbers and other expressions, :meth:`round_to` and :meth:`map`. Two expressions
    are equal if they are the same object; equality with a number or a text is refused like any other use as a value.
    """

    choices: tuple[Any, ...]
    """The distinct choices it depends on, in order of appearance."""

    def value(self, values: Mapping[Any, Any]) -> Any:
        """Its value when ``values`` maps each of its choices to a candidate."""
        raise TypeError(f"{type(self).__name__} must define value()")

    def map(self, function: Callable[[Any], Any]) -> "Operation":
        """The expression ``function(self)``; the function must be pure."""
        return Operation(function, self)

    def round_to(self, divisor: int) -> "Operation":
        """Rounded to a multiple of ``divisor`` as :func:`round_to` does."""
        return Operation(round_to, self, divisor)

    __add__, __radd__ = _either_way(operator.add)
    __sub__, __rsub__ = _either_way(operator.sub)
    __mul__, __rmul__ = _either_way(operator.mul)
    __truediv__, __rtruediv__ = _either_way(operator.truediv)
    __floordiv__, __rfloordiv__ = _either_way(operator.floordiv)
    __mod__, __rmod__ = _either_way(operator.mod)

    def __bool__(self) -> bool:
        self._refuse("a truth value (`if`, `and`, `not`)")

    def __int__(self) -> int:
        self._refuse("an integer")

    def __float__(self) -> float:
        self._refuse("a float")

    def __index__(self) -> int:
        self._refuse("an index or a range")

    def __len__(self) -> int:
        self._refuse("a length")

    def __iter__(self) -> Iterator[Any]:
        self._refuse("an iterable")

    def __lt__(self, other: Any) -> bool:
        self._refuse("an operand of a comparison")

    __le__ = __gt__ = __ge__ = __lt__

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Expression):
            self._refuse("an operand of a comparison (`==`, `!=`, `in`)")
        return self is other

    __hash__ = object.__hash__

    def __str__(self) -> str:  # noqa: PLE0307
        self._refuse("a text (str(), print(), an f-string; `!r` shows it)")

    def __format__(self, specification: str) -> str:
        return str(self)

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> NoReturn:
        """Called by PyTorch when an expression is given as a size, before it complains in its own words."""
        found = next(expressions_in([*args, *(kwargs or {}).values()]))
        found._refuse(f"an argument of torch.{function.__name__}()")

    def _refuse(self, use: str) -> NoReturn:
        layer = _torch_layer_under_construction()
        if layer is not None:
            raise UsageError(
                f"torch.nn.{layer} was given {self.choices[0]!r}, but only the layers of nas.nn take choices; use "
                f"nas.nn.{layer}, or where there is no such layer a nas.nn.OneOf with a layer for each candidate."
            )
        raise UsageError(
            f"{self!r} was used as {use}, but it has no value until an architecture is activated; "
            "use arithmetic or .map(function) and give the result to a layer of nas.nn."
        )


def _torch_layer_under_construction() -> str | None:
    """The class of the ``torch.nn`` layer, if any, whose constructor runs into an expression."""
    layer: str | None = None
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "__init__" and _is_torch_layers(str(frame.f_globals.get("__name__"))):
            kinds = type(frame.f_locals["self"]).__mro__
            own = kinds[0].__module__.startswith("nas.")
            layer = None if own else next(kind.__name__ for kind in kinds if _is_torch_layers(kind.__module__))
        frame = frame.f_back
    return layer


def _is_torch_layers(module: str) -> bool:
    return module.startswith("torch.nn.modules.")


class Operation(Expression):
    """``function(*operands)``, where operands are expressions or constants."""

    def __init__(self, function: Callable[..., Any], *operands: Any) -> None:
        self.function = function
        self.operands = operands
        self.choices = choices_of(*operands)

    def value(self, values: Mapping[Any, Any]) -> Any:
        return self.function(*(evaluate(operand, values) for operand in self.operands))

    def __repr__(self) -> str:
        name = getattr(self.function, "__name__", "function").strip("<>")
        return f"{name}({', '.join(map(repr, self.operands))})"


class Concatenation(Expression):
    """The width of tensors joined along their channels.

    Its value is the sum of the parts, but the channels in use are not a prefix: each part keeps its own place
    at the offset that its largest width gives, see :meth:`segments`.
    """

    def __init__(self, *parts: Any) -> None:
        self.parts = parts
        self.choices = choices_of(*parts)

    def value(self, values: Mapping[Any, Any]) -> Any:
        return sum(evaluate(part, values) for part in self.parts)

    def segments(self, values: Mapping[Any, Any]) -> list[tuple[int, int]]:
        """The channels in use as half-open ranges ``[(start, stop), ...]`` of the widest layout."""
        ranges: list[tuple[int, int]] = []
        offset = 0
        for part in self.parts:
            inner = part.segments(values) if isinstance(part, Concatenation) else [(0, evaluate(part, values))]
            ranges += [(offset + start, offset + stop) for start, stop in inner]
            offset += largest(part)
        return ranges

    def __repr__(self) -> str:
        return f"concatenate({', '.join(map(repr, self.parts))})"


def concatenate(*widths: Any) -> Any:
    """The width of ``torch.cat`` over tensors of these widths (expressions or integers).

    >>> from nas.space import Choice
    >>> a, b = Choice([2, 4]), Choice([1, 3])
    >>> concatenate(a, b).segments({a: 2, b: 3})
    [(0, 2), (4, 7)]
    """
    return Concatenation(*widths) if choices_of(*widths) else sum(widths)


def choices_of(*values: Any) -> tuple[Any, ...]:
    """The distinct choices that these values depend on, in order of appearance."""
    found = itertools.chain.from_iterable(value.choices for value in values if isinstance(value, Expression))
    return tuple(dict.fromkeys(found))


def expressions_in(values: Iterable[Any]) -> Iterator[Expression]:
    """The expressions among values, also inside lists, tuples and dictionaries."""
    for value in values:
        if isinstance(value, Expression):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from expressions_in(value)
        elif type(value) is dict:
            yield from expressions_in(value.values())


def evaluate(value: Any, values: Mapping[Any, Any]) -> Any:
    """``value`` itself, or what an expression becomes under ``values``."""
    return value.value(values) if isinstance(value, Expression) else value


def outcomes(*values: Any) -> Iterator[tuple[Any, ...]]:
    """Every joint value the arguments can take, one tuple for each assignment of their choices.

    Raises:
        UsageError: if there are more than a million assignments.
    """
    choices = choices_of(*values)
    count = 1
    for choice in choices:
        count *= len(choice.candidates)
    if count > _MOST_OUTCOMES:
        raise UsageError(
            f"an argument depends on {len(choices)} choices with {count:,} joint values, more than "
            f"{_MOST_OUTCOMES:,}; let it depend on fewer choices."
        )
    for candidates in itertools.product(*(choice.candidates for choice in choices)):
        assignment = dict(zip(choices, candidates, strict=True))
        yield tuple(evaluate(value, assignment) for value in values)


def largest(value: Any) -> Any:
    """The largest value an expression can take; a constant is its own largest.

    Of a concatenation it is the width of the layout, where each part keeps room for its own largest.

    >>> from nas.space import Choice
    >>> largest(16 * Choice([3, 6, 4]))
    96
    """
    if isinstance(value, Concatenation):
        return sum(largest(part) for part in value.parts)
    return max(outcome for (outcome,) in outcomes(value)) if isinstance(value, Expression) else value


def round_to(value: Any, divisor: int) -> Any:
    """The nearest multiple of ``divisor``, at least one, never more than 10 % down (Sandler et al., 2018).

    An expression gives an expression.

    >>> round_to(20, 8), round_to(18, 8), round_to(1, 8)
    (24, 24, 8)
    """
    if isinstance(value, Expression):
        return Operation(round_to, value, divisor)
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded
