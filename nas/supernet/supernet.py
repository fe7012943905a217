"""The supernet: a model with choices, and the rule for which weights an architecture sees."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from nas.conversion.elastic_model import ElasticModel
from nas.data.resolution import resized_images
from nas.errors import UsageError
from nas.nn import Elastic, Gate
from nas.nn.channel_ranges import Region
from nas.nn.modes import evaluating
from nas.sharing import Shared, Sharing
from nas.sharing.bank import Override, folded, substituted
from nas.space import Architecture, Choice, Space, candidate_key
from nas.supernet.attachments import check_attached, check_forwards, check_sizes, check_tree, tree_above
from nas.supernet.discovery import discover
from nas.supernet.extraction import extract
from nas.supernet.gate_check import check_gates
from nas.supernet.mixing import soft_gates
from nas.supernet.opening import Opening
from nas.supernet.ordering import order_by_cost, order_of
from nas.supernet.outside import Outside, ReadInput
from nas.supernet.parts import Shape, parts_in_use, regions_in_use, stored_size
from nas.supernet.probe import Probe
from nas.supernet.segmentation import Segment

__all__ = ["SegmentKey", "Supernet"]

SegmentKey = tuple[Any, ...]


class Supernet(nn.Module):
    """Encodes every candidate of a search space in shared weights.

    An ordinary module: its parameters are those of the model and of the sharing scheme, and its forward runs the
    architecture that was activated last, the largest to begin with. Nothing is sampled inside ``forward``.

    Args:
        model: any module that holds layers of :mod:`nas.nn` with choices, or what :func:`nas.elastic` made of a model.
        sharing: which weights an architecture sees; one set for all by default, see :mod:`nas.sharing`.
        input_shape: of one example without the batch, or a tuple of such shapes if there are several inputs. With it
            candidates that are modules with as many parameters as each other are ordered by their FLOPs, and a forward
            of the model's own may be opened into blocks.
        input_dtype: of the inputs.
        like: the space of another supernet with the same choices, whose order of candidates holds here too; by default
            they are ordered by what they cost here.
        extra: name → candidates of choices that no module of the model reads, such as the size of images. Architectures
            have them as they have those of the model; extracted networks know nothing of them.
        read: a batch and the extra choices of an architecture → what its network reads of the batch, which ``forward``
            gives the model. By default images are resized where ``image_size`` is a choice, and all else stays.

    Attributes:
        equally_large: name → the candidates that cost as much as the largest, of choices where there are several.
        bank: whose weights the active architecture sees; None where there is but one, or it sees several.
        summary: what varies, as text, of a model that :func:`nas.elastic` made; None of others.

    Raises:
        UsageError: the model holds no choice, or two choices are named alike, be they in the model or extra; it cannot
            be run on such an input; the scheme does not fit it, or the space; a module does not know its size yet; or
            something is attached to an elastic module that an extracted network could not have.

    >>> import nas
    >>> kernel = nas.Choice([3, 5])
    >>> supernet = Supernet(nn.Sequential(nas.nn.Conv2d(1, 4, kernel, padding=kernel // 2)))
    >>> supernet.activate({"0.kernel_size": 3})
    >>> supernet.extract(supernet.architecture)
    Sequential(
      (0): Conv2d(1, 4, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
    )
    """

    def __init__(
        self,
        model: nn.Module | ElasticModel,
        sharing: Sharing | None = None,
        input_shape: Sequence[int] | Sequence[Sequence[int]] | None = None,
        input_dtype: torch.dtype = torch.float32,
        like: Space | None = None,
        extra: Mapping[str, Sequence[Any] | Choice] | None = None,
        read: ReadInput = resized_images,
    ) -> None:
        super().__init__()
        self.summary = str(model) if isinstance(model, ElasticModel) else None
        model = model.network if isinstance(model, ElasticModel) else model
        check_sizes(model)
        sharing = sharing or Shared()
        added = sharing.choices(model)
        found = discover(model, added)
        if not found.choices:
            raise UsageError(f"{type(model).__name__} holds no choice; put a nas.Choice into a layer of nas.nn.")
        self.model = model
        one_hot = {choice: [Gate((each,)) for each in choice.candidates] for choice in found.choices.values()}
        self._outside = Outside(extra or {}, read)
        probe = self._probe(model, input_shape, input_dtype) if input_shape else None
        other = None if like is None else self._outside.without(like)
        ordering = order_by_cost(found, one_hot, probe) if other is None else order_of(other, found)
        self.space = self._outside.beside(Space(found.choices, found.space.uses, ordering.order))
        self.equally_large = ordering.equally_large
        self._choices = found.choices
        gates = ((name, gate) for name, choice in found.choices.items() for gate in one_hot[choice])
        self._one_hot = {(name, candidate_key(gate.values[0])): gate for name, gate in gates}
        self._sites = [(site.module, site.choices) for site in found.sites if site.choices]
        self._names = {choice: name for name, choice in found.choices.items()}
        self._readers = [(site.path, [self._names[choice] for choice in site.choices]) for site in found.sites]
        self._readers += [(path, [self._names[choice]]) for path, choice in added.items()]
        self._read_below: dict[str, list[str]] = {}
        self._opening = Opening(model)
        self._checked: set[str] = set()
        self.sharing = sharing
        sharing.bind(model, self.space)
        self._above = tree_above(model, [module for module, _ in self._sites])
        self._check_extraction([(site.path, site.module) for site in found.sites])
        for architecture in (self.space.smallest(), self.space.largest()):
            self.activate(architecture)
            self._opening.check(probe)

    @property
    def unopened(self) -> str | None:
        """Why the model is one segment though its forward might be a chain of modules; None where it is opened."""
        return self._opening.refused

    @property
    def architecture(self) -> Architecture:
        """The architecture that is active; UsageError where soft gates are instead, see :meth:`mix`."""
        if self._architecture is None:
            raise UsageError("the supernet follows soft gates, not one architecture; call activate() first.")
        return self._architecture

    @property
    def values(self) -> dict[Choice, Any]:
        """The candidate of each active choice of the model, under the active architecture."""
        return {choice: self.architecture[name] for name, choice in self._choices.items() if name in self.architecture}

    @property
    def options(self) -> dict[str, tuple[Any, ...]]:
        """What soft gates weigh, by choice of the model: its candidates, or the elements of a subset."""
        return {name: choice.options for name, choice in self._choices.items()}

    def readers(self, name: str) -> list[Elastic]:
        """The modules that read a choice; none where it is outside the model."""
        if name in self.extra:
            return []
        return [module for module, choices in self._sites if self._choices[name] in choices]

    @property
    def extra(self) -> Mapping[str, tuple[Any, ...]]:
        """The candidates of the choices that no module of the model reads, by name."""
        return self._outside.space.choices

    def reads(self, x: Any, architecture: Mapping[str, Any] | None = None) -> Any:
        """What a network reads of an input: all of it, or what the extra choices of its architecture leave.

        Args:
            x: as ``forward`` takes it.
            architecture: of the network; by default the active one.
        """
        (read,) = self._outside.read([x], self.architecture if architecture is None else architecture)
        return read

    def activate(self, architecture: Mapping[str, Any], bank: int | None = None) -> None:
        """Makes ``forward`` run this architecture.

        Args:
            architecture: of the space.
            bank: whose weights it sees; by default the sharing scheme says.

        Raises:
            UsageError: it is not a member of the space, there is no such bank, or a module was replaced.
        """
        check_tree(self._above)
        chosen = self.space.architecture(architecture)
        self.bank = self.sharing.bank_of(chosen) if bank is None else self.sharing.check_bank(bank)
        inside = {name: value for name, value in chosen.items() if name in self._choices}
        self._configure(
            {self._choices[name]: self._one_hot[name, candidate_key(value)] for name, value in inside.items()}
        )
        self._architecture: Architecture | None = chosen

    def mix(
        self,
        weights: Mapping[str, Tensor],
        active: Mapping[str, Sequence[int]] | None = None,
        idle: Mapping[str, Literal["ones", "outputs"]] | None = None,
        only: Mapping[str, Sequence[int]] | None = None,
        bank: int | None = None,
    ) -> None:
        """Makes ``forward`` run a gate-weighted mixture of options.

        Args:
            weights: for every choice a tensor ``[options]`` (see :attr:`options`); gradients flow into it.
            active: for some choices the positions of the options to run; all by default.
            idle: for some choices how the weights of the options that do not run learn, see
                :class:`nas.nn.gate.Idle`; not at all by default.
            only: for some choices the positions of the options that there are; the others neither run nor learn.
            bank: whose weights are seen, of schemes that give each region of the space some.

        Raises:
            UsageError: an unknown choice, or one without a weight for each option or without an active one; or which
                weights are seen, or what is read of the inputs, depends on the architecture.
        """
        if self.extra:
            raise UsageError(
                f"soft gates mix the candidates of layers, but '{next(iter(self.extra))}' is a choice outside the "
                "model, which one architecture has; leave it out for a method that learns gates."
            )
        bank = self.sharing.bank_of_gates(bank)
        gates = soft_gates(self.options, weights, active or {}, idle or {}, only or {}, partial(self._gates_see, bank))
        self._configure({self._choices[name]: gate for name, gate in gates.items()})
        self._architecture, self.bank = None, bank

    def forward(self, *inputs: Any) -> Any:
        """What the active architecture gives, or the mixture that the gates say.

        Raises:
            UsageError: a choice is mixed for the first time and cannot be, see :mod:`nas.supernet.gate_check`.
        """
        if self._architecture is None:
            self._check_gates(inputs)
        else:
            inputs = self._outside.read(inputs, self._architecture)
        with self.weights():
            return self.model(*inputs)

    def weights(self, *within: str) -> AbstractContextManager[None]:
        """Within it the modules of the model hold the weights that the active architecture sees.

        Args:
            within: paths of blocks of the model; by default all of it.
        """
        return substituted([slot for path in within or ("",) for slot in self._slots(path)])

    def extract(self, architecture: Mapping[str, Any], bank: int | None = None) -> nn.Module:
        """The plain network of an architecture with the weights it inherits; needs torch alone and shares no state.

        Batch-norm statistics are copied as they are: recalibrate them before evaluating the network.

        Args:
            bank: whose weights it inherits; by default the sharing scheme says.
        """
        check_attached(self.model)
        gates, previous = self._gates, (self._architecture, self.bank)
        self.activate(architecture, bank)
        try:
            with torch.no_grad():
                slots = folded(self._slots())
            with substituted(slots):
                return extract(self.model, self.values)
        finally:
            self._configure(gates)
            self._architecture, self.bank = previous

    def segments(self) -> list[tuple[SegmentKey, Segment]]:
        """The active blocks in order, each with a key that says all about what it computes, given its input.

        Two architectures whose leading keys agree run the same operations with the same weights up to there.
        """
        return [(self._segment_key(segment), segment) for segment in self._opening.segments()]

    def active_regions(self, within: nn.Module | None = None) -> Iterator[tuple[nn.Parameter, Region]]:
        """Each parameter that runs and the region of it in use, once (see :mod:`nas.supernet.parts`).

        Where what a module reads is computed, the model's own parameter stands for it.

        Args:
            within: one block of the model; the whole model by default.
        """
        return regions_in_use(self.model if within is None else within, self._banked())

    def active_parts(self, within: nn.Module | None = None) -> Mapping[Hashable, Shape]:
        """The shape of each parameter that the extracted network has; a key for each, the same wherever it is used.

        Args:
            within: one block of the model; the whole model by default.
        """
        return parts_in_use(self.model if within is None else within, self._banked())

    def stored_parameters(self) -> int:
        """Elements of all parameters of the active architecture where what is computed is kept as what it is made of.

        Layers that use parts of one parameter count the largest. An extracted network has each part by itself, and
        computed weights as they are, so a file of it may be larger.
        """
        return stored_size(self.model, self._slots())

    def read_by(self, path: str) -> list[str]:
        """The names of the choices that the module at ``path`` reads, its children included."""
        if path not in self._read_below:
            inside = (names for place, names in self._readers if f"{place}.".startswith(f"{path}." if path else ""))
            self._read_below[path] = list(dict.fromkeys(name for names in inside for name in names))
        return self._read_below[path]

    def name_of(self, choice: Choice) -> str:
        """The name of a choice of the model."""
        return self._names[choice]

    def _probe(self, model: nn.Module, shape: Sequence[int] | Sequence[Sequence[int]], dtype: torch.dtype) -> Probe:
        """Runs the model on inputs as the largest network reads them."""
        shapes = cast("Sequence[Sequence[int]]", shape if isinstance(shape[0], Sequence) else [shape])
        return Probe(model, [self._outside.shape(each, dtype) for each in shapes], dtype)

    def _check_extraction(self, sites: Sequence[tuple[str, Elastic]]) -> None:
        """Refuses a model of which some network could not be extracted; every module follows its first candidates."""
        check_attached(self.model)
        first = {choice: choice.candidates[0] for choice in self._choices.values()}
        self._configure({choice: self._one_hot[self._names[choice], candidate_key(first[choice])] for choice in first})
        check_forwards(sites, first)

    def _segment_key(self, segment: Segment) -> SegmentKey:
        read = dict.fromkeys(name for path in segment.paths for name in self.read_by(path))
        active = (name for name in read if name in self.architecture)
        key = (segment.path, *((name, candidate_key(self.architecture[name])) for name in active))
        seen = [self.sharing.key(self.architecture, self.bank, path) for path in segment.paths]
        weights = tuple(each for each in seen if each is not None)
        step = () if segment.step is None else (segment.step,)
        return (*key, *step, *weights)

    def _banked(self) -> dict[tuple[nn.Module, str], Tensor]:
        return {(slot.module, slot.name): slot.tensor for slot in self._slots()}

    def _slots(self, within: str = "") -> Sequence[Override]:
        if self._architecture is None:
            return self.sharing.weights_of_gates(self.bank, within)
        return self.sharing.weights(self._architecture, self.bank, within)

    def _gates_see(self, bank: int | None) -> AbstractContextManager[None]:
        """Within it the modules of the model hold the weights of a bank, whatever is active by then."""
        return substituted(self.sharing.weights_of_gates(bank))

    def _check_gates(self, inputs: Sequence[Any]) -> None:
        """Checks with two examples, once for each choice, that one-hot gates give what architectures give."""
        gates, bank = self._gates, self.bank
        mixed = {self._names[choice] for choice, gate in gates.items() if len(gate.values) > 1} - self._checked
        if mixed and all(isinstance(each, Tensor) and not each.is_meta for each in inputs):
            self._checked |= mixed
            with evaluating(self), torch.autocast(inputs[0].device.type, enabled=False):
                check_gates(self, mixed, *(inputs if len(inputs) > 1 else [inputs[0][:2]]))
            self._configure(gates)
            self._architecture, self.bank = None, bank

    def _configure(self, gates: Mapping[Choice, Gate]) -> None:
        for module, choices in self._sites:
            if all(choice in gates for choice in choices):
                module.configure(gates)
        self._gates = gates
