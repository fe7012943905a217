"""Paths by how large the gradients of their candidates are."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from nas.space import Architecture, Space
from nas.streams import Stream, rng
from nas.training import Context, Listener, Path

__all__ = ["ImportantPaths", "importance"]

Floats = npt.NDArray[np.float64]


class ImportantPaths(Listener):
    """One path a step, each candidate drawn by the norm of its gradients (PA&DA, Lu et al., 2023).

    The importance of a candidate is the mean over the epoch of what the modules that read its choice got in gradients,
    the norms of their parameters added up, averaged over these modules. When an epoch begins, probabilities become
    :func:`importance` of it. A candidate without parameters has no importance and is drawn by the uniform share alone,
    so some of that is kept to the end; as published it vanishes.

    Args:
        space: the search space.
        seed: of the run.
        readers: the modules that read each choice, such as ``supernet.readers`` gives.
        uniform: share of the draws that goes to all candidates alike, at the least.

    Attributes:
        probabilities: of the candidates of each choice.
    """

    def __init__(
        self, space: Space, seed: int, readers: Mapping[str, Sequence[nn.Module]], uniform: float = 0.1
    ) -> None:
        self.space, self.seed, self.readers, self.uniform = space, seed, readers, uniform
        self._norms: dict[str, Floats] = {name: np.full(len(each), np.nan) for name, each in space.choices.items()}
        self._sums: dict[str, Floats] = {name: np.zeros((2, len(each))) for name, each in space.choices.items()}
        self.probabilities: dict[str, Floats] = {}
        self._renew(0.0)

    def draw(self, context: Context) -> list[Path]:
        draws = rng(self.seed, Stream.IMPORTANT_PATHS, context.step)
        row = [int(draws.choice(len(each), p=each)) for each in self.probabilities.values()]
        return [Path(self.space.from_indices([row])[0], "random")]

    def weight(self, architecture: Architecture) -> float:
        """How likely an architecture is under uniform draws, as a multiple of how likely it is now."""
        places = self._places(architecture)
        return float(np.prod([1 / (len(each) * each[place]) for each, place in places.values()]))

    def before_step(self, context: Context) -> None:
        """Renews the probabilities if an epoch begins."""
        if context.position == 0:
            for name, (total, count) in self._sums.items():
                self._norms[name] = np.where(count > 0, total / np.maximum(count, 1), self._norms[name])
                self._sums[name][:] = 0
            self._renew(context.recipe_epoch / context.recipe.epochs)

    def after_step(self, context: Context) -> None:
        """Takes down the gradients of what the path ran."""
        (path,) = context.paths
        for name, (_, place) in self._places(path.architecture).items():
            self._sums[name][:, place] += self._gradient(name), 1

    def record(self) -> dict[str, Any]:
        """The probabilities of the epoch."""
        return {"path_probabilities": {name: each.round(4).tolist() for name, each in self.probabilities.items()}}

    def state(self) -> dict[str, Tensor]:
        return {
            f"{kind}/{name}": torch.tensor(each) for kind, group in self._kept().items() for name, each in group.items()
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        kept = self._kept()
        for key, value in state.items():
            kind, name = key.split("/", 1)
            kept[kind][name] = value.double().cpu().numpy().copy()

    def _kept(self) -> dict[str, dict[str, Floats]]:
        return {"norms": self._norms, "sums": self._sums, "probabilities": self.probabilities}

    def _renew(self, progress: float) -> None:
        share = min(progress, 1 - self.uniform)
        self.probabilities = {name: importance(norms, share) for name, norms in self._norms.items()}

    def _gradient(self, name: str) -> float:
        found = [
            torch.stack([each.grad.norm() for each in module.parameters() if each.grad is not None]).sum()
            for module in self.readers.get(name, ())
            if any(each.grad is not None for each in module.parameters())
        ]
        return float(torch.stack(found).mean()) if found else 0.0

    def _places(self, architecture: Architecture) -> dict[str, tuple[Floats, int]]:
        """Of each active choice the probabilities, and the position of its candidate."""
        indices = self.space.indices([architecture])[0].tolist()
        return {
            name: (each, place)
            for (name, each), place in zip(self.probabilities.items(), indices, strict=True)
            if place >= 0
        }


def importance(scores: Floats, share: float) -> Floats:
    """Probabilities ``[n]``: ``share`` in proportion to the scores, the rest to all alike.

    Args:
        scores: not negative; one that is not known, NaN, counts as the mean of the others.
        share: from 0 to 1.
    """
    known = scores[~np.isnan(scores)]
    filled = np.where(np.isnan(scores), known.mean() if len(known) else 1.0, scores)
    even = np.full(len(scores), 1 / len(scores))
    total = filled.sum()
    return share * filled / total + (1 - share) * even if total > 0 else even
