"""Sets of weights besides those of the model, and how its modules are made to read them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass

from torch import Tensor, nn

from nas.nn.initialisation import initialise
from nas.nn.parametrised import recompute
from nas.nn.tree import below, modules, own_tensors

__all__ = [
    "Bank", "Override", "Source", "TensorRef", "folded", "fresh", "held", "is_within", "substituted", "tensor_refs",
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Source:
    """A parameter from which a tensor is computed.

    Attributes:
        parameter: itself.
        shape: of the leading part of it that is read.
        cut: for each dimension of it the dimension of the computed tensor with which it is cut; None where it is not.
    """

    parameter: Tensor
    shape: tuple[int, ...]
    cut: tuple[int | None, ...]


@dataclass(frozen=True, eq=False)
class Override:
    """A parameter or buffer of a module, and the tensor that the module is to read in its place.

    Attributes:
        module: itself.
        name: of the parameter or buffer.
        tensor: what is read; a parameter, or computed from some.
        made_of: what it could be kept as in a smaller file, where that is known.
    """

    module: nn.Module
    name: str
    tensor: Tensor
    made_of: tuple[Source, ...] = ()


@dataclass(frozen=True, eq=False)
class TensorRef:
    """Where a module of the model holds a parameter or buffer.

    Attributes:
        path: of the module.
        module: itself.
        name: of the tensor in the module.
        key: the first name of the tensor in the model, the same wherever a tied tensor is held.
    """

    path: str
    module: nn.Module
    name: str
    key: str

    @property
    def tensor(self) -> Tensor:
        """What the module holds."""
        held: Tensor = getattr(self.module, self.name)
        return held


class Bank(nn.Module):
    """A copy of parameters and buffers, held under their names.

    Args:
        tensors: name → the tensor to copy; a parameter becomes one.
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        for name, tensor in tensors.items():
            copy = tensor.detach().clone()
            if isinstance(tensor, nn.Parameter):
                self.register_parameter(_flat(name), nn.Parameter(copy, tensor.requires_grad))
            else:
                self.register_buffer(_flat(name), copy)

    def __getitem__(self, name: str) -> Tensor:
        tensor: Tensor = getattr(self, _flat(name))
        return tensor


def tensor_refs(model: nn.Module) -> list[TensorRef]:
    """Everywhere that modules of the model hold a parameter or buffer."""
    found: list[TensorRef] = []
    first: dict[int, str] = {}
    for path, module in modules(model):
        for name, tensor in own_tensors(module):
            key = first.setdefault(id(tensor), below(path, name))
            found.append(TensorRef(path, module, name, key))
    return found


def held(model: nn.Module) -> dict[str, Tensor]:
    """The parameters and buffers of the model by :attr:`TensorRef.key`."""
    return {ref.key: ref.tensor for ref in tensor_refs(model)}


def fresh(model: nn.Module, seed: int) -> dict[str, Tensor]:
    """As :func:`held`, of a copy with fresh weights and statistics, made by the layers' own ``reset_parameters``.

    Raises:
        UsageError: a module cannot have fresh weights.
    """
    recompute(model)
    return held(initialise(deepcopy(model), seed))


@contextmanager
def substituted(slots: Sequence[Override]) -> Iterator[None]:
    """Within it modules read the tensors of the slots, afterwards their own again.

    ``torch.func.functional_call`` does the same for one call of one module; extraction copies modules, and a trie calls
    the blocks of a model by themselves.
    """
    own = [(_holder(slot), slot.name, getattr(slot.module, slot.name)) for slot in slots]
    for (holder, name, _), slot in zip(own, slots, strict=True):
        holder[name] = slot.tensor
    try:
        yield
    finally:
        for holder, name, tensor in own:
            holder[name] = tensor


def folded(slots: Sequence[Override]) -> list[Override]:
    """The slots with parameters where they take the place of parameters, so that modules can be copied with them."""
    parameters: dict[int, nn.Parameter] = {}
    return [_as_parameter(slot, parameters) if slot.name in slot.module._parameters else slot for slot in slots]


def is_within(path: str, outer: str) -> bool:
    """Whether the module at a path is the one at ``outer`` or inside it."""
    return not outer or path == outer or path.startswith(f"{outer}.")


def _as_parameter(slot: Override, known: dict[int, nn.Parameter]) -> Override:
    """The slot with its tensor as a parameter, the same one for a tensor that several modules read."""
    if isinstance(slot.tensor, nn.Parameter):
        return slot
    learns = getattr(slot.module, slot.name).requires_grad
    parameter = known.setdefault(id(slot.tensor), nn.Parameter(slot.tensor.detach(), learns))
    return Override(slot.module, slot.name, parameter)


def _holder(slot: Override) -> dict[str, Tensor | None]:
    module = slot.module
    return module._parameters if slot.name in module._parameters else module._buffers  # type: ignore[return-value]


def _flat(name: str) -> str:
    """A name that a module can give to a tensor: without dots, and unlike any attribute."""
    return "/" + name.replace(".", "/")
