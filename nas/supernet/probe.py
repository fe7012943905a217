"""What modules get in one inference without arithmetic, and the FLOPs of a module on that."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

from nas.errors import UsageError
from nas.nn import ElasticLayer, Zero
from nas.nn.modes import evaluating
from nas.nn.shape_misfit import misfit
from nas.nn.tree import below
from nas.supernet.segmentation import active_modules

__all__ = ["Probe", "is_free", "on_meta"]


_WITHOUT_FLOPS = ("activation", "batchnorm", "container", "dropout", "flatten", "padding", "pooling")
"""Modules of ``torch.nn.modules`` whose layers, without matrices, have no convolution or matrix product."""


def is_free(module: nn.Module) -> bool:
    """Whether it is known without a run that a module takes no FLOPs."""
    kinds = {type(each) for each in module.modules()}
    known = (nn.Identity, Zero)
    simple = all(kind in known or kind.__module__.removeprefix("torch.nn.modules.") in _WITHOUT_FLOPS for kind in kinds)
    return simple and all(parameter.dim() < 2 for parameter in module.parameters())


class Probe:
    """Runs a model and modules of it on the meta device, whatever device their weights are on; they stay as they are.

    Args:
        model: its modules are asked about.
        shapes: of one example of each input, without the batch.
        dtype: of the inputs.
    """

    def __init__(self, model: nn.Module, shapes: Sequence[tuple[int, ...]], dtype: torch.dtype) -> None:
        self._model, self._shapes, self._dtype = model, shapes, dtype
        self._inputs: dict[nn.Module, list[tuple[Any, ...]]] = {}

    @property
    def example(self) -> tuple[Tensor, ...]:
        """One input, or one of each."""
        return tuple(torch.empty((1, *shape), dtype=self._dtype, device="meta") for shape in self._shapes)

    def run(self, modules: Iterable[nn.Module]) -> None:
        """Notes the inputs of those of the modules that run in the model as it stands and did not run before.

        Raises:
            UsageError: the model cannot be run on such inputs.
        """
        hooks = [each.register_forward_pre_hook(self._note) for each in modules if each not in self._inputs]
        try:
            on_meta(self._model, self.example)
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            if sentence := misfit(self._model, error):
                raise UsageError(sentence) from error
            reason = (str(error).strip() or repr(error)).splitlines()[0].rstrip(".")
            shapes = " and ".join(map(str, self._shapes))
            raise UsageError(
                f"{type(self._model).__name__} cannot be run on an input of shape {shapes} and type {self._dtype}: "
                f"{reason}; check the input shape, and that all tensors of the model are parameters or buffers."
            ) from error
        finally:
            for hook in hooks:
                hook.remove()

    def knows(self, module: nn.Module) -> bool:
        """Whether the module ran."""
        return module in self._inputs

    def flops(self, modules: Mapping[nn.Module, nn.Module]) -> int:
        """Of the values, each given the inputs of all calls of its key; a multiply-add counts as two."""
        with FlopCounterMode(display=False) as counter:
            for known, module in modules.items():
                for inputs in self._inputs.get(known, ()):
                    on_meta(module, inputs)
        return int(counter.get_total_flops())

    def _note(self, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        self._inputs.setdefault(module, []).append(inputs)


def on_meta(module: nn.Module, inputs: tuple[Any, ...]) -> Any:
    """What a module gives in evaluation mode, under the gates that it follows; tensors have shapes but no values."""
    with torch.no_grad(), evaluating(module):
        tensors = {name: tensor.to("meta") for name, tensor in _tensors(module)}
        return functional_call(module, tensors, inputs, tie_weights=False)


def _tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Path and value of the parameters and buffers that run, at each of their places."""
    for path, each in active_modules(module):
        inside = isinstance(each, ElasticLayer)  # its tensors may be computed of others below it
        for name, tensor in (*each.named_parameters(recurse=inside), *each.named_buffers(recurse=inside)):
            yield below(path, name), tensor
