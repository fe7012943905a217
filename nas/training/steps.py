"""What one step does to the gradients: all paths of a supernet, or one plain network."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nas.errors import UsageError
from nas.nn.channel_ranges import Region, select
from nas.space import Architecture
from nas.supernet import Supernet
from nas.training.context import Context, Path
from nas.training.listener import Listener
from nas.training.objectives import Forward, LossTerm
from nas.training.paths import PathSampler

__all__ = ["Backward", "Pass", "PlainStep", "Step", "SupernetStep", "total_loss"]

Backward = Callable[[Tensor], None]

_WEIGHTS = 0
"""The random numbers of the weights' passes, as against other passes of the same step."""


class Pass(NamedTuple):
    """What one forward and backward pass left behind.

    Attributes:
        role: of the path that ran.
        loss: detached scalar.
        gradient_norm: of the gradient that it added; None where nobody asks for it.
    """

    role: str
    loss: Tensor
    gradient_norm: Tensor | None = None


class Step(Listener):
    """Fills the gradients of a model for one batch; to be extended by what each microbatch does.

    It is a listener too, the first of all: :meth:`before_step` may draw paths, :meth:`after_step` sees the gradients.

    Attributes:
        model: whose gradients they are.
        parts: path samplers, loss terms and the like that it is made of, which may listen.
    """

    model: nn.Module
    parts: Sequence[Any] = ()

    @property
    def proposals(self) -> Sequence[Architecture]:
        """The architectures that the training has arrived at, the best first; none where a search selects one."""
        return ()

    def __call__(self, context: Context, backward: Backward) -> dict[str, Tensor]:
        """The detached losses by role, averaged over passes, microbatches and processes.

        The gradients in the model are averaged likewise; ``context`` gets the losses and norms of each pass.

        Args:
            backward: called with each loss.
        """
        cut = context.microbatches
        parts = cut.of(self.model, (context.step, _WEIGHTS), context.x, context.y)
        found = list(zip(*(self.run(context, x, y, backward) for x, y in parts), strict=True))
        losses = [torch.stack([each.loss for each in passes]).mean() for passes in found]
        norms = [_mean_norm(passes) for passes in found] if context.gradient_norms is not None else []
        gradients = [parameter.grad for parameter in self.model.parameters() if parameter.grad is not None]
        cut.ranks.average([*gradients, *losses, *norms])
        context.losses, context.gradient_norms = losses, norms if context.gradient_norms is not None else None
        by_role: dict[str, list[Tensor]] = {}
        for passes, loss in zip(found, losses, strict=True):
            by_role.setdefault(passes[0].role, []).append(loss)
        return {role: torch.stack(values).mean() for role, values in by_role.items()}

    def run(self, context: Context, x: Tensor, y: Tensor, backward: Backward) -> list[Pass]:
        """The passes of a microbatch, the same ones in each; their gradients are added to those in the parameters.

        Args:
            x, y: the microbatch.
            backward: called with each loss.
        """
        raise TypeError(f"{type(self).__name__} must define run()")

    def used_regions(self, context: Context) -> Iterable[tuple[nn.Parameter, Region]]:
        """The parts of the parameters that the step used: all of every parameter."""
        return ((parameter, ()) for parameter in self.model.parameters())

    def size_of_paths(self, context: Context) -> float:
        """How many parameters the largest path of the step has, for each one of the largest architecture."""
        return 1.0


