"""How good architectures are while the supernet trains: by the loss on a batch, or predicted from such losses."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nas.nn.batch_norms import batch_statistics
from nas.predictors import LinearPredictor
from nas.space import Samplable
from nas.streams import Stream, rng
from nas.supernet import Supernet
from nas.tasks import Forward, LossTerm
from nas.training import Context, Listener, Path
from nas.training.steps import total_loss

__all__ = ["BatchScore", "PredictedScore"]

Scores = npt.NDArray[np.float64]


class BatchScore:
    """Minus the loss on the batch that the step is about to learn from, as the code of AttentiveNAS has it.

    Args:
        supernet: of the architectures; nothing of it changes, statistics of batch norms included.
        loss: a term that applies to the paths.
    """

    def __init__(self, supernet: Supernet, loss: LossTerm) -> None:
        self.supernet, self.loss = supernet, loss

    def __call__(self, paths: Sequence[Path], context: Context) -> Scores:
        return self.on(paths, context.x, context.y, context)

    @torch.no_grad()
    def on(self, paths: Sequence[Path], x: Tensor, y: Tensor, context: Context) -> Scores:
        """The same on another batch, float64 ``[n]``."""
        losses = [self._loss(path, x, y) for path in paths]
        context.ranks.average(losses)
        return -torch.stack(losses).double().cpu().numpy()

    def _loss(self, path: Path, x: Tensor, y: Tensor) -> Tensor:
        self.supernet.activate(path.architecture, path.bank)
        with self.supernet.weights(), batch_statistics(self.supernet.model):
            output = self.supernet.model(self.supernet.reads(x))
        return total_loss([self.loss], Forward(output, y, path.role, {}, x))


class PredictedScore(Listener):
    """What a predictor says, which learns from the scores of random architectures on some held-out examples.

    When an epoch begins, but for the first, some architectures are scored on the same examples, and the predictor is
    fitted anew to the scores of the last epochs, each less its epoch's mean, since weights get better. Before that all
    architectures count as equally good. The authors predict by a random forest that is fitted once, early in training.

    Args:
        space: what architectures are drawn from.
        measure: scores them.
        batch: held-out examples, inputs and targets.
        seed: of the run.
        architectures: how many are scored in each epoch.
        epochs: so many of the last epochs are learnt from.
    """

    def __init__(
        self,
        space: Samplable,
        measure: BatchScore,
        batch: tuple[Tensor, Tensor],
        seed: int,
        *,
        architectures: int = 16,
        epochs: int = 5,
    ) -> None:
        self.space, self.measure, self.batch, self.seed = space, measure, batch, seed
        self.architectures = architectures
        self._learnt: deque[tuple[Tensor, Tensor]] = deque(maxlen=epochs)
        self._predictor: LinearPredictor | None = None

    def __call__(self, paths: Sequence[Path], context: Context) -> Scores:
        return np.zeros(len(paths)) if self._predictor is None else self._predictor.predict(self._encoded(paths))[0]

    def before_step(self, context: Context) -> None:
        """Scores some architectures if an epoch begins, and learns from them."""
        if context.position or not context.epoch:
            return
        draws = rng(self.seed, Stream.MEASURED_PATHS, context.epoch)
        paths = [Path(self.space.sample(draws), "random") for _ in range(self.architectures)]
        scores = self.measure.on(paths, *self.batch, context)
        self._learnt.append((torch.from_numpy(self._encoded(paths)), torch.from_numpy(scores - scores.mean())))
        self._fit()

    def record(self) -> dict[str, Any]:
        """The leave-one-out rank correlation of the predictor."""
        return {} if self._predictor is None else {"score_spearman": self._predictor.errors.spearman}

    def state(self) -> dict[str, Tensor]:
        """Encodings and scores of each epoch, the oldest first."""
        pairs = enumerate(self._learnt)
        return {f"{number}/{name}": each for number, pair in pairs for name, each in zip("xy", pair, strict=True)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Takes what :meth:`state` gave."""
        self._learnt.clear()
        self._learnt.extend(
            (state[f"{number}/x"].clone(), state[f"{number}/y"].clone()) for number in range(len(state) // 2)
        )
        if self._learnt:
            self._fit()

    def _fit(self) -> None:
        encoded, scores = (torch.cat(each).numpy() for each in zip(*self._learnt, strict=True))
        self._predictor = LinearPredictor().fit(encoded, scores)

    def _encoded(self, paths: Sequence[Path]) -> Scores:
        """One-hot ``[n, columns]``."""
        space = self.measure.supernet.space
        return space.one_hot([path.architecture for path in paths]).astype(np.float64)
