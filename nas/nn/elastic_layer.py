"""Layers from a table of axes: which dimension of which tensor follows which argument.

From the table follow the part of every tensor that an architecture uses, the plain layer that is extracted, what soft
gates weigh, and what is counted. A layer adds the function that computes its output.
"""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import mul
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

import torch
from torch import Tensor, nn

from nas.errors import UsageError
from nas.nn.channel_ranges import NOTHING, Channels, Ranges, Region, channels, joined, select, taken
from nas.nn.elastic import Copy, Elastic, inactive
from nas.nn.fixed import require_fixed
from nas.nn.gate import Gate, Gates, push_forward, single_value
from nas.nn.parametrised import PARAMETRIZATIONS, computed
from nas.nn.tree import children
from nas.space import Operation, choices_of, evaluate, largest

__all__ = ["Axes", "Axis", "ElasticLayer", "State", "uninitialised"]

Layer = TypeVar("Layer", bound=nn.Module)

_BIAS = "bias"
"""The argument that says whether the tensors are there whose names end so."""


@dataclass(frozen=True)
class Axis:
    """A dimension of a tensor.

    Attributes:
        follows: the argument that is its size; with a dot behind it a part of that, see :meth:`ElasticLayer.follow`.
        blocks: how many times it holds that size, one behind the other, as the gates of a GRU.
        weighed: whether soft gates weigh the tensor along it, so that what a smaller size has not adds nothing.
    """

    follows: str
    blocks: int = 1
    weighed: bool = False


class Axes(dict[str, tuple[Axis | None, ...]]):
    """Tensor → what each of its leading dimensions follows, an axis or its argument; None for one always whole."""

    def __init__(
        self, *tables: Mapping[str, Sequence[str | Axis | None]], **named: Sequence[str | Axis | None]
    ) -> None:
        table = dict(*tables, **named)
        super().__init__(
            {
                name: tuple(Axis(each) if isinstance(each, str) else each for each in axes)
                for name, axes in table.items()
            }
        )


class State(SimpleNamespace):
    """What a layer follows: resolved arguments by their names, and what the table makes of them.

    Attributes:
        regions: tensor → the ranges in use of each leading dimension.
        widths: size → its channels in use.
        factors: tensor → what soft gates multiply the part in use by.
        is_soft: whether any gate is.
        cuts: tensor → the dimensions of which a part is in use, with its ranges; None for one that is left out.
    """

    regions: dict[str, Region]
    widths: dict[str, Channels]
    factors: dict[str, Tensor]
    is_soft: bool
    cuts: dict[str, tuple[tuple[int, Ranges], ...] | None]


