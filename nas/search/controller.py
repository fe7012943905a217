"""A recurrent network that decides one choice after another."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nas.space import Space
from nas.space.condition import is_active

__all__ = ["Controller"]

Rows = NDArray[np.integer]
_SMALL = 0.1
"""First weights lie within this, so that the first policy is nearly uniform."""


class Controller(nn.Module):
    """Probabilities of architectures: an LSTM that reads what has been decided (NASNet; Zoph et al., 2018).

    A choice comes after those that decide whether it is there; of one that is not, the network reads just that. The
    probabilities of all architectures add up to one.

    Args:
        width: of the LSTM and of what it reads.
        seed: of the first weights.
    """

    def __init__(self, space: Space, width: int, seed: int) -> None:
        super().__init__()
        self.space = space
        self.places = [list(space.choices).index(name) for name in space.decision_order]
        sizes = [len(space.choices[name]) for name in space.decision_order]
        self.start = nn.Parameter(torch.zeros(width))
        self.read = nn.ModuleList(nn.Embedding(1 + size, width) for size in sizes)
        self.cell = nn.LSTM(width, width, batch_first=True)
        self.heads = nn.ModuleList(nn.Linear(width, size) for size in sizes)
        generator = torch.Generator().manual_seed(seed)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -_SMALL, _SMALL, generator=generator)

    def draw(self, kept: Sequence[Mapping[str, int]], rng: np.random.Generator) -> Rows:
        """Architectures as rows ``[n, choices]`` of :meth:`nas.space.Space.indices`.

        Args:
            kept: for each of them, positions of candidates that are not drawn, by choice.
        """
        n = len(kept)
        rows = np.full((n, len(self.places)), -1, dtype=np.int32)
        chosen: list[dict[str, int]] = [{} for _ in range(n)]
        state, x = None, self.start.expand(n, -1)
        with torch.no_grad():
            for name, place, head, read in zip(
                self.space.decision_order, self.places, self.heads, self.read, strict=True
            ):
                output, state = self.cell(x[:, None], state)
                below = head(output[:, 0]).double().softmax(dim=1).cumsum(dim=1).numpy()
                picks = (below < rng.random((n, 1)) * below[:, -1:]).sum(axis=1).tolist()
                for row, known, keep, pick in zip(rows, chosen, kept, picks, strict=True):
                    if is_active(self.space.uses[name], known):
                        known[name] = row[place] = keep.get(name, pick)
                x = read(torch.tensor(rows[:, place] + 1))
        return rows

    def forward(self, rows: Rows) -> tuple[Tensor, Tensor]:
        """Logarithms of the probabilities ``[n]`` of architectures, and the entropies of their decisions.

        Args:
            rows: ``[n, choices]`` with -1 where a choice is inactive.

        Returns:
            The entropies are ``[n, choices]`` in the order of decisions, 0 where a choice is inactive.
        """
        picks = torch.tensor(np.asarray(rows)[:, self.places], dtype=torch.int64)
        words = [read(pick + 1) for read, pick in zip(self.read, picks.T, strict=True)]
        outputs, _ = self.cell(torch.stack([self.start.expand(len(picks), -1), *words[:-1]], dim=1))
        total, entropies = torch.zeros(len(picks)), []
        for head, output, pick in zip(self.heads, outputs.unbind(dim=1), picks.T, strict=True):
            logs, there = head(output).log_softmax(dim=1), pick >= 0
            total = total + torch.where(there, logs.gather(1, pick.clamp(min=0)[:, None])[:, 0], 0.0)
            entropies.append(torch.where(there, -(logs.exp() * logs).sum(dim=1), 0.0))
        return total, torch.stack(entropies, dim=1)
