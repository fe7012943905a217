"""What a differentiable method has learnt, as architectures to evaluate."""

from collections.abc import Mapping, Sequence
from typing import Any

from nas.files import write_file
from nas.search import collapse_warning
from nas.setup.folder import RunFolder
from nas.setup.run_setup import Setup
from nas.space import Architecture
from nas.training import Epoch, RelaxedStep

__all__ = ["collapse_of", "derive_final", "learnt_by"]


def derive_final(setup: Setup, folder: RunFolder, step: RelaxedStep) -> Architecture:
    """The architecture that the method proposes after training; kept in ``derived.json``."""
    if folder.derived.exists():
        return setup.space.architecture(folder.read(folder.derived))
    write_file(folder.derived, step.derived.to_json())
    return step.derived


def learnt_by(setup: Setup, step: RelaxedStep, final: Architecture, history: Sequence[Epoch]) -> dict[str, Any]:
    """What strategies may follow: the final architecture, then those of earlier epochs, the latest first; chances."""
    earlier = [setup.space.architecture(epoch["architecture"]["derived"]) for epoch in reversed(history)]
    return {
        "proposals": [final, *earlier],
        "probabilities": step.relaxed.arrays(),
        "options": step.relaxed.supernet.options,
    }


def collapse_of(step: RelaxedStep, architecture: Mapping[str, Any]) -> str | None:
    """The sentence that says that an architecture has no operation left that learns, if so."""
    free = {name: each.parameter_free for name, each in step.relaxed.decisions.items()}
    return collapse_warning(architecture, free, step.relaxed.supernet.space)
