"""What every module that holds choices has in common."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar, cast

from torch import Tensor, nn
from torch.nn.utils import skip_init

from nas.errors import UsageError
from nas.nn.channels import NOTHING, Region, select
from nas.nn.computed import PARAMETRIZATIONS, computed
from nas.nn.gate import Gate, Gates
from nas.nn.tree import children
from nas.space import choices_of

__all__ = ["Branch", "Copy", "Elastic", "ElasticLayer", "State", "inactive", "uninitialised"]

Layer = TypeVar("Layer", bound=nn.Module)


class Copy(Protocol):
    """Makes the plain modules of one network under the active architecture."""

    def __call__(self, module: nn.Module) -> nn.Module:
        """The plain copy of a child; the same one wherever the child stands."""

    def tensor(self, layer: "ElasticLayer[Any]", name: str) -> Tensor:
        """A copy of what is in use of a layer's parameter or buffer; the same one wherever that part is in use."""


@dataclass(frozen=True)
class Branch:
    """A child and when it is there.

    Attributes:
        name: its path below the module.
        module: the child.
        depends: the argument that decides; None if the child is always there.
        present: whether the child is there, given the value of that argument.
    """

    name: str
    module: nn.Module
    depends: Any = None
    present: Callable[[Any], bool] = bool


class Elastic(nn.Module):
    """A module whose arguments may be choices.

    ``arguments`` maps argument names to values or expressions; :meth:`configure` receives a gate for each of
    their choices and writes plain numbers and slices into the module. Nothing current lives in a choice.
    """

    arguments: Mapping[str, Any]

    def configure(self, gates: Gates) -> None:
        """Follows the gates until the next call."""
        raise TypeError(f"{type(self).__name__} must define configure()")

    def branches(self) -> Iterator[Branch]:
        """The children, each with the condition under which it runs."""
        for name, child in children(self):
            yield Branch(name, child)

    def running(self) -> Iterator[tuple[str, nn.Module]]:
        """Name and module of the children that run under the current gates."""
        return children(self)

    def plain(self, copy: Copy) -> nn.Module:
        """A plain torch module with the weights of the active architecture, which shares nothing with this one."""
        raise TypeError(f"{type(self).__name__} must define plain()")


def inactive(module: Elastic) -> UsageError:
    """The error for an elastic module that runs before it was configured."""
    return UsageError(
        f"this elastic {type(module).__name__} has no active architecture; "
        "wrap the model in nas.Supernet and call activate()."
    )


@dataclass(frozen=True)
class State:
    """What an elastic layer follows; each layer extends it by what its forward needs.

    Attributes:
        regions: for each parameter and buffer the ranges in use, one entry for each leading dimension.
    """

    regions: Mapping[str, Region]


StateT = TypeVar("StateT", bound=State)


class ElasticLayer(Elastic, Generic[StateT]):
    """An elastic twin of a ``torch.nn`` layer: its parameters are the widest ones and it runs on a part of them."""

    def resolve(self, gates: Gates) -> StateT:
        """The state under these gates; computed once for each one-hot combination."""
        raise TypeError(f"{type(self).__name__} must define resolve()")

    def configure(self, gates: Gates) -> None:
        key = tuple(gates[choice] for choice in self._choices)
        if any(gate.weights is not None for gate in key):
            self._state: StateT = self.resolve(gates)
            return
        if key not in self._states:
            self._states[key] = self.resolve(gates)
        self._state = self._states[key]

    @cached_property
    def _choices(self) -> tuple[Any, ...]:
        return choices_of(*self.arguments.values())

    @cached_property
    def _states(self) -> dict[tuple[Gate, ...], StateT]:
        return {}

    @cached_property
    def is_elastic(self) -> bool:
        """Whether any argument depends on a choice."""
        return bool(self._choices)

    @property
    def state(self) -> StateT:
        """What the layer follows now.

        Raises:
            UsageError: it has choices and no architecture was activated.
        """
        if not self.is_elastic:
            self.configure({})
        try:
            return self._state
        except AttributeError:
            raise inactive(self) from None

    def part(self, name: str) -> Tensor:
        """The part of a parameter or buffer that is in use."""
        tensor: Tensor = getattr(self, name)
        return select(tensor, self.state.regions.get(name, ())) if self.is_elastic else tensor

    def region(self, name: str) -> Region:
        """The part of a parameter or buffer that is in use; empty if that is all of it."""
        tensor: Tensor = getattr(self, name)
        region = self.state.regions.get(name, ()) if self.is_elastic else ()
        whole = all(ranges == ((0, size),) for ranges, size in zip(region, tensor.shape, strict=False))
        return () if whole else region

    def parameter_names(self) -> dict[str, list[tuple[nn.Module, str]]]:
        """Name of each parameter as it is read → where it is held, or where what it is computed of is.

        Those that the architecture leaves out, such as a bias, are not read.
        """
        made = computed(self)
        beside = {name for holders in made.values() for holder, name in holders if holder is self}
        own = [name for name, _ in self.named_parameters(recurse=False) if name not in beside]
        read: dict[str, list[tuple[nn.Module, str]]] = {**{name: [(self, name)] for name in own}, **made}
        return {name: holders for name, holders in read.items() if NOTHING not in self.region(name)}

    def running(self) -> Iterator[tuple[str, nn.Module]]:
        """What was added to the layer; what computes its tensors is a part of it."""
        return ((name, child) for name, child in children(self) if name != PARAMETRIZATIONS)

    def twin(self) -> nn.Module:
        """A fresh ``torch.nn`` layer of the active size, on the right device and of the right type."""
        raise TypeError(f"{type(self).__name__} must define twin()")

    def plain(self, copy: Copy) -> nn.Module:
        twin = self.twin()
        for name in [name for name, _ in (*twin.named_parameters(), *twin.named_buffers())]:
            setattr(twin, name, copy.tensor(self, name))
        return twin.train(self.training)


def uninitialised(kind: type[Layer], *args: Any, **kwargs: Any) -> Layer:
    """A ``torch.nn`` layer whose parameters hold no values yet, made without drawing random numbers."""
    return cast(Layer, skip_init(kind, *args, **kwargs))  # type: ignore[no-untyped-call]
