"""Spaces and architectures as NNI writes them: its search-space JSON, and what it exports of a network."""

from collections.abc import Callable, Mapping
from typing import Any

from nas.errors import UsageError, did_you_mean
from nas.space.architecture import Architecture
from nas.space.space import Space

__all__ = ["is_nni_space", "read_nni_space", "to_nni_architecture", "to_nni_space"]


def to_nni_space(space: Space) -> dict[str, Any]:
    """The search space of NNI with the same choices; NNI knows no conditions, so that all of them are always there.

    >>> to_nni_space(Space({"kernel": [3, 5]}))
    {'kernel': {'_type': 'choice', '_value': [3, 5]}}
    """
    return {name: {"_type": "choice", "_value": list(values)} for name, values in space.choices.items()}


def to_nni_architecture(space: Space, architecture: Architecture) -> dict[str, Any]:
    """An architecture as NNI exports it; choices that are not active have their first candidate, since it wants one."""
    return {name: architecture.get(name, candidates[0]) for name, candidates in space.choices.items()}


def is_nni_space(content: Mapping[Any, Any]) -> bool:
    """Whether the content of a file is a search space of NNI."""
    return bool(content) and all(isinstance(value, Mapping) and "_type" in value for value in content.values())


def read_nni_space(content: Mapping[str, Any]) -> Space:
    """The space that a search space of NNI describes.

    >>> read_nni_space({"depth": {"_type": "randint", "_value": [1, 4]}}).choices
    {'depth': (1, 2, 3)}

    Raises:
        UsageError: a value of infinitely many candidates, a nested choice, or something that NNI does not know.
    """
    return Space({str(name): _candidates(str(name), value) for name, value in content.items()})


def _candidates(name: str, value: Mapping[str, Any]) -> list[Any]:
    kind, given = value["_type"], value.get("_value")
    if kind in _ENDLESS:
        raise UsageError(
            f"choice '{name}' is a {kind} of NNI, which has no finite number of candidates; list them, as in "
            '{"_type": "choice", "_value": [0.1, 0.2]}.'
        )
    if kind not in _READ:
        raise UsageError(f"choice '{name}' has the type {kind!r}; {did_you_mean(str(kind), _READ)}")
    try:
        return _READ[kind](given)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise UsageError(
            f"choice '{name}' is a {kind} of NNI with the value {given!r} ({error}); correct it."
        ) from None


def _listed(given: Any) -> list[Any]:
    if not isinstance(given, list) or not given:
        raise ValueError("a list of candidates is needed")
    if any(isinstance(each, Mapping) for each in given):
        raise ValueError("a choice within a candidate has no counterpart; write it as a choice of its own")
    return given


def _integers(given: Any) -> list[Any]:
    low, high = given
    return list(range(low, high))


def _steps(given: Any) -> list[Any]:
    """The multiples of q that NNI rounds to, within the bounds."""
    low, high, step = given
    multiples = [round(low / step) + index for index in range(round(high / step) - round(low / step) + 1)]
    return list(dict.fromkeys(min(max(each * step, low), high) for each in multiples))


_READ: dict[str, Callable[[Any], list[Any]]] = {"choice": _listed, "randint": _integers, "quniform": _steps}
_ENDLESS = ("uniform", "loguniform", "qloguniform", "normal", "qnormal", "lognormal", "qlognormal")
