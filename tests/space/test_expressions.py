"""Choices take arithmetic and refuse everything that would bake a value into the model."""

import copy
import math
import operator
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, strategies as st

from nas.errors import UsageError
from nas.space import Choice, choices_of, concatenate, evaluate, largest, outcomes

A, B = Choice([2, 4, 6], name="a"), Choice([1, 3])


@pytest.mark.parametrize("function", [operator.add, operator.sub, operator.mul, operator.floordiv, operator.mod])
@given(a=st.sampled_from(A.candidates), b=st.sampled_from(B.candidates), constant=st.integers(1, 20))
def test_arithmetic_is_that_of_the_values(function: Callable[..., Any], a: int, b: int, constant: int) -> None:
    values = {A: a, B: b}
    assert evaluate(function(A, B), values) == function(a, b)
    assert evaluate(function(A, constant), values) == function(a, constant)
    assert evaluate(function(constant, A), values) == function(constant, a)


def test_expressions_nest_and_know_their_choices() -> None:
    expression = ((A * B + 1).map(str).map(len) + A) // 2
    assert expression.choices == (A, B)
    assert expression.value({A: 6, B: 3}) == (len("19") + 6) // 2
    assert choices_of(3, B, A + B, "x") == (B, A)
    assert evaluate(7, {}) == 7


@given(st.integers(1, 4000), st.sampled_from([1, 2, 4, 8, 16]))
def test_round_to_keeps_the_rule_of_mobilenet(value: int, divisor: int) -> None:
    rounded = Choice([value]).map(lambda v: v / 3).round_to(divisor)
    (result,) = next(outcomes(rounded))
    assert result % divisor == 0 and result >= divisor
    assert result >= 0.9 * value / 3
    assert result <= max(divisor, value / 3 + divisor)


@pytest.mark.parametrize(("value", "rounded"), [(3, 8), (11, 16), (12, 16), (18, 24), (21, 24), (84, 88), (100, 104)])
def test_round_to_by_hand(value: int, rounded: int) -> None:
    assert next(outcomes(Choice([value]).round_to(8))) == (rounded,)


def test_concatenation_keeps_the_place_of_each_part() -> None:
    width = concatenate(A, 5, B)
    assert evaluate(width, {A: 2, B: 3}) == 10
    assert width.segments({A: 2, B: 3}) == [(0, 2), (6, 11), (11, 14)]
    assert largest(width) == 6 + 5 + 3
    assert concatenate(2, 3) == 5


def test_nested_concatenation_is_flat() -> None:
    nested = concatenate(concatenate(A, B), A)
    assert nested.segments({A: 4, B: 1}) == [(0, 4), (6, 7), (9, 13)]
    assert largest(nested) == 15 and nested.choices == (A, B)


def test_concatenation_of_parts_that_share_a_choice_has_room_for_both() -> None:
    split = concatenate(A, 8 - A)
    assert {total for (total,) in outcomes(split)} == {8}
    assert largest(split) == 6 + 6
    assert split.segments({A: 2}) == [(0, 2), (6, 12)]


def test_outcomes_are_joint() -> None:
    assert set(outcomes(A, A // 2, 9)) == {(2, 1, 9), (4, 2, 9), (6, 3, 9)}
    assert list(outcomes(1, "x")) == [(1, "x")]
    assert largest(20 - A) == 18 and largest(3) == 3


def test_too_many_outcomes_are_refused() -> None:
    total = sum((Choice(list(range(10))) for _ in range(7)), start=0)
    with pytest.raises(UsageError, match=r"depends on 7 choices with 10,000,000 joint values"):
        list(outcomes(total))


REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "int": (int, "an integer"),
    "float": (float, "a float"),
    "if": (lambda x: 1 if x else 2, "a truth value"),
    "not": (operator.not_, "a truth value"),
    "and": (lambda x: x and 1, "a truth value"),
    "range": (range, "an index or a range"),
    "index": (lambda x: [1, 2, 3][x], "an index or a range"),
    "len": (len, "a length"),
    "loop": (list, "an iterable"),
    "unpacking": (lambda x: [*x], "an iterable"),
    "containment": (lambda x: 3 in x, "an iterable"),
    "less": (lambda x: x < 3, "an operand of a comparison"),
    "less or equal": (lambda x: x <= 3, "an operand of a comparison"),
    "greater": (lambda x: x > 3, "an operand of a comparison"),
    "greater or equal": (lambda x: x >= 3, "an operand of a comparison"),
    "max": (lambda x: max(x, 3), "an operand of a comparison"),
    "ceil": (math.ceil, "a float"),
    "equal": (lambda x: x == 3, "an operand of a comparison"),
    "unequal": (lambda x: x != 3, "an operand of a comparison"),
    "equal from the right": (lambda x: "a" == x, "an operand of a comparison"),  # noqa: SIM300
    "member": (lambda x: x in (3, 5), "an operand of a comparison"),
    "position": ([3, 5].index, "an operand of a comparison"),
    "even": (lambda x: x % 2 == 0, "an operand of a comparison"),
    "str": (str, "a text"),
    "f-string": (lambda x: f"conv{x}", "a text"),
    "format": ("{:>4}".format, "a text"),
    "percent": (lambda x: "conv%s" % x, "a text"),  # noqa: UP031
}


@pytest.mark.parametrize(("use", "words"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("symbol", [A, A + 1, concatenate(A, B)], ids=["choice", "operation", "concatenation"])
def test_uses_that_need_a_value_are_refused(symbol: Any, use: Callable[[Any], Any], words: str) -> None:
    with pytest.raises(UsageError, match=f"was used as {words}.*no value until an architecture is activated"):
        use(symbol)


def test_equality_is_identity() -> None:
    twin = Choice([2, 4, 6], name="a")
    assert twin != A and A == A and A + 1 != A + 1 and len({A, twin, A}) == 2  # noqa: PLR0124
    assert A in [twin, A] and [twin, A].index(A) == 1 and {A: 3}[A] == 3


def test_symbols_show_themselves() -> None:
    assert repr(A) == f"{A!r}" == "Choice([2, 4, 6], name='a')"
    assert repr(B + 1) == "add(Choice([1, 3]), 1)"
    assert repr(concatenate(B, 4)) == "concatenate(Choice([1, 3]), 4)"


@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_keep_ties(clone: Callable[[Any], Any]) -> None:
    pair = clone([A * 2, A])
    doubled, choice = (pair[0], pair[0].choices[0])
    assert doubled.value({choice: 4}) == 8
    assert pair[1].candidates == A.candidates
    if clone is not copy.copy:
        assert pair[1] is choice and choice is not A
