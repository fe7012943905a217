"""A choice between modules."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from operator import eq
from typing import Any

from torch import Tensor, nn

from nas.errors import UsageError
from nas.nn.elastic import Branch, Copy, Elastic, inactive
from nas.nn.gate import Gate, Gates
from nas.space import Choice

__all__ = ["OneOf"]


class OneOf(Elastic):
    """Runs one of its candidates, or the gate-weighted sum of those whose gate is active.

    Every candidate owns its weights. Candidates are named by the mapping's keys, or by their position.

    Args:
        candidates: modules of equal input and output shape, listed in any order; a supernet orders them by cost.
        choice: give the same :class:`~nas.space.Choice` to several ``OneOf`` to tie them, as the cells of a
            cell space are tied; its candidates are names in ``candidates``.

    Raises:
        UsageError: no candidates, a choice whose candidates are not names of candidates here, or a name that no
            module can have.
    """

    def __init__(self, candidates: Mapping[Any, nn.Module] | Sequence[nn.Module], choice: Choice | None = None) -> None:
        super().__init__()
        named: dict[Any, nn.Module] = dict(candidates if isinstance(candidates, Mapping) else enumerate(candidates))
        if not named:
            raise UsageError("OneOf has no candidates; give at least one module.")
        self.choice = Choice(list(named)) if choice is None else choice
        unknown = [name for name in self.choice.candidates if name not in named]
        if unknown:
            raise UsageError(f"OneOf has candidates {list(named)}, but its choice also names {unknown}.")
        self.arguments = {"": self.choice}
        for name in self.choice.candidates:
            if str(name) in ("", *dir(self), *self._modules) or "." in str(name):
                raise UsageError(
                    f"OneOf cannot call a candidate {name!r}; its name is taken or not fit for a module, use another."
                )
            self.add_module(str(name), named[name])

    def __getitem__(self, candidate: Any) -> nn.Module:
        """The module of one candidate of the choice."""
        return self.get_submodule(str(candidate))

    def configure(self, gates: Gates) -> None:
        self._gate = gates[self.choice]

    @property
    def gate(self) -> Gate:
        """The weights of the candidates that run; UsageError before an architecture is activated."""
        if "_gate" not in vars(self):
            raise inactive(self)
        return self._gate

    @property
    def chosen(self) -> nn.Module | None:
        """The candidate that runs under a one-hot gate, else None."""
        return self[self.gate.values[0]] if self.gate.weights is None else None

    def forward(self, *inputs: Any) -> Tensor:
        return self.gate.mix_with_idle(lambda candidate: self[candidate](*inputs))

    def branches(self) -> Iterator[Branch]:
        for candidate in self.choice.candidates:
            yield Branch(str(candidate), self[candidate], self.choice, partial(eq, candidate))

    def running(self) -> Iterator[tuple[str, nn.Module]]:
        return ((str(candidate), self[candidate]) for candidate in self.gate.values)

    def plain(self, copy: Copy) -> nn.Module:
        return copy(self[self.gate.values[0]])
