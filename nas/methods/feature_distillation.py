"""A loss of what the stages of a network give, against those of a teacher."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from nas.errors import UsageError
from nas.nn import Repeat
from nas.nn.module_walk import walk
from nas.supernet import Supernet
from nas.training import Context, Forward, Listener

__all__ = ["FeatureDistillation"]


class FeatureDistillation(Listener):
    """The squared distance of features from those of a teacher, in parts of the teacher's squares, averaged over stages
    (LightHuBERT, Wang et al., 2022).

    Stages are the modules :class:`~nas.nn.Repeat` that always run. Narrower features are compared with the leading ones
    of the teacher; where a stage differs in more than one dimension, as at another resolution, it is left out.

    Args:
        supernet: that learns.
        teacher: the largest network of the supernet, plain; it must run on the input of a pass before this term is
            asked.
        weight: of the loss.

    Raises:
        UsageError: no stage always runs.
    """

    def __init__(self, supernet: Supernet, teacher: nn.Module, weight: float = 1.0) -> None:
        self.supernet, self.weight = supernet, weight
        supernet.activate(supernet.space.largest())
        always = [
            node
            for node in walk(supernet.model)
            if isinstance(node.module, Repeat) and all(branch.depends is None for branch in node.branches)
        ]
        if not always:
            raise UsageError(
                "features are those of stages, of nas.nn.Repeat, but none of this model always runs; use a space that "
                "chooses its depth, or another method."
            )
        self._stages = {node.path: node.module for node in always}
        self._taught: dict[str, Tensor] = {}
        self._learnt: dict[str, Tensor] = {}
        self._hooks: list[RemovableHandle] = []
        for node in always:
            teacher.get_submodule(node.extracted).register_forward_hook(_noting(self._taught, node.path))

    def __call__(self, forward: Forward) -> Tensor | None:
        pairs = [(self._learnt[path], self._taught[path].detach()) for path in self._stages]
        found = [
            _distance(learnt, taught[tuple(slice(size) for size in learnt.shape)])
            for learnt, taught in pairs
            if sum(one != other for one, other in zip(learnt.shape, taught.shape, strict=True)) <= 1
        ]
        return self.weight * torch.stack(found).mean() if found else None

    def before_step(self, context: Context) -> None:
        """Watches the supernet."""
        self._hooks = [stage.register_forward_hook(_noting(self._learnt, path)) for path, stage in self._stages.items()]

    def after_step(self, context: Context) -> None:
        """Leaves it as it was: what is attached to a module would be extracted with it."""
        for hook in self._hooks:
            hook.remove()
        self._learnt.clear()


def _distance(learnt: Tensor, taught: Tensor) -> Tensor:
    return (learnt - taught).square().mean() / taught.square().mean().clamp_min(torch.finfo(taught.dtype).tiny)


def _noting(found: dict[str, Tensor], path: str) -> Callable[[nn.Module, Any, Tensor], None]:
    """A hook that keeps what a module gave."""

    def note(module: nn.Module, inputs: Any, output: Tensor) -> None:
        found[path] = output

    return note
