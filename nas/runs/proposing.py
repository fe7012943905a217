"""What a method has arrived at, as architectures to evaluate."""

from collections.abc import Mapping, Sequence
from typing import Any

from nas.files import write_file
from nas.search import collapse_warning
from nas.setup.folder import RunFolder
from nas.setup.run_setup import Setup
from nas.space import Architecture, Space
from nas.training import Epoch, RelaxedStep, Step

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
    """
    if not isinstance(step, RelaxedStep):
        return {"proposals": [final, *step.proposals[1:]], "probabilities": _certain(setup.space, final)}
    earlier = [setup.space.architecture(epoch["architecture"]["derived"]) for epoch in reversed(history)]
    return {
        "proposals": [final, *earlier],
        "probabilities": step.relaxed.arrays(),
        "options": step.relaxed.supernet.options,
    }


def _certain(space: Space, architecture: Architecture) -> dict[str, list[float]]:
    """Chances of the candidates of each choice: one for that of the architecture, alike where that has none."""
    return {
        name: [float(name not in architecture or each == architecture[name]) for each in candidates]
        for name, candidates in space.choices.items()
    }


def collapse_of(step: Step, architecture: Mapping[str, Any]) -> str | None:
    """The sentence that says that an architecture has no operation left that learns, if so."""
    if not isinstance(step, RelaxedStep):
        return None
    free = {name: each.parameter_free for name, each in step.relaxed.decisions.items()}
    return collapse_warning(architecture, free, step.relaxed.supernet.space)
