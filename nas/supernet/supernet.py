"""The supernet: a model with choices, and the rule for which weights an architecture sees."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from torch import Tensor, nn

from nas.errors import UsageError, did_you_mean
from nas.nn import Elastic, ElasticLayer, Gate
from nas.nn.channels import Region
from nas.nn.gate import Idle
from nas.space import Architecture, Choice, candidate_key
from nas.supernet.discovery import discover
from nas.supernet.extraction import extract
from nas.supernet.segments import Segment, active_modules, segments

__all__ = ["SegmentKey", "Supernet"]

SegmentKey = tuple[Any, ...]


class Supernet(nn.Module):
    """Encodes every candidate of a search space in one set of shared weights.

    An ordinary module: its parameters are those of the model and its forward runs the architecture that was
    activated last, the largest to begin with. Nothing is sampled inside ``forward``.

    Args:
        model: any module that holds layers of :mod:`nas.nn` with choices.

    Raises:
        UsageError: the model holds no choice, or names two of them alike.

    >>> import nas
    >>> kernel = nas.Choice([3, 5])
    >>> supernet = Supernet(nn.Sequential(nas.nn.Conv2d(1, 4, kernel, padding=kernel // 2)))
    >>> supernet.activate({"0.kernel_size": 3})
    >>> supernet.extract(supernet.architecture)
    Sequential(
      (0): Conv2d(1, 4, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
    )
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        found = discover(model)
        if not found.choices:
            raise UsageError(f"{type(model).__name__} holds no choice; put a nas.Choice into a layer of nas.nn.")
        self.model = model
        self.space = found.space
        self._choices = found.choices
        self._one_hot = {
            (name, candidate_key(candidate)): Gate((candidate,))
            for name, choice in found.choices.items()
            for candidate in choice.candidates
        }
        self._sites = [(site.module, site.choices) for site in found.sites if site.choices]
        self._names = {choice: name for name, choice in found.choices.items()}
        self._readers = [(site.path, [self._names[choice] for choice in site.choices]) for site in found.sites]
        self._read_below: dict[str, list[str]] = {}
        self.activate(self.space.largest())

    @property
    def architecture(self) -> Architecture:
        """The architecture that is active.

        Raises:
            UsageError: soft gates are active instead, see :meth:`mix`.
        """
        if self._architecture is None:
            raise UsageError("the supernet follows soft gates, not one architecture; call activate() first.")
        return self._architecture

    @property
    def values(self) -> dict[Choice, Any]:
        """The candidate of each active choice of the model, under the active architecture."""
        return {self._choices[name]: value for name, value in self.architecture.items()}

    @property
    def options(self) -> dict[str, tuple[Any, ...]]:
        """What soft gates weigh, by choice: its candidates, or the elements of a subset."""
        return {name: choice.options for name, choice in self._choices.items()}

    def readers(self, name: str) -> list[Elastic]:
        """The modules that read a choice."""
        return [module for module, choices in self._sites if self._choices[name] in choices]

    def activate(self, architecture: Mapping[str, Any]) -> None:
        """Makes ``forward`` run this architecture.

        Raises:
            UsageError: it is not a member of the space.
        """
        chosen = self.space.architecture(architecture)
        self._configure(
            {self._choices[name]: self._one_hot[name, candidate_key(value)] for name, value in chosen.items()}
        )
        self._architecture: Architecture | None = chosen

    def mix(
        self,
        weights: Mapping[str, Tensor],
        active: Mapping[str, Sequence[int]] | None = None,
        idle: Mapping[str, Literal["ones", "outputs"]] | None = None,
    ) -> None:
        """Makes ``forward`` run a gate-weighted mixture of options.

        Args:
            weights: for every choice a tensor ``[options]`` (see :attr:`options`); gradients flow into it.
            active: for some choices the positions of the options to run; all by default.
            idle: for some choices how the weights of the options that do not run learn, see
                :class:`nas.nn.gate.Idle`; not at all by default.

        Raises:
            UsageError: an unknown choice, or one without a weight for each option or without an active one.
        """
        active, idle = active or {}, idle or {}
        for name in (*weights, *active, *idle):
            if name not in self._choices:
                raise UsageError(f"gates name '{name}', which is no choice; {did_you_mean(name, self._choices)}")
        gates = {}
        for name, options in self.options.items():
            running = list(active.get(name, range(len(options))))
            if name not in weights or weights[name].shape != (len(options),) or not running:
                raise UsageError(f"choice '{name}' needs a tensor of {len(options)} gate weights and an active option.")
            others = [position for position in range(len(options)) if position not in running]
            rest = None
            if name in idle and others:
                rest = Idle(tuple(options[i] for i in others), weights[name][others], idle[name])
            gates[self._choices[name]] = Gate(tuple(options[i] for i in running), weights[name][running], rest)
        self._configure(gates)
        self._architecture = None

    def forward(self, *inputs: Any) -> Any:
        return self.model(*inputs)

    def extract(self, architecture: Mapping[str, Any]) -> nn.Module:
        """The plain network of an architecture with the weights it inherits; needs torch alone and shares no state.

        Batch-norm statistics are copied as they are: recalibrate them before evaluating the network.
        """
        gates, previous = self._gates, self._architecture
        self.activate(architecture)
        try:
            return extract(self.model, self.values)
        finally:
            self._configure(gates)
            self._architecture = previous

    def segments(self) -> list[tuple[SegmentKey, Segment]]:
        """The active blocks in order, each with a key that says all about what it computes, given its input.

        Two architectures whose leading keys agree run the same operations with the same weights up to there.
        """
        return [(self._segment_key(segment.path), segment) for segment in segments(self.model)]

    def active_regions(self, within: nn.Module | None = None) -> Iterator[tuple[nn.Parameter, Region]]:
        """Each parameter that runs and the region of it in use (see :func:`nas.nn.channels.select`), once.

        Args:
            within: one block of the model; the whole model by default.
        """
        seen: set[tuple[int, Region]] = set()
        for _, module in active_modules(self.model if within is None else within):
            regions = module.state.regions if isinstance(module, ElasticLayer) and module.is_elastic else {}
            for name, parameter in module.named_parameters(recurse=False):
                entry = (id(parameter), regions.get(name, ()))
                if entry not in seen:
                    seen.add(entry)
                    yield parameter, entry[1]

    def read_by(self, path: str) -> list[str]:
        """The names of the choices that the module at ``path`` reads, its children included."""
        if path not in self._read_below:
            inside = (names for place, names in self._readers if f"{place}.".startswith(f"{path}." if path else ""))
            self._read_below[path] = list(dict.fromkeys(name for names in inside for name in names))
        return self._read_below[path]

    def name_of(self, choice: Choice) -> str:
        """The name of a choice of the model."""
        return self._names[choice]

    def _segment_key(self, path: str) -> SegmentKey:
        active = (name for name in self.read_by(path) if name in self.architecture)
        return (path, *((name, candidate_key(self.architecture[name])) for name in active))

    def _configure(self, gates: Mapping[Choice, Gate]) -> None:
        for module, choices in self._sites:
            if all(choice in gates for choice in choices):
                module.configure(gates)
        self._gates = gates