class ElasticLayer(Elastic):
    """An elastic twin of the class behind it: its tensors are the widest ones, and it runs on a part of them.

    A layer of its own is a subclass of this class and of the plain layer, whose arguments it takes:

    >>> class PReLU(ElasticLayer, nn.PReLU):
    ...     axes = Axes(weight=("num_parameters",))
    ...     elastic = ("num_parameters",)
    ...     output = ("num_parameters", 1)
    ...
    ...     def functional(self, x, weight):
    ...         return nn.functional.prelu(x, weight)

    Attributes:
        axes: what the dimensions of its parameters and buffers follow.
        elastic: the arguments that may be choices: sizes, ``bias``, which says whether the tensors are there whose
            names end in it, and others, which have one value at a time.
        output: a size and the dimension of the output that has it, where soft gates weigh the channels.
        left_out: arguments of the plain layer that are not taken.
    """

    axes: Axes
    elastic: ClassVar[tuple[str, ...]] = ()
    output: ClassVar[tuple[str, int] | None] = None
    left_out: ClassVar[tuple[str, ...]] = ()
    __signature__: ClassVar[inspect.Signature | None]

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """An attribute of the plain layer."""

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        takes_those = cls.__init__ is ElasticLayer.__init__ and cls.extended() is not nn.Module
        cls.__signature__ = cls._signature() if takes_those else None

    def __init__(self, *args: Any, **named: Any) -> None:
        given = self._signature().bind(*args, **named)
        given.apply_defaults()
        fixed = {name: value for name, value in given.arguments.items() if name not in self.elastic}
        require_fixed(type(self).__name__, **fixed)
        super(Elastic, self).__init__(**{**fixed, **self.widest(given.arguments)})
        self.arguments = self.arguments_of(given.arguments)

    def __setattr__(self, name: str, value: Any) -> None:
        argument = name in vars(self).get("arguments", ()) and name in self._settings
        if argument and choices_of(self.arguments[name], value):
            raise UsageError(
                f"{type(self).__name__} {name} is {self.arguments[name]!r} and cannot become {value!r}; choices, and "
                "what takes their place, are given when the layer is made."
            )
        super().__setattr__(name, value)
        if argument:
            self.arguments = {**self.arguments, name: value}
        if "_key" in vars(self) and (argument or name in self.axes):
            self._states.clear()
            self.configure(dict(zip(self._choices, self._key, strict=True)))

    @classmethod
    def extended(cls) -> type[nn.Module]:
        """The class of the plain layer; ``torch.nn.Module`` if there is none."""
        kinds = cls.__mro__
        return kinds[kinds.index(Elastic) + 1]

    def functional(self, *inputs: Any, **tensors: Any) -> Any:
        """The output, given the inputs and, by their names, the tensors in use; one that is not there is None."""
        raise TypeError(f"{type(self).__name__} must define functional()")

    def arguments_of(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments that may be choices, as they are followed."""
        return {name: _as_one(given[name]) for name in self.elastic}

    def widest(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Those of the arguments with which the plain layer holds every architecture.

        Raises:
            UsageError: choices that this layer cannot follow.
        """
        return {name: largest(given[name]) for name in self.elastic}

    def follow(self, gates: Gates) -> tuple[dict[str, Channels], dict[str, Any]]:
        """The channels in use of each size, and what the other arguments are."""
        kind, widths = type(self).__name__, {name: channels(self.arguments[name], gates) for name in self._sizes}
        return widths, {name: single_value(self.arguments[name], gates, f"{kind} {name}") for name in self._settings}

    def resolve(self, gates: Gates) -> State:
        """The state under these gates; computed once for each one-hot combination."""
        widths, settings = self.follow(gates)
        soft = any(gates[choice].weights is not None for choice in self._choices)
        state = State(widths=widths, regions={}, factors={}, cuts={}, is_soft=soft, **settings)
        for name, axes in self.axes.items():
            tensor = getattr(self, name)
            if tensor is None:
                state.cuts[name] = None
                continue
            region, factors = _region(tensor, axes, widths), list(_factors(axes, tensor.dim(), widths)) if soft else []
            if name.endswith(_BIAS) and _BIAS in self.arguments:
                there, weight = _presence(self.arguments[_BIAS], gates)
                region = region if there else (NOTHING,)
                factors += [] if weight is None else [weight]
            state.regions[name] = region
            sizes = zip(region, tensor.shape, strict=False)
            cuts = tuple((dim, part) for dim, (part, size) in enumerate(sizes) if part != ((0, size),))
            state.cuts[name] = None if region == (NOTHING,) else cuts
            if factors:
                state.factors[name] = reduce(mul, factors)
        return state

    def configure(self, gates: Gates) -> None:
        key = tuple(gates[choice] for choice in self._choices)
        own = vars(self)
        own["_key"] = key
        if any(gate.weights is not None for gate in key):
            own["_state"] = self.resolve(gates)
            return
        if key not in self._states:
            self._states[key] = self.resolve(gates)
        own["_state"] = self._states[key]

    @cached_property
    def _choices(self) -> tuple[Any, ...]:
        return choices_of(*self.arguments.values())

    @cached_property
    def _states(self) -> dict[tuple[Gate, ...], State]:
        return {}

    @cached_property
    def is_elastic(self) -> bool:
        """Whether any argument depends on a choice."""
        return bool(self._choices)

    @property
    def state(self) -> State:
        """What the layer follows now; UsageError if it has choices and no architecture was activated."""
        if not self.is_elastic:
            self.configure({})
        try:
            return cast(State, self._state)
        except AttributeError:
            raise inactive(self) from None

    def forward(self, *inputs: Any, **named: Any) -> Any:
        if not self.is_elastic:
            return super().forward(*inputs, **named)
        state = self.state
        y = self.functional(*inputs, **named, **{name: self._used(name, state) for name in state.cuts})
        return self.weighed(y) if state.is_soft else y

    def weighed(self, y: Any) -> Any:
        """The output with the channels that soft gates weigh."""
        if self.output is None:
            return y
        size, dim = self.output
        return self.state.widths[size].apply(y, dim)

    def used(self, name: str) -> Tensor | None:
        """The part of a tensor that is in use, as soft gates weigh it; None if the architecture leaves it out."""
        return self._used(name, self.state)

    def part(self, name: str) -> Tensor:
        """The part of a parameter or buffer that is in use."""
        return select(getattr(self, name), self.region(name))

    def region(self, name: str) -> Region:
        """The part of a parameter or buffer that is in use; empty if that is all of it."""
        state = self.state
        return state.regions[name] if state.cuts.get(name, ()) != () else ()

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
        """A fresh plain layer of the active size, on the right device and of the right type."""
        tensor = next((each for name in self.axes if (each := getattr(self, name)) is not None), None)
        device, dtype = (None, None) if tensor is None else (tensor.device, tensor.dtype)
        return uninitialised(self.extended(), device, dtype=dtype, **self.active(self.state))

    def active(self, state: State) -> dict[str, Any]:
        """The arguments of the plain layer in a state, but for device and type."""
        found: dict[str, Any] = {}
        for name in self._signature().parameters:
            if name in self.axes:
                found[name] = state.cuts[name] is not None
            elif name in state.widths:
                found[name] = state.widths[name].count
            elif name not in ("device", "dtype"):
                found[name] = getattr(state if name in self._settings else self, name)
        return found

    def plain(self, copy: Copy) -> nn.Module:
        twin = self.twin()
        for name in [name for name, _ in (*twin.named_parameters(), *twin.named_buffers())]:
            setattr(twin, name, copy.tensor(self, name))
        return twin.train(self.training)

    def _used(self, name: str, state: State) -> Tensor | None:
        cuts, held = state.cuts[name], self._parameters
        if cuts is None:
            return None
        tensor = cast(Tensor, held[name] if name in held else getattr(self, name))
        for dim, ranges in cuts:
            tensor = taken(tensor, dim, ranges)
        return tensor * state.factors[name] if name in state.factors else tensor

    @cached_property
    def _sizes(self) -> list[str]:
        """Those of the arguments that are sizes of tensors."""
        followed = {axis.follows.partition(".")[0] for axes in self.axes.values() for axis in axes if axis is not None}
        return [name for name in self.elastic if name in followed]

    @cached_property
    def _settings(self) -> list[str]:
        """Those of the arguments that are neither sizes nor say whether a tensor is there."""
        return [name for name in self.elastic if name not in (*self._sizes, _BIAS)]

    @classmethod
    def _signature(cls) -> inspect.Signature:
        """What it takes: the arguments of the plain layer."""
        makers = (
            inspect.signature(vars(kind)["__init__"]) for kind in cls.extended().__mro__ if "__init__" in vars(kind)
        )
        arguments = (list(maker.parameters.values()) for maker in makers)
        own = next(each for each in arguments if not any(one.kind is one.VAR_POSITIONAL for one in each))
        names = ("self", *cls.left_out)
        return inspect.Signature([each for each in own if each.name not in names and not each.name.startswith("_")])


def uninitialised(kind: type[Layer], device: torch.device | None, **arguments: Any) -> Layer:
    """A plain layer whose parameters hold no values yet, made without drawing random numbers."""
    return kind(**arguments, device="meta").to_empty(device=device or "cpu")


def _region(tensor: Tensor, axes: Sequence[Axis | None], widths: Mapping[str, Channels]) -> Region:
    return tuple(
        ((0, size),) if axis is None else _ranges(axis, size, widths)
        for axis, size in zip(axes, tensor.shape, strict=False)
    )


def _ranges(axis: Axis, size: int, widths: Mapping[str, Channels]) -> Ranges:
    ranges = widths[axis.follows].ranges
    if axis.blocks == len(ranges) == 1:
        return ranges
    starts = range(0, size, size // axis.blocks)
    return joined((first + start, first + stop) for first in starts for start, stop in ranges)


def _factors(axes: Sequence[Axis | None], dims: int, widths: Mapping[str, Channels]) -> Iterator[Tensor]:
    """The weights of soft gates along each axis, for the part in use."""
    for dim, axis in enumerate(axes):
        if axis is not None and axis.weighed and (mask := widths[axis.follows].mask) is not None:
            yield mask.repeat(axis.blocks).view([-1 if each == dim else 1 for each in range(dims)])


def _presence(argument: Any, gates: Gates) -> tuple[bool, Tensor | None]:
    """Whether a bias is there, and its weight where soft gates say so."""
    gate = push_forward(lambda values: bool(evaluate(argument, values)), choices_of(argument), gates)
    if not any(gate.values):
        return False, None
    return True, None if gate.weights is None else gate.weights[gate.values.index(True)]


def _as_one(argument: Any) -> Any:
    """Several numbers of which some are expressions, as one expression."""
    return Operation(_together, *argument) if isinstance(argument, tuple | list) and choices_of(*argument) else argument


def _together(*values: Any) -> tuple[Any, ...]:
    return values
