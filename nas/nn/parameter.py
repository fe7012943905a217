"""Parameters of elastic size that modules hold besides layers: class tokens, positions."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from nas.nn.channel_ranges import Channels, channels
from nas.nn.elastic import Copy
from nas.nn.elastic_layer import Axes, Axis, ElasticLayer
from nas.nn.fixed import require_fixed
from nas.nn.gate import Gates
from nas.space import largest

__all__ = ["Parameter"]

_OPERATORS = (
    "add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "pow", "rpow", "matmul", "rmatmul", "neg",
    "getitem", "len",
)  # fmt: skip
_SHADOWED = ("bfloat16", "cpu", "cuda", "double", "float", "half", "to", "type")
"""Methods of tensors that modules have too."""


class Parameter(ElasticLayer):
    """``torch.nn.Parameter`` of zeros, whose sizes may be choices; smaller ones are the leading entries.

    The module that holds it uses it as a tensor, which is the part in use. In the extracted network that module holds a
    ``torch.nn.Parameter`` in its place. What writes in place, such as the functions of ``torch.nn.init``, writes all of
    it. Under soft gates what a smaller size lacks is weighted.

    >>> class ClassToken(nn.Module):
    ...     def __init__(self, width):
    ...         super().__init__()
    ...         self.token = Parameter((1, 1, width))
    ...         self.reset_parameters()
    ...
    ...     def reset_parameters(self):
    ...         nn.init.trunc_normal_(self.token, std=0.02)
    ...
    ...     def forward(self, x):
    ...         return torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1)

    Args:
        shape: the sizes.

    Raises:
        UsageError: device or type is a choice.
    """

    def __init__(self, shape: Sequence[Any], device: Any = None, dtype: Any = None) -> None:
        nn.Module.__init__(self)
        require_fixed("Parameter", device=device, dtype=dtype)
        self.arguments = {f"dim_{dim}": size for dim, size in enumerate(shape)}
        self.axes = Axes(weight=tuple(Axis(name, weighed=True) for name in self.arguments))
        self.weight = nn.Parameter(torch.zeros([largest(size) for size in shape], device=device, dtype=dtype))

    def follow(self, gates: Gates) -> tuple[dict[str, Channels], dict[str, Any]]:
        return {name: channels(size, gates) for name, size in self.arguments.items()}, {}

    def plain(self, copy: Copy) -> Any:
        return copy.tensor(self, "weight")

    def tensor(self, function: str) -> Tensor:
        """What a function of this name gets: the part in use, or all of it to write in place."""
        writes = function.endswith("_") and not function.endswith("__")
        unknown = self.is_elastic and "_state" not in vars(self)  # while the model is made
        return self.weight if writes or unknown else self._used("weight", self.state)  # type: ignore[return-value]

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), named: Any = None) -> Any:
        args, named = tree_map_only(cls, lambda each: each.tensor(function.__name__), (args, named or {}))
        return function(*args, **named)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "weight" or name.startswith("_") or "axes" not in vars(self):
                raise
            return getattr(self.tensor(name), name)


def _of_tensor(name: str) -> Callable[..., Any]:
    def method(self: Parameter, *args: Any, **named: Any) -> Any:
        return getattr(self.tensor(name), name)(*args, **named)

    return method


for _name in (*_SHADOWED, *(f"__{each}__" for each in _OPERATORS)):
    setattr(Parameter, _name, _of_tensor(_name))
