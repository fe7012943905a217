"""What epochs tell of the architecture parameters, brought into order: groups of choices, fewer epochs, changes."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nas.report.content import ReportContent

__all__ = ["MOST_EPOCHS", "MOST_GROUPS", "Change", "changes", "grouped", "kind", "recorded", "said", "thinned"]

MOST_EPOCHS = 40
"""Of more epochs only so many are drawn, the first and the last among them, so that pages stay small."""

MOST_GROUPS = 6
"""As many lines as have a colour of their own."""


@dataclass(frozen=True)
class Change:
    """What an epoch changed in the derived architecture.

    Attributes:
        epoch: its number.
        choices: choice → candidate before and after; None where the choice was not derived.
    """

    epoch: int
    choices: Mapping[str, tuple[Any, Any]]


def recorded(content: ReportContent) -> list[Mapping[str, Any]]:
    """The epochs that tell of the architecture parameters; none if the options are not known."""
    if content.relaxation is None:
        return []
    return [epoch for epoch in content.epochs if epoch.get("architecture")]


def thinned(epochs: Sequence[Mapping[str, Any]], most: int = MOST_EPOCHS) -> list[Mapping[str, Any]]:
    """At most so many of the epochs, evenly spaced, with the first and the last."""
    indices = np.unique(np.linspace(0, len(epochs) - 1, min(most, len(epochs))).round().astype(int))
    return [epochs[index] for index in indices]


def grouped(choices: Iterable[str]) -> dict[str, list[str]]:
    """Choices by the part of their name before the first dot; in one group if there are more than MOST_GROUPS.

    >>> grouped(["normal.edge_0_2", "reduce.edge_0_2", "normal.edge_1_2", "width"])
    {'normal': ['normal.edge_0_2', 'normal.edge_1_2'], 'reduce': ['reduce.edge_0_2'], '': ['width']}
    """
    names = list(choices)
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(name.partition(".")[0] if "." in name else "", []).append(name)
    return groups if len(groups) <= MOST_GROUPS else {"": names}


def kind(choice: str) -> str:
    """What a choice decides: the last part of its name without numbers.

    >>> kind("normal.edge_0_2"), kind("reduce.node_3"), kind("stages.0.kernel"), kind("layers.3")
    ('edge', 'node', 'kernel', '')
    """
    return re.sub(r"[_\d]+$", "", choice.rpartition(".")[2])


def changes(epochs: Sequence[Mapping[str, Any]]) -> list[Change]:
    """What each epoch changed against the one before, of those that changed the derived architecture."""
    found: list[Change] = []
    before: Mapping[str, Any] | None = None
    for epoch in epochs:
        after = epoch["architecture"].get("derived")
        if not after:
            continue
        if before is not None:
            pairs = {name: (before.get(name), after.get(name)) for name in {**before, **after}}
            differing = {name: pair for name, pair in pairs.items() if said(pair[0]) != said(pair[1])}
            if differing:
                found.append(Change(int(epoch["epoch"]), differing))
        before = after
    return found


def said(candidate: Any) -> str:
    """A candidate in words; subsets as their elements.

    >>> said("skip_connect"), said([0, 2]), said(None)
    ('skip_connect', '0, 2', '–')
    """
    if candidate is None:
        return "\N{EN DASH}"
    return ", ".join(map(said, candidate)) if isinstance(candidate, list | tuple) else str(candidate)
