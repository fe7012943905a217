"""What is evaluated is what is delivered: the supernet against the networks that are extracted from it, on one batch.

A difference has a cause that numbers at the end of a run do not show: something that extraction lost, statistics that
are those of another place. So it is a refusal, with the first module whose output differs.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from nas.errors import UsageError
from nas.evaluation.shared_weights import SharedWeights
from nas.evaluation.trie import Trie
from nas.nn.modes import evaluating
from nas.nn.module_calls import Call, calls, first_different_call, tensors
from nas.nn.module_walk import walk
from nas.space import Architecture
from nas.supernet import Supernet

__all__ = ["check_extraction", "check_verdict", "difference"]

_TOLERANCE = {"cpu": 1e-4, "cuda": 1e-2}
"""Of outputs, in units of the largest: rounding of float32, and of the TF32 of a GPU's convolutions."""

Forward = Callable[[], object]


def check_extraction(supernet: Supernet, architecture: Architecture, *inputs: Tensor) -> None:
    """Checks that the supernet and the network of an architecture compute the same in evaluation mode.

    Args:
        supernet: follows the architecture afterwards.
        inputs: a batch of each input.

    Raises:
        UsageError: they do not.
    """
    network = supernet.extract(architecture).eval()
    supernet.activate(architecture)
    with evaluating(supernet):
        _compare(
            architecture,
            "in the supernet that was trained",
            _Side(supernet.model, lambda: supernet(*inputs)),
            _Side(network, lambda: network(*map(supernet.reads, inputs))),
        )


def check_verdict(evaluator: SharedWeights, architecture: Architecture) -> None:
    """Checks (UsageError) that an architecture is evaluated by the outputs of its extracted, recalibrated network."""
    batches = evaluator.data.validation.batches(min(evaluator.batch_size, len(evaluator.data.validation)))
    x, _ = next(iter(batches))
    network = evaluator.network(architecture)
    trie = Trie(evaluator.supernet, [architecture])
    trie.calibrate(evaluator.calibration_batches())
    _compare(
        architecture,
        "where it is evaluated",
        _Side(evaluator.supernet.model, lambda: trie.outputs(x)[0]),
        _Side(network, lambda: network(evaluator.supernet.reads(x, architecture))),
    )


class _Side:
    """A model and how it is run."""

    def __init__(self, model: nn.Module, run: Forward) -> None:
        self.model, self._run = model, run

    def run(self) -> object:
        """The output; random operations draw the same on both sides."""
        with torch.no_grad(), torch.random.fork_rng():
            torch.manual_seed(0)
            return self._run()

    def calls(self) -> dict[Call, list[Tensor]]:
        """What each module gives, by its path in the extracted network."""
        running = ((node.extracted, node.module) for node in walk(self.model, active=True) if not node.chooses)
        return calls(running, self.run)


def _compare(architecture: Architecture, where: str, evaluated: _Side, delivered: _Side) -> None:
    expected = evaluated.run()
    try:
        apart = difference(expected, delivered.run())
    except Exception as error:
        raise UsageError(
            f"the extracted network of architecture {architecture.id} cannot be run ({type(error).__name__}: {error}), "
            "though the supernet can; look for attributes that a plain network does not have."
        ) from error
    if apart is not None:
        raise UsageError(
            f"architecture {architecture.id}: {_first_that_differs(evaluated, delivered)} does not compute in the "
            f"extracted network what it does {where} ({apart}), so another network would be delivered than the "
            "one that was evaluated. Look there for what a copy of the module does not have, and make it a module of "
            "its own around a layer of nas.nn."
        )


def _first_that_differs(evaluated: _Side, delivered: _Side) -> str:
    call = first_different_call(
        delivered.calls(), evaluated.calls(), lambda theirs, ours: difference(ours, theirs) is not None
    )
    if call is None:
        return f"the model ({type(evaluated.model).__name__})"
    return f"'{call}' ({type(delivered.model.get_submodule(call.path)).__name__})"


def difference(expected: object, found: object) -> str | None:
    """By what the tensors of two outputs differ, if it is more than rounding; None if nothing does."""
    if len(tensors(expected)) != len(tensors(found)):
        return "another number of outputs"
    for evaluated, delivered in zip(tensors(expected), tensors(found), strict=True):
        if evaluated.shape != delivered.shape:
            return f"shape {tuple(delivered.shape)} instead of {tuple(evaluated.shape)}"
        ours, theirs = evaluated.double(), delivered.double()
        finite = ours.isfinite()
        if not torch.equal(finite, theirs.isfinite()):
            return "values that are not finite in one of them"
        scale = float(ours[finite].abs().max()) if finite.any() else 0.0
        apart = float((ours - theirs)[finite].abs().max()) if finite.any() else 0.0
        if apart > _TOLERANCE.get(ours.device.type, 1e-2) * scale:
            return f"up to {apart:.2g} apart, where values are up to {scale:.2g}"
    return None
