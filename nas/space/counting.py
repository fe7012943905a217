"""The exact number of architectures in a space with conditions.

Choices that control no open condition multiply; the rest falls apart into components that share no condition,
and each component is counted by branching on one of its deciding choices.
"""

from collections.abc import Mapping, Sequence

from nas.space.condition import Use, is_active

__all__ = ["count"]


def count(sizes: Mapping[str, int], uses: Mapping[str, Sequence[Use]]) -> int:
    """Number of distinct canonical assignments.

    Args:
        sizes: number of candidates of each choice.
        uses: for each choice the places where it is used.
    """
    return _count(sizes, uses, {}, list(sizes))


def _count(
    sizes: Mapping[str, int], uses: Mapping[str, Sequence[Use]], chosen: dict[str, int], names: Sequence[str]
) -> int:
    active = {name: is_active(uses[name], chosen) for name in names}
    needs = {name: _open_names(uses[name], chosen) for name in names if active[name] is None}
    controlling = {other for needed in needs.values() for other in needed}
    total = 1
    for name in names:
        if active[name] and name not in controlling:
            total *= sizes[name]
    for component in _components(needs, [name for name in names if active[name] is None or name in controlling]):
        deciding = next((name for name in component if active[name]), None)
        if deciding is None:
            continue
        rest = [name for name in component if name != deciding]
        total *= sum(_count(sizes, uses, {**chosen, deciding: index}, rest) for index in range(sizes[deciding]))
    return total


def _open_names(uses: Sequence[Use], chosen: Mapping[str, int]) -> set[str]:
    return {name for use in uses for condition in use for name in condition.names if name not in chosen}


def _components(needs: Mapping[str, set[str]], names: Sequence[str]) -> list[list[str]]:
    """Connected components of the graph that joins an open choice to what it depends on, in stable order."""
    label = {name: position for position, name in enumerate(names)}
    for name, needed in needs.items():
        joined = {label[other] for other in (name, *needed) if other in label}
        label = {other: min(joined) if mark in joined else mark for other, mark in label.items()}
    groups: dict[int, list[str]] = {}
    for name in names:
        groups.setdefault(label[name], []).append(name)
    return list(groups.values())
