"""A space written down in a YAML file, or in NNI's JSON, for searches that need no model."""

import graphlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nas.errors import UsageError, did_you_mean
from nas.space.choice import candidate_key
from nas.space.condition import Condition, Use
from nas.space.nni_files import is_nni_space, read_nni_space
from nas.space.space import Space

__all__ = ["is_space_file", "read_space"]

_ENDINGS = (".yaml", ".yml", ".json")
_KEYS = ("choices", "conditions")


def is_space_file(name: str) -> bool:
    """Whether a space is named by its file.

    >>> is_space_file("chip.yaml"), is_space_file("mobilenet")
    (True, False)
    """
    return name.lower().endswith(_ENDINGS)


def read_space(path: str | Path) -> Space:
    """The space in a file: in NNI's JSON of a search space, or in YAML, choices with their candidates
    and conditions under which some of them are there.

    A condition names other choices and the candidates that they must have, one or a list; all must hold. Where a
    choice is there in several cases, its conditions are a list of such mappings, of which one must hold::

        choices:
          depth: [1, 2, 3]
          attention: [true, false]
          heads: [2, 4]
        conditions:
          heads: {attention: true, depth: [2, 3]}

    Raises:
        UsageError: the file cannot be read, or does not describe a space.
    """
    content = _content(Path(path))
    if is_nni_space(content):
        return _read_nni_space(path, content)
    for key in content:
        if key not in _KEYS:
            raise UsageError(f"space file {path} has an unknown key '{key}'; {did_you_mean(str(key), _KEYS)}")
    choices, conditions = content.get("choices"), content.get("conditions") or {}
    if not isinstance(choices, Mapping) or not choices:
        raise UsageError(f"space file {path} has no choices; write choices: {{depth: [1, 2, 3]}}.")
    if not isinstance(conditions, Mapping):
        raise UsageError(f"space file {path} has conditions {conditions!r}; write a mapping of choices.")
    try:
        known = {_name(name): _candidates(name, candidates) for name, candidates in choices.items()}
        uses = {_known(name, known): _uses(name, given, known) for name, given in conditions.items()}
        _check_order(uses)
        return Space(known, uses)
    except UsageError as error:
        raise UsageError(f"space file {path}: {error}") from None


def _read_nni_space(path: str | Path, content: Mapping[str, Any]) -> Space:
    try:
        return read_nni_space(content)
    except UsageError as error:
        raise UsageError(f"space file {path}: {error}") from None


def _content(path: Path) -> Mapping[Any, Any]:
    import yaml

    from nas.strict_yaml import load_yaml

    try:
        content = load_yaml(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(f"space file {path} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problem = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(f"space file {path} is no YAML ({problem}); correct it.") from None
    if not isinstance(content, Mapping):
        raise UsageError(f"space file {path} holds a {type(content).__name__}; write choices: {{depth: [1, 2, 3]}}.")
    return content


def _name(name: Any) -> str:
    if not isinstance(name, str) or not name:
        raise UsageError(f"choice {name!r} is named by no text; put quotes around it.")
    return name


def _candidates(name: str, candidates: Any) -> list[Any]:
    if not isinstance(candidates, list) or not candidates:
        raise UsageError(f"choice '{name}' has candidates {candidates!r}; write a list, such as [3, 5, 7].")
    return candidates


def _known(name: Any, choices: Mapping[str, Sequence[Any]]) -> str:
    if name not in choices:
        raise UsageError(f"conditions name '{name}', which is no choice; {did_you_mean(str(name), choices)}")
    return str(name)


def _uses(name: str, given: Any, choices: Mapping[str, Sequence[Any]]) -> list[Use]:
    """The places of a choice, each with all of its conditions."""
    places = given if isinstance(given, list) else [given]
    if not places or not all(isinstance(place, Mapping) and place for place in places):
        raise UsageError(f"choice '{name}' has the condition {given!r}; write a mapping, such as {{depth: [2, 3]}}.")
    return [tuple(_condition(name, other, wanted, choices) for other, wanted in place.items()) for place in places]


def _condition(name: str, other: Any, wanted: Any, choices: Mapping[str, Sequence[Any]]) -> Condition:
    keys = [candidate_key(candidate) for candidate in choices[_known(other, choices)]]
    values = wanted if isinstance(wanted, list) and candidate_key(wanted) not in keys else [wanted]
    for value in values:
        if candidate_key(value) not in keys:
            raise UsageError(
                f"choice '{name}' is there where '{other}' is {value!r}, which is none of its candidates "
                f"{list(choices[other])}."
            )
    return Condition((other,), frozenset((keys.index(candidate_key(value)),) for value in values))


def _check_order(uses: Mapping[str, Sequence[Use]]) -> None:
    """Refuses choices that decide about each other in a circle, of which none would ever be there."""
    deciders = {name: [each for use in places for one in use for each in one.names] for name, places in uses.items()}
    try:
        graphlib.TopologicalSorter(deciders).prepare()
    except graphlib.CycleError as error:
        circle = " and ".join(f"'{name}'" for name in dict.fromkeys(error.args[1]))
        raise UsageError(f"conditions of {circle} go round in a circle; leave one of them out.") from None
