"""Whether a model is opened into blocks: decided when the supernet is built, and no longer once the model changed."""

from collections.abc import Iterator, Sequence

from torch import Tensor, nn

from nas.nn import Elastic, OneOf
from nas.nn.batch_norms import batch_norms
from nas.nn.tree import below, children, modules
from nas.supernet.chains import Chain, read_chain, still_holds
from nas.supernet.probe import Probe, on_meta
from nas.supernet.reads import NoChain
from nas.supernet.segmentation import Segment, active_modules, segments

__all__ = ["Opening"]


class Opening:
    """The blocks of a model.

    A forward of the model's own is opened where tracing shows a chain, and :meth:`check` that one tensor passes between
    the blocks. A model in which one batch norm runs in two blocks is one block: it has one set of statistics, as in
    plain torch, so what the first block computes depends on the second.

    Args:
        model: of a supernet.

    Attributes:
        refused: why the model is one block though its forward might be a chain; None where it is opened.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._repeats_norms = _repeat(batch_norms(module for _, module in modules(model)))
        self._chain: Chain | None = None
        self.refused: str | None = None
        if type(model) is not nn.Sequential and not isinstance(model, Elastic):
            try:
                self._chain = read_chain(model)
            except NoChain as reason:
                self.refused = str(reason)

    def segments(self) -> list[Segment]:
        """The active blocks in order."""
        chain = self._chain if self._chain and still_holds(self._model, self._chain) else None
        found = list(segments(self._model, chain))
        return [Segment("", self._model)] if self._repeats_norms and _share_a_norm(found) else found

    def check(self, probe: Probe | None) -> None:
        """Tries the blocks of the architecture that is active.

        Args:
            probe: knows the input; None where its shape is not known, and then the model is one block.
        """
        if self._chain is None:
            return
        try:
            _check_values(self._model, segments(self._model, self._chain), probe)
        except NoChain as reason:
            self._chain, self.refused = None, str(reason)


def _check_values(model: nn.Module, blocks: Iterator[Segment], probe: Probe | None) -> None:
    """Runs the blocks without arithmetic, and beside a candidate of an opened choice the others.

    Raises:
        NoChain: one before the last gives other than one tensor, or it is not known what it gives.
    """
    if probe is None:
        raise NoChain("the shape of its input is not known (input_shape of nas.Supernet)")
    *before, _ = blocks
    value = probe.example[0]
    for block in before:
        for path, other in _beside(model, block):
            _tensor_of(path, other, value)
        value = _tensor_of(block.path, block.module, value)


def _tensor_of(path: str, module: nn.Module, value: Tensor) -> Tensor:
    try:
        given = on_meta(module, (value,))
    except Exception as error:  # a module may do anything with a value that is none
        raise NoChain(f"what '{path}' gives cannot be told without values") from error
    if not isinstance(given, Tensor):
        raise NoChain(f"'{path}' gives a {type(given).__name__}, not one tensor")
    return given


def _beside(model: nn.Module, block: Segment) -> Iterator[tuple[str, nn.Module]]:
    """Path and module of the other candidates, if the block is one."""
    above = block.path.rpartition(".")[0]
    choice = model.get_submodule(above) if block.step is None else None
    if isinstance(choice, OneOf):
        yield from ((below(above, name), each) for name, each in children(choice) if each is not block.module)


def _share_a_norm(found: Sequence[Segment]) -> bool:
    """Whether a batch norm that keeps statistics runs in two of the segments."""
    inside = (set(batch_norms(module for _, module in active_modules(segment.module))) for segment in found)
    return _repeat([norm for norms in inside for norm in norms])


def _repeat(norms: Sequence[nn.Module]) -> bool:
    return len(set(norms)) < len(norms)