class SupernetStep(Step):
    """Runs every path of the step and adds up their gradients.

    Args:
        supernet: in training mode.
        paths: which architectures each step trains.
        objective: loss terms, added up for each path.
        within: role → what is open while its passes run forward, such as :class:`~nas.training.drop_path.DropPath`.

    Attributes:
        only: the banks whose paths are run, all by default; paths of the others are left to other processes.
    """

    only: Collection[int] | None = None

    def __init__(
        self,
        supernet: Supernet,
        paths: PathSampler,
        objective: Sequence[LossTerm],
        within: Mapping[str, AbstractContextManager[Any]] | None = None,
    ) -> None:
        self.model: Supernet = supernet
        self.paths, self.objective, self.within = paths, objective, within or {}
        self.parts = (paths, *objective)
        self._trained = [0] * supernet.sharing.banks

    def before_step(self, context: Context) -> None:
        """Draws the paths."""
        drawn = list(self.paths.draw(context))
        if not drawn or not all(isinstance(path, Path) for path in drawn):
            raise UsageError(
                f"{type(self.paths).__name__} drew {drawn!r:.200} in step {context.step}; draw one "
                "nas.training.Path or more."
            )
        context.paths = drawn if self.only is None else self._left_to_us(drawn, self.only)

    def run(self, context: Context, x: Tensor, y: Tensor, backward: Backward) -> list[Pass]:
        outputs: dict[str, list[Tensor]] = {}
        earlier: dict[str, Tensor] = {}
        passes = []
        for path in context.paths:
            self._activate(path)
            with self.within.get(path.role, nullcontext()):
                output = self.model(x)
            loss = total_loss(self.objective, Forward(output, y, path.role, earlier, x))
            norm = self._backward(loss, backward, context.gradient_norms is not None)
            outputs.setdefault(path.role, []).append(output.detach())
            earlier[path.role] = _mean(outputs[path.role])
            passes.append(Pass(path.role, loss.detach(), norm))
        return passes

    def after_step(self, context: Context) -> None:
        for path in context.paths:
            if (bank := self._bank_of(path)) is not None:
                self._trained[bank] += 1

    def used_regions(self, context: Context) -> Iterator[tuple[nn.Parameter, Region]]:
        """The parts of the parameters that the paths of the step ran."""
        for path in context.paths:
            self._activate(path)
            yield from self.model.active_regions()

    def size_of_paths(self, context: Context) -> float:
        sizes = [self._size(path) for path in context.paths]
        return max(sizes) / self._size(Path(self.model.space.largest(), "largest")) if sizes else 1.0

    def record(self) -> dict[str, Any]:
        """How many paths of the epoch trained each bank, where there are several."""
        trained, self._trained = self._trained, [0] * len(self._trained)
        return {"paths_by_bank": trained} if any(trained) else {}

    def _backward(self, loss: Tensor, backward: Backward, wants_norm: bool) -> Tensor | None:
        """Adds the gradient of a loss; its norm if that is wanted."""
        if not wants_norm:
            backward(loss)
            return None
        before = {p: None if p.grad is None else p.grad.clone() for p in self.model.parameters()}
        backward(loss)
        added = [p.grad if old is None else p.grad - old for p, old in before.items() if p.grad is not None]
        norm: Tensor = torch.linalg.vector_norm(torch.stack([each.norm() for each in added]))
        return norm

    def _left_to_us(self, drawn: Sequence[Path], banks: Collection[int]) -> list[Path]:
        """Those of some banks; several paths would be clipped together, so that banks depend on each other."""
        if len(drawn) > 1:
            raise UsageError(
                f"a step trains {len(drawn)} paths, so banks cannot be trained apart from each other; draw one path."
            )
        return [path for path in drawn if self._bank_of(path) in banks]

    def _bank_of(self, path: Path) -> int | None:
        return self.model.sharing.bank_of(path.architecture) if path.bank is None else path.bank

    def _size(self, path: Path) -> int:
        """How many parameters run."""
        self._activate(path)
        return sum(select(parameter, region).numel() for parameter, region in self.model.active_regions())

    def _activate(self, path: Path) -> None:
        self.model.activate(path.architecture, path.bank)


class PlainStep(Step):
    """One forward and backward pass of an ordinary network."""

    def __init__(self, network: nn.Module, objective: Sequence[LossTerm]) -> None:
        self.model, self.objective, self.parts = network, objective, objective

    def run(self, context: Context, x: Tensor, y: Tensor, backward: Backward) -> list[Pass]:
        loss = total_loss(self.objective, Forward(self.model(x), y, "network", {}, x))
        backward(loss)
        return [Pass("network", loss.detach())]


def _mean(outputs: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(outputs)).mean(0) if len(outputs) > 1 else outputs[0]


def _mean_norm(passes: Sequence[Pass]) -> Tensor:
    return torch.stack([each.gradient_norm for each in passes if each.gradient_norm is not None]).mean()


def total_loss(objective: Sequence[LossTerm], forward: Forward) -> Tensor:
    """The sum of the terms that apply to a pass.

    Raises:
        UsageError: none applies, so the pass would train nothing.
    """
    terms = [value for term in objective if (value := term(forward)) is not None]
    if not terms:
        raise UsageError(
            f"no term of the objective applies to the path with role '{forward.role}', so it would train nothing; "
            "add a term, or a role to one."
        )
    return torch.stack(terms).sum()
