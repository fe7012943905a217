"""What a published method consists of here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from nas.space import Space
from nas.training import LossTerm, PathSampler, Recipe

__all__ = ["Method", "Retrain"]

Retrain = Literal["no", "inherited", "fresh"]


@dataclass(frozen=True)
class Method:
    """A named bundle of parts.

    Attributes:
        name: what ``--method`` takes.
        family: "single-path" or "sandwich".
        paper: authors, title, year.
        summary: one line.
        paths: search space, seed → which architectures each step trains.
        objective: recipe → loss terms.
        recipe: fields of the training recipe in which the method departs from the default.
        retrain: whether the chosen network is trained again by itself, from inherited or fresh weights.
    """

    name: str
    family: str
    paper: str
    summary: str
    paths: Callable[[Space, int], PathSampler]
    objective: Callable[[Recipe], Sequence[LossTerm]]
    recipe: Mapping[str, Any] = field(default_factory=dict)
    retrain: Retrain = "no"
