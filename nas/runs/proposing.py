"""What a method has arrived at, as architectures to evaluate."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nas.files import write_file
from nas.search import collapse_warning
from nas.setup.folder import RunFolder
from nas.setup.run_setup import Setup
from nas.space import Architecture, Space
from nas.training import Epoch, Step, relaxed_of

__all__ = ["collapse_of", "derive_final", "learnt_by"]


def derive_final(setup: Setup, folder: RunFolder, step: Step) -> Architecture:
    """The architecture that the method proposes after training; kept in ``derived.json``."""
    if folder.derived.exists():
        return setup.space.architecture(folder.read(folder.derived))
    final = step.proposals[0]
    write_file(folder.derived, final.to_json())
    return final


def learnt_by(setup: Setup, step: Step, final: Architecture, history: Sequence[Epoch]) -> dict[str, Any]:
    """What strategies may follow: the final architecture, then those of earlier epochs, the latest first; chances.

    Where no chances were learnt, they are in the favour of the final one, and others that the method proposes follow.
    Where regions learnt some, those of all come before earlier ones, and chances are the mean of theirs.
    """
    relaxed = relaxed_of(step)
    if not relaxed:
        return {"proposals": [final, *step.proposals[1:]], "probabilities": _certain(setup.space, final)}
    others = step.proposals if len(relaxed) > 1 else []
    earlier = [setup.space.architecture(each) for epoch in reversed(history) for each in _derived_in(epoch)]
    arrays = [each.arrays() for each in relaxed]
    return {
        "proposals": [final, *others, *earlier],
        "probabilities": {name: np.mean([each[name] for each in arrays], axis=0) for name in arrays[0]},
        "options": relaxed[0].supernet.options,
    }


def _derived_in(epoch: Epoch) -> list[Mapping[str, Any]]:
    """What was derived after an epoch, in each region if there were several."""
    learnt = epoch["architecture"]
    return list(learnt["derived_by_bank"] if "derived_by_bank" in learnt else [learnt["derived"]])


def _certain(space: Space, architecture: Architecture) -> dict[str, list[float]]:
    """Chances of the candidates of each choice: one for that of the architecture, alike where that has none."""
    return {
        name: [float(name not in architecture or each == architecture[name]) for each in candidates]
        for name, candidates in space.choices.items()
    }


def collapse_of(step: Step, architecture: Mapping[str, Any]) -> str | None:
    """The sentence that says that an architecture has no operation left that learns, if so."""
    relaxed = relaxed_of(step)
    if not relaxed:
        return None
    free = {name: each.parameter_free for name, each in relaxed[0].decisions.items()}
    return collapse_warning(architecture, free, relaxed[0].supernet.space)
