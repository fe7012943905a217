"""A supernet whose choices follow learned gates."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nas.errors import UsageError
from nas.nn import Cell, OneOf, Repeat, Zero
from nas.sharing.partition import CandidateIndices, Partition
from nas.streams import Stream, derive_seed
from nas.supernet.relaxations import Decision, GateWeights, Relaxation, adjusted
from nas.supernet.relaxations.sampling import spread
from nas.supernet.supernet import Supernet

__all__ = ["ArchitectureParameters", "Relaxed", "decisions"]


class ArchitectureParameters(nn.Module):
    """One tensor of logits for each decision; they belong to decisions, never to the modules that read them.

    Args:
        logits: name of the decision → its first logits ``[options]``.
    """

    def __init__(self, logits: Mapping[str, Tensor]) -> None:
        super().__init__()
        self._names = list(logits)
        self._values = nn.ParameterList(nn.Parameter(value) for value in logits.values())

    @property
    def logits(self) -> dict[str, nn.Parameter]:
        return dict(zip(self._names, self._values, strict=True))


class Relaxed:
    """A supernet, the architecture parameters of its choices, and the relaxation that makes gates of them.

    Args:
        supernet: its forward follows the gates that were drawn last.
        relaxation: of all choices but subsets.
        seed: of the first logits and of all draws.
        subsets: the relaxation of :class:`~nas.space.Subset` decisions, such as which edges a node keeps; by default
            each element weighs one and nothing is learnt about it.
        depths: the relaxation of choices that a :class:`~nas.nn.Repeat` reads; ``relaxation`` by default.
        bank: whose weights are mixed, where the sharing scheme cuts the space in regions. Options outside of the region
            do not exist: they neither run nor learn, and nothing is ever likely to be one of them.

    Raises:
        UsageError: a bank is named, but the sharing scheme cuts no regions.
    """

    def __init__(
        self,
        supernet: Supernet,
        relaxation: Relaxation,
        seed: int,
        subsets: Relaxation | None = None,
        depths: Relaxation | None = None,
        bank: int | None = None,
    ) -> None:
        self.supernet, self.seed, self.bank = supernet, seed, bank
        self._partition = None if bank is None else _partition_of(supernet)
        self._whole = {name: tuple(range(len(each))) for name, each in supernet.space.choices.items()}
        self._regions: dict[int, CandidateIndices] = {}
        self.decisions = {decision.name: decision for decision in decisions(supernet)}
        self.frozen: dict[str, Tensor] = {}
        """Gate weights ``[options]`` of choices that are decided."""
        readers = {name: supernet.readers(name) for name in self.decisions}
        self._elastic = {name for name in readers if not all(isinstance(each, OneOf | Cell) for each in readers[name])}
        of_depth = {name for name in readers if any(isinstance(each, Repeat) for each in readers[name])}
        kinds = {
            name: subsets if self._is_subset(name) else (depths or relaxation) if name in of_depth else relaxation
            for name in self.decisions
        }
        self._relaxations = {name: kind for name, kind in kinds.items() if kind is not None}
        device = next(supernet.parameters()).device
        self._forked = [device] if device.type == "cuda" else []
        with torch.random.fork_rng(self._forked):
            torch.manual_seed(derive_seed(seed, Stream.LOGITS))
            first = {name: kind.initial(self.decisions[name]) for name, kind in self._relaxations.items()}
        self.parameters = ArchitectureParameters(first).to(device)
        self._followed: Mapping[str, GateWeights] = {}

    @property
    def turns(self) -> int:
        """How many regions train in turn, one in each step; one where the space is whole."""
        return 1 if self._partition is None else self._partition.used

    @property
    def region(self) -> CandidateIndices:
        """Choice → the positions of the candidates that it may take, all where the space is whole."""
        if self.bank is None or self._partition is None:
            return self._whole
        cuts = len(self._partition.divisions)
        if cuts not in self._regions:
            self._regions[cuts] = self._partition.region(self.bank)
        return self._regions[cuts]

    def there(self, name: str) -> tuple[int, ...]:
        """The positions of the options of a decision that the region leaves; of a subset all of its elements."""
        return tuple(range(len(self.decisions[name].options))) if self._is_subset(name) else self.region[name]

    def draw(self, step: int, progress: float) -> dict[str, GateWeights]:
        """The gates of a step in which architecture parameters learn.

        Args:
            step: together with the seed it fixes what is drawn.
            progress: share of the training that is done.
        """
        return self._drawn(step, lambda kind, decision, logits: kind.gate(decision, logits, progress))

    def draw_for_weights(self, step: int, progress: float) -> dict[str, GateWeights]:
        """The gates of a step in which only weights learn; no gradient leads through them."""
        gates = self._drawn(step, lambda kind, decision, logits: kind.weight_gate(decision, logits, progress))
        return {name: GateWeights(gate.values.detach(), gate.active) for name, gate in gates.items()}

    def _drawn(self, step: int, gate: Callable[[Relaxation, Decision, Tensor], GateWeights]) -> dict[str, GateWeights]:
        with torch.random.fork_rng(self._forked):
            torch.manual_seed(derive_seed(self.seed, Stream.GATES, step))
            undecided = {name: kind for name, kind in self._relaxations.items() if len(self.there(name)) > 1}
            gates = {name: self._gate(name, kind, gate) for name, kind in undecided.items()}
        fixed = {name: self._constant(name) for name in self.decisions if not self._is_learnt(name)}
        return {**gates, **fixed}

    def _gate(
        self, name: str, kind: Relaxation, gate: Callable[[Relaxation, Decision, Tensor], GateWeights]
    ) -> GateWeights:
        """The gate of a decision between the options that are there; the weights of the others are zeros."""
        decision, logits, there = self.decisions[name], self.parameters.logits[name], self.there(name)
        if len(there) == len(logits):
            return gate(kind, decision, logits)
        inside = gate(kind, decision.among(there), logits[list(there)])
        values = spread(inside.values, there, len(logits))
        return GateWeights(values, tuple(there[position] for position in inside.active), inside.idle)

    def follow(self, gates: Mapping[str, GateWeights]) -> None:
        """Makes the supernet follow the gates.

        Elastic layers hold all their candidates in one weight, so options that are idle but learn take part there.
        """
        self._followed = gates
        inner = {name: gate for name, gate in gates.items() if name not in self._elastic or gate.idle == "none"}
        self.supernet.mix(
            {name: gate.values for name, gate in gates.items()},
            {name: gate.active for name, gate in inner.items()},
            {name: gate.idle for name, gate in inner.items() if gate.idle != "none"},
            {name: self.there(name) for name in gates},
            self.bank,
        )

    def probabilities(self) -> dict[str, Tensor]:
        """How likely each option of a decision is ``[options]``, differentiable; one if nothing is learnt about it."""
        return {
            name: self._probabilities(name) if self._is_learnt(name) else self._constant(name).values
            for name in self.decisions
        }

    def _probabilities(self, name: str) -> Tensor:
        kind, decision, logits = self._relaxations[name], self.decisions[name], self.parameters.logits[name]
        there = self.there(name)
        if len(there) == len(logits):
            return kind.probabilities(decision, logits)
        return spread(kind.probabilities(decision.among(there), logits[list(there)]), there, len(logits))

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """The probabilities as arrays ``[options]``, for derivation."""
        with torch.no_grad():
            return {name: values.double().cpu().numpy() for name, values in self.probabilities().items()}

    def freeze(self, name: str, kept: Sequence[int]) -> None:
        """Decides a choice for good: the options at these positions weigh one, the others nothing."""
        values = torch.zeros(len(self.decisions[name].options), device=next(self.supernet.parameters()).device)
        values[list(kept)] = 1.0
        self.frozen[name] = values

    def distribution(self) -> dict[str, Tensor]:
        """How likely each candidate of a choice is ``[candidates]``, differentiable.

        Those of a subset are as likely as the product of the probabilities of their elements says.
        """
        return {
            name: self._of_subsets(name, values) if self._is_subset(name) else values
            for name, values in self.probabilities().items()
        }

    def show(self, without: Mapping[str, Collection[int]] | None = None) -> None:
        """Makes the supernet follow the probabilities as gates.

        Args:
            without: for some choices the positions of options that weigh zero and do not run; the others keep their
                weights (perturbation, Wang et al., 2021).
        """
        gates = {}
        for name, values in self.probabilities().items():
            missing = list((without or {}).get(name, ()))
            kept = values.index_fill(0, torch.tensor(missing, dtype=torch.long, device=values.device), 0.0)
            gates[name] = GateWeights(kept, _running(kept))
        self.follow(gates)

    @contextmanager
    def showing(self, probabilities: Mapping[str, Tensor]) -> Iterator[None]:
        """Makes the supernet follow these gates ``[options]``; on leaving, those it followed before."""
        before = self._followed
        self.follow({name: GateWeights(values, _running(values)) for name, values in probabilities.items()})
        try:
            yield
        finally:
            if before:
                self.follow(before)

    def adjust(self, before: Mapping[str, Tensor], gates: Mapping[str, GateWeights]) -> None:
        """After a step of the architecture parameters: gives logits of idle options back what they were.

        Args:
            before: the logits before the step.
            gates: of the step.
        """
        with torch.no_grad():
            for name, logits in self.parameters.logits.items():
                if self._relaxations[name].restores_idle and name not in self.frozen:
                    logits.copy_(adjusted(before[name], logits, gates[name].active))

    def _is_learnt(self, name: str) -> bool:
        """Whether there is anything left to learn about a decision."""
        return name in self._relaxations and name not in self.frozen and len(self.there(name)) > 1

    def _constant(self, name: str) -> GateWeights:
        """Of what was decided; else every option that is there weighs one."""
        there, device = self.there(name), next(self.supernet.parameters()).device
        ones = spread(torch.ones(len(there), device=device), there, len(self.decisions[name].options))
        values = self.frozen.get(name, ones)
        return GateWeights(values, _running(values))

    def _of_subsets(self, name: str, elements: Tensor) -> Tensor:
        options = self.decisions[name].options
        subsets = [[options.index(element) for element in subset] for subset in self.supernet.space.choices[name]]
        products = torch.stack([elements[subset].prod() for subset in subsets])
        return products / products.sum()

    def _is_subset(self, name: str) -> bool:
        return self.supernet.options[name] != self.supernet.space.choices[name]


def decisions(supernet: Supernet) -> list[Decision]:
    """What relaxations know about each choice of a supernet."""
    return [
        Decision(
            name,
            options,
            tuple(_all_are(supernet, name, option, lambda each: isinstance(each, Zero)) for option in options),
            tuple(_all_are(supernet, name, option, _is_parameter_free) for option in options),
        )
        for name, options in supernet.options.items()
    ]


def _partition_of(supernet: Supernet) -> Partition:
    if not isinstance(supernet.sharing, Partition):
        raise UsageError(
            f"gates of one bank need regions, but {type(supernet.sharing).__name__} cuts none; leave the bank out, or "
            "share by few-shot or gradient matching."
        )
    return supernet.sharing


def _all_are(supernet: Supernet, name: str, option: Any, test: Callable[[nn.Module], bool]) -> bool:
    """Whether the option is an operation that passes the test wherever it is offered."""
    operations = [reader[option] for reader in supernet.readers(name) if isinstance(reader, OneOf)]
    return bool(operations) and all(map(test, operations))


def _is_parameter_free(operation: nn.Module) -> bool:
    """Also a module with weights if it says so, such as the factorised reduction that stands for a skip."""
    return bool(getattr(operation, "parameter_free", False)) or not any(p.dim() > 1 for p in operation.parameters())


def _running(values: Tensor) -> tuple[int, ...]:
    """The positions that do not weigh zero, or all if all do."""
    running = tuple(int(position) for position in values.detach().nonzero().flatten())
    return running or tuple(range(len(values)))
