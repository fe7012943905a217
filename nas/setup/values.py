"""Settings as they are written: YAML of a file or of ``--set``, before anything knows what they mean."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from nas.errors import UsageError
from nas.search.database_url import without_password
from nas.strict_yaml import load_yaml

__all__ = ["assign", "check_values", "put", "read_yaml", "renamed", "seconds_of", "shortened"]

_DEEPEST, _MOST, _BITS = 30, 100_000, 63
_LONGEST = 200
_RENAMED = {"data": "task"}
"""Keys as they were once called, and as they are now."""
_UNREADABLE = (yaml.YAMLError, ValueError, RecursionError)
"""What a parser raises: ValueError for a number of more than 4,300 digits or bytes that are no text."""


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping that a YAML file holds.

    Raises:
        UsageError: the file is missing, is not YAML or holds no mapping.
    """
    try:
        values = load_yaml(path.read_text())
    except OSError as error:
        raise UsageError(f"config file {path} cannot be read: {error.strerror}.") from None
    except _UNREADABLE as error:
        raise UsageError(
            f"config file {path} is not YAML that makes sense ({_problem(error)}); {_remedy(error)}."
        ) from None
    if not isinstance(values, dict):
        raise UsageError(f"config file {path} holds {type(values).__name__}, expected a mapping of keys to values.")
    return renamed(values, f"config file {path}")


def renamed(values: Mapping[str, Any], source: str) -> dict[str, Any]:
    """The values under the names that keys have now.

    Raises:
        UsageError: an old and a new name of one key have different values.

    >>> renamed({"data": "digits"}, "it")
    {'task': 'digits'}
    """
    found = {_RENAMED.get(key, key): value for key, value in values.items() if key not in _RENAMED.values()}
    for old, new in _RENAMED.items():
        if new in values and found.setdefault(new, values[new]) != values[new]:
            raise UsageError(
                f"{source}: {new} is {shortened(values[new])} and {old}, its old name, {shortened(values[old])}; drop "
                f"{old}."
            )
    return found


def assign(values: dict[str, Any], setting: str) -> None:
    """Puts one ``key=value`` into nested values; the value is read as YAML, the key may have dots.

    Raises:
        UsageError: there is no ``=``, the value is not YAML, or the key goes through something that has no keys.
    """
    key, equals, text = setting.partition("=")
    if not equals or not key:
        raise UsageError(
            f"setting {shortened(setting)} is not of the form key=value, such as training.learning_rate=0.05."
        )
    try:
        value = load_yaml(text)
    except _UNREADABLE as error:
        raise UsageError(
            f"setting {shortened(setting)} has a value that is not YAML ({_problem(error)}); {_remedy(error)}."
        ) from None
    put(values, key, value)


def put(values: dict[str, Any], key: str, value: Any) -> None:
    """Puts a value into nested values; the key may have dots, or be an old name.

    Raises:
        UsageError: the key goes through something that has no keys.
    """
    *groups, last = _RENAMED.get(key, key).split(".")
    for group in groups:
        values = values.setdefault(group, {})
        if not isinstance(values, dict):
            raise UsageError(f"setting '{key}' goes into '{group}', which has no keys.")
    values[last] = value


def seconds_of(text: str) -> float:
    """A length of time such as ``90``, ``60s``, ``5m``, ``1.5h`` or ``2d``.

    Raises:
        ValueError: it is none.

    >>> seconds_of("5m")
    300.0
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd]?)\s*", text)
    if match is None:
        raise ValueError("a length of time is a number with s, m, h or d behind it, such as 60s, 5m or 2h")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]


def check_values(values: Mapping[str, Any], source: str) -> None:
    """Refuses what no setting needs: 30 levels, 100,000 values (written out), integers of more than 64 bits.

    Raises:
        UsageError: one of them.
    """
    waiting: list[tuple[str, int, Any]] = [("", 0, values)]
    for _ in range(_MOST):
        if not waiting:
            return
        key, depth, value = waiting.pop()
        if depth > _DEEPEST:
            raise UsageError(f"{source}: {shortened(key, str)} has more than {_DEEPEST} levels; write it flatter.")
        if isinstance(value, int) and value.bit_length() > _BITS:
            raise UsageError(f"{source}: {shortened(key, str)} is an integer of more than 64 bits; give a smaller one.")
        if isinstance(value, Mapping):
            waiting += [(f"{key}.{name}".lstrip("."), depth + 1, each) for name, each in value.items()]
        elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
            waiting += [(key, depth + 1, each) for each in value]
    raise UsageError(f"{source}: more than {_MOST:,} values are given; leave out what no run needs.")


def shortened(value: Any, write: Any = repr) -> str:
    """A value as a message shows it: on one line, without a password."""
    text = without_password(write(value))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _problem(error: BaseException) -> str:
    """The first line of what a parser says, in the words of a user."""
    if isinstance(error, RecursionError):
        return "brackets in brackets in brackets, too deep to read"
    return re.sub(r";.*", "", str(error).splitlines()[0] if str(error) else type(error).__name__)


def _remedy(error: BaseException) -> str:
    """What to do about it."""
    if isinstance(error, yaml.YAMLError):
        return "close what it opens, or put quotes around a text"
    return f"write it with {_DEEPEST} levels or fewer" if isinstance(error, RecursionError) else "correct it"
