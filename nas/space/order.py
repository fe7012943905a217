"""Which candidate of a choice is the larger one."""

from collections.abc import Mapping, Sequence
from typing import Any

from nas.errors import UsageError

__all__ = ["Order", "are_numbers", "complete_order", "order_by_value"]

Order = tuple[int, ...]
"""The positions of the candidates of a choice, from the smallest to the largest."""


def order_by_value(candidates: Sequence[Any]) -> Order:
    """As far as the values alone tell: numbers by size, lists of as many numbers each too, others as they are listed.

    >>> order_by_value([5, 3, 7]), order_by_value([(2, 1), (1, 2)]), order_by_value(["conv", "skip"])
    ((1, 0, 2), (1, 0), (0, 1))
    """
    positions = range(len(candidates))
    if are_numbers(candidates):
        return tuple(sorted(positions, key=candidates.__getitem__))
    rows = [tuple(each) for each in candidates if isinstance(each, (list, tuple)) and are_numbers(each)]
    if len(rows) == len(candidates) and len(set(map(len, rows))) == 1:
        return tuple(sorted(positions, key=rows.__getitem__))
    return tuple(positions)


def complete_order(choices: Mapping[str, Sequence[Any]], given: Mapping[str, Sequence[int]]) -> dict[str, Order]:
    """The order of every choice: the given one, else that of the values.

    Raises:
        UsageError: an unknown choice, or what is given is no order of its candidates.
    """
    for name, order in given.items():
        if name not in choices or sorted(order) != list(range(len(choices[name]))):
            raise UsageError(
                f"order of choice '{name}' is {list(order)}; expected each position of its "
                f"{len(choices.get(name, ()))} candidates once, the smallest first."
            )
    return {name: tuple(given.get(name, order_by_value(candidates))) for name, candidates in choices.items()}


def are_numbers(values: Sequence[Any]) -> bool:
    """Whether all are numbers, which truth values are not."""
    return all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
