"""What one step does to the gradients: all paths of a supernet, or one plain network."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from nas.errors import UsageError
from nas.nn.channels import Region
from nas.supernet import Supernet
from nas.training.objectives import Forward, LossTerm
from nas.training.paths import Path, PathSampler

__all__ = ["Backward", "PlainStep", "SupernetStep"]

Backward = Callable[[Tensor], None]


class SupernetStep:
    """Runs every path of the step and adds up their gradients.

    Args:
        supernet: in training mode.
        paths: which architectures each step trains.
        objective: loss terms, added up for each path.
    """

    def __init__(self, supernet: Supernet, paths: PathSampler, objective: Sequence[LossTerm]) -> None:
        self.model, self.paths, self.objective = supernet, paths, objective
        self._drawn: list[Path] = []

    def __call__(self, step: int, x: Tensor, y: Tensor, backward: Backward) -> dict[str, Tensor]:
        """The detached loss by role, averaged over the paths of a role."""
        earlier: dict[str, Tensor] = {}
        losses: dict[str, list[Tensor]] = {}
        self._drawn = list(self.paths.draw(step))
        for path in self._drawn:
            self.model.activate(path.architecture)
            output = self.model(x)
            loss = total_loss(self.objective, Forward(output, y, path.role, earlier))
            backward(loss)
            earlier[path.role] = output.detach()
            losses.setdefault(path.role, []).append(loss.detach())
        return {role: torch.stack(values).mean() for role, values in losses.items()}

    def used_regions(self) -> Iterator[tuple[nn.Parameter, Region]]:
        """The parts of the parameters that the paths of the last step ran."""
        for path in self._drawn:
            self.model.activate(path.architecture)
            yield from self.model.active_regions()


class PlainStep:
    """One forward and backward pass of an ordinary network."""

    def __init__(self, network: nn.Module, objective: Sequence[LossTerm]) -> None:
        self.model, self.objective = network, objective

    def __call__(self, step: int, x: Tensor, y: Tensor, backward: Backward) -> dict[str, Tensor]:
        loss = total_loss(self.objective, Forward(self.model(x), y, "network", {}))
        backward(loss)
        return {"network": loss.detach()}

    def used_regions(self) -> Iterator[tuple[nn.Parameter, Region]]:
        """All of every parameter."""
        return ((parameter, ()) for parameter in self.model.parameters())


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
