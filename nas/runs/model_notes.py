"""What a run says of its model at the start: what it takes as the largest network, and a forward left in one block.

The largest network teaches, bounds constraints and is the reference of measurements.
"""

from collections.abc import Iterable

from nas.report.quantities import label, written
from nas.setup.run_setup import Setup
from nas.space import order_by_value
from nas.supernet import Supernet
from nas.tables.results import TableResults

__all__ = ["evaluator_notes", "largest_notes", "opening_notes", "pretrained_notes"]

_MOST_NAMES = 2


def largest_notes(supernet: Supernet) -> list[str]:
    """A sentence about choices whose largest candidate is not listed last, and one about those where it is a tie."""
    space = supernet.space
    largest = {name: space.choices[name][order[-1]] for name, order in space.order.items()}
    last = {name: candidates[order_by_value(candidates)[-1]] for name, candidates in space.choices.items()}
    moved = [name for name in largest if largest[name] != last[name]]
    tied = [name for name in supernet.equally_large if supernet.options[name] == space.choices[name]]
    notes = []
    if moved:
        taken = _listed({str(largest[name]) for name in moved})
        notes.append(
            f"The largest network takes what costs most, not what is listed last: {taken} for {_choices(moved)}."
        )
    if tied:
        equal = _listed(str(candidate) for candidate in supernet.equally_large[tied[0]])
        notes.append(
            f"Several candidates cost as much as the largest ({equal} for {_choices(tied)}); the largest network takes "
            "the last of them."
        )
    return notes


def opening_notes(supernet: Supernet) -> list[str]:
    """A sentence about a model whose forward might be a chain of modules and is evaluated as a whole."""
    if supernet.unopened is None:
        return []
    return [
        f"The forward of {type(supernet.model).__name__} is not opened into blocks, since {supernet.unopened}; so "
        "candidates share no activations and the report shows one block."
    ]


def evaluator_notes(setup: Setup) -> list[str]:
    """As of :func:`opening_notes`; or that no supernet is trained, and what a table of results says of itself."""
    if setup.traits.needs_supernet:
        return opening_notes(setup.searched)
    return [
        f"Evaluator '{setup.config.evaluator}' evaluates candidates without a supernet, so none is trained, and "
        "neither method nor training have any effect.",
        *(setup.evaluator.notes if isinstance(setup.evaluator, TableResults) else ()),
    ]


def pretrained_notes(setup: Setup) -> list[str]:
    """What the pretrained network is worth as it was given, on the part of the validation split that selects; one that
    reads inputs otherwise than the data give them shows here."""
    network, data, name = setup.problem.pretrained, setup.data, setup.metric.name
    if network is None:
        return []
    score = setup.evaluate(network, data.validation, setup.space.largest())[name]
    return [
        f"The model that was given has {label(name).lower()} {written(name, score)} before anything is trained, on the "
        "part of the validation split that selects."
    ]


def _choices(names: list[str]) -> str:
    more = len(names) - _MOST_NAMES
    return _listed(names[:_MOST_NAMES]) + (f" and {more} more choices" if more > 0 else "")


def _listed(words: Iterable[str]) -> str:
    return ", ".join(sorted(words))
