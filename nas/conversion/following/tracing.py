"""Runs a model once and follows its channels through every operation."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakIdKeyDictionary

from nas.conversion.following.calls import Call, no_rule, tensors_in
from nas.conversion.following.element_rules import ELEMENT_RULES, written
from nas.conversion.following.graph import Block, Graph, Operation, Place
from nas.conversion.following.labels import Labels
from nas.conversion.following.layer_rules import LAYER_RULES
from nas.errors import UsageError

__all__ = ["Modules", "name_of", "places_of", "readers_of", "traced"]

_RULES = {**ELEMENT_RULES, **LAYER_RULES}
_DECIDING = {
    *("__bool__", "__int__", "__float__", "__index__", "__contains__", "item", "tolist", "numpy"),
    *("nonzero", "argwhere", "masked_select", "_unique2", "unique_consecutive", "unique_dim"),
}
"""Functions by which a program reads values of a tensor, or whose output is as long as values say."""
_LARGEST_RAW = 20_000
"""Elements of a tensor of more than two dimensions that are followed one by one when no layer reads it."""


class Modules:
    """Which module's forward runs, kept by hooks.

    Args:
        model: a copy that is thrown away, since hooks are put on it.
        called: told of a module, its inputs and its output when a forward ends.
    """

    def __init__(self, model: nn.Module, called: Callable[..., None] = lambda *told: None) -> None:
        self.frames: list[list[Any]] = [["", 0]]
        self._called = called
        self._paths: dict[nn.Module, str] = {}
        for path, module in model.named_modules():
            self._paths[module] = path

    @property
    def path(self) -> str:
        return str(self.frames[-1][0])

    def count(self) -> int:
        """The number of the next operation in this call of the module."""
        self.frames[-1][1] += 1
        return int(self.frames[-1][1])

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Within it the frames are kept."""
        with ExitStack() as stack:
            for module in self._paths:
                stack.callback(module.register_forward_pre_hook(self._enter, with_kwargs=True).remove)
                stack.callback(module.register_forward_hook(self._leave, with_kwargs=True).remove)
            yield

    def _enter(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        self.frames.append([self._paths[module], 0])
        self._called(module, args, kwargs, None)

    def _leave(self, module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        path, _ = self.frames.pop()
        self._called(path, args, kwargs, output)


def places_of(model: nn.Module) -> dict[int, Place]:
    """The first place of each parameter and buffer, by the identity of the tensor."""
    found: dict[int, Place] = {}
    for path, module in model.named_modules():
        for name, tensor in (*module._parameters.items(), *module._buffers.items()):
            if tensor is not None:
                found.setdefault(id(tensor), Place(path, name))
    return found


def name_of(function: Callable[..., Any]) -> str:
    """The name of a torch function, without underscores around it; of a getter that of what it gets."""
    name = getattr(function, "__name__", str(function))
    if name == "__get__":
        name = getattr(getattr(function, "__self__", None), "__name__", name)
    return name.strip("_")


class _Follow(TorchFunctionMode):
    """Labels every tensor as it is made."""

    def __init__(self, model: nn.Module, inputs: Sequence[Tensor]) -> None:
        super().__init__()
        self.graph = Graph()
        self.modules = Modules(model, self._noted)
        self._places = places_of(model)
        self._buffers = {id(each) for each in model.buffers()}
        self._labels = WeakIdKeyDictionary()
        self._numbers = WeakIdKeyDictionary()
        self._open: list[tuple[int, Labels, int]] = []
        self._unnumbered = 0
        for tensor in inputs:
            self._labels[tensor] = Labels.none(tensor.shape, "an input of the model")

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, name = kwargs or {}, name_of(func)
        if getattr(func, "__name__", "") in _DECIDING:
            self._refuse_values(f"{name}()", args)
        if name == "getitem":
            self._refuse_values(
                "an index that is a mask", [each for each in tensors_in(args[1:]) if each.dtype == torch.bool]
            )
        if name == "setitem":
            call = self._call(name, func, args, kwargs, [args[0]])
            after = written(call)
            given = func(*args, **kwargs)
            self._labels[args[0]] = after
            return given
        reads = self._reads(args, kwargs)
        before = [self._labels[tensor] for tensor in tensors_in((args, kwargs)) if tensor in self._labels]
        given = func(*args, **kwargs)
        outputs = tensors_in(given)
        if not outputs:
            return given
        call = self._call(name, func, args, kwargs, outputs)
        number = self.modules.count()
        labels = _RULES.get(name, no_rule)(call) if reads else self._constants(call)
        for tensor, each in zip(outputs, labels, strict=True):
            self._labels[tensor] = each
        self.graph.operations.append(Operation(name, call.path, number, tuple(before), tuple(labels)))
        return given

    def _call(self, name: str, func: Any, args: Any, kwargs: Any, outputs: list[Tensor]) -> Call:
        path = self.modules.path
        return Call(name, func, args, kwargs, outputs, path, self.graph, self._label, self._place)

    def _place(self, tensor: Any) -> Place | None:
        return self._places.get(id(tensor))

    def _reads(self, args: Any, kwargs: Any) -> bool:
        """Whether a call reads anything that may carry channels, or depends on the input."""
        tensors = tensors_in((args, kwargs))
        return any(tensor in self._labels or id(tensor) in self._places for tensor in tensors)

    def _constants(self, call: Call) -> list[Labels]:
        return [Labels.none(each.shape, f"a tensor of {call.where}", False) for each in call.outputs]

    def _label(self, tensor: Tensor) -> Labels:
        if tensor in self._labels:
            labels: Labels = self._labels[tensor]
            return labels
        place = self._place(tensor)
        if place is None or id(tensor) in self._buffers or tensor.numel() in (0, 1):
            note = f"the buffer '{place}'" if place else "a constant"
            return Labels.none(tensor.shape, note, False)
        if tensor.numel() > _LARGEST_RAW and sum(size > 1 for size in tensor.shape) > 2:
            self.graph.whole[place] = f"'{place}' is read as a tensor by another than a layer"
            return Labels.none(tensor.shape, f"'{place}'", False)
        labels = Labels(self.graph.fresh(tensor.numel()).view(tensor.shape), tuple(tensor.shape), "", False)
        self.graph.raw[place] = (labels, self.modules.path)
        self._labels[tensor] = labels
        return labels

    def _refuse_values(self, how: str, args: Any) -> None:
        if any(tensor in self._labels and self._labels[tensor].data for tensor in tensors_in(args)):
            where = f"'{self.modules.path}'" if self.modules.path else "the model"
            raise UsageError(
                f"the forward of {where} reads values of its input ({how}), so what it does may differ from run to "
                "run and cannot be followed; write it without a condition on values, or exclude it by splitting the "
                "model."
            )

    def _number(self, tensor: Tensor) -> int:
        if tensor not in self._numbers:
            self._unnumbered += 1
            self._numbers[tensor] = self._unnumbered
        return int(self._numbers[tensor])

    def _noted(self, module: Any, args: Any, kwargs: Any, output: Any) -> None:
        """Keeps the blocks: a module is entered with no output, and left with one."""
        taken = next((each for each in args if isinstance(each, Tensor)), None)
        if output is None and isinstance(module, nn.Module):
            labels = None if taken is None else self._label(taken)
            self._open.append((0 if taken is None else self._number(taken), labels, len(self.graph.operations)))  # type: ignore[arg-type]
            return
        number, before, start = self._open.pop()
        given = output[0] if isinstance(output, tuple | list) and output else output
        if isinstance(given, Tensor) and before is not None:
            alone = isinstance(output, Tensor) and len(args) == 1 and not kwargs
            stop = len(self.graph.operations)
            after = self._label(given)
            self.graph.blocks.append(Block(module, number, self._number(given), before, after, alone, start, stop))


def traced(model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Graph, Any]:
    """The graph of a model that is run on an example, and the output.

    Args:
        model: a copy in evaluation mode.
        args, kwargs: of its forward.

    Raises:
        UsageError: it cannot be run so, what it does depends on the values of its input, or it changes these.
    """
    inputs = tensors_in((args, kwargs))
    follow, before = _Follow(model, inputs), [each.clone() for each in inputs]
    with torch.no_grad(), follow.modules.watched():
        try:
            with follow:
                output = model(*args, **kwargs)
        except UsageError:
            raise
        except Exception as error:  # whatever the code of a user raises on a wrong example
            where = f"'{follow.modules.path}'" if follow.modules.path else type(model).__name__
            raise UsageError(
                f"{type(model).__name__} cannot be run on the example: {where} raises {type(error).__name__} "
                f"({_first_line(error)}); give an example_input that its forward takes."
            ) from error
    if not all(torch.equal(one.nan_to_num(), other.nan_to_num()) for one, other in zip(inputs, before, strict=True)):
        raise UsageError(
            f"the forward of {type(model).__name__} changes its input, so that it cannot be run twice on the same; "
            "write it without operations in place on what it gets, as in x = x + 1."
        )
    for tensor in tensors_in(output):
        follow.graph.fix(follow._label(tensor).ids, "is an output of the model")
    _keep_what_others_read(model, follow.graph)
    return follow.graph, output


def _keep_what_others_read(model: nn.Module, graph: Graph) -> None:
    """Keeps tensors whole that are read by a module which neither holds them nor holds what holds them."""
    holders: dict[int, list[str]] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        for tensor in (*module._parameters.values(), *module._buffers.values()):
            holders.setdefault(id(tensor), []).append(path)
    for place, readers in readers_of(graph).items():
        tensor = getattr(model.get_submodule(place.path), place.name)
        for reader in readers:
            if not any(
                path == reader or path.startswith(f"{reader}." if reader else "") for path in holders[id(tensor)]
            ):
                graph.whole.setdefault(place, f"'{place}' is read by '{reader}', which does not hold it")


def readers_of(graph: Graph) -> dict[Place, list[str]]:
    """The modules that read each tensor with channels."""
    found: dict[Place, dict[str, None]] = {}
    for (place, _), axis in graph.axes.items():
        found.setdefault(place, {}).update(dict.fromkeys(axis.readers))
    for place, (_, reader) in graph.raw.items():
        found.setdefault(place, {})[reader] = None
    return {place: list(readers) for place, readers in found.items()}


def _first_line(error: Exception) -> str:
    return (str(error).strip() or repr(error)).splitlines()[0].rstrip(".")
