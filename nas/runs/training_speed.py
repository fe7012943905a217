"""How fast networks train here: measured on a few, and predicted of all others."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas.evaluation import Standalone
from nas.retraining.legs import Leg
from nas.setup.run_setup import Setup
from nas.space import Architecture, ArchitectureSet

__all__ = ["TrainingSpeed"]

_STEPS = 3
"""Timed on each network, the first of which is not counted."""
_LEAST_SECONDS = 1e-9


@dataclass(frozen=True)
class TrainingSpeed:
    """Seconds that the training of a network takes for an example, as a sum over what the network does.

    FLOPs alone do not tell it: networks that use four fifths and more of one bound on them took 63 to 86 ms for a step,
    depending on how often they go through memory. What short trainings reach depends on how many steps they have.

    Attributes:
        seconds: for one unit of each column of :class:`nas.hardware.NetworkFeatures` that counts, and of any
            network, whatever it does, under ``""``.
    """

    seconds: Mapping[str, float]

    @classmethod
    def measured(
        cls, setup: Setup, architectures: Sequence[Architecture], clock: Callable[[], float]
    ) -> "TrainingSpeed":
        """Fitted to some networks by least squares of the relative error, with no negative seconds; six do."""
        from scipy.optimize import nnls

        seen, seconds = _columns(setup, architectures), [_measure(setup, each, clock) for each in architectures]
        names, values = list(seen), np.column_stack(list(seen.values()))
        scales = np.maximum(values.mean(0), _LEAST_SECONDS)
        weights, _ = nnls(values / scales / np.array(seconds)[:, None], np.ones(len(seconds)))
        found = zip(names, (weights / scales).tolist(), strict=True)
        return cls({name: each for name, each in found if each > 0})

    def predict(self, setup: Setup, architectures: Sequence[Architecture]) -> NDArray[np.float64]:
        """Seconds for an example, of each."""
        seen = _columns(setup, architectures)
        return sum((each * seen[name] for name, each in self.seconds.items()), np.zeros(len(architectures)))

    def fastest(self, setup: Setup, found: ArchitectureSet, count: int) -> ArchitectureSet:
        """Those of them that train fastest, in the same order."""
        order = np.argsort(self.predict(setup, found.architectures), kind="stable")
        return ArchitectureSet([found.architectures[index] for index in sorted(order[:count])])


def _columns(setup: Setup, architectures: Sequence[Architecture]) -> dict[str, NDArray[np.float64]]:
    """What networks do, column by column."""
    values = setup.traced(setup.space.indices(architectures))
    return {"": np.ones(len(architectures)), **dict(zip(setup.traced.columns, values.T, strict=True))}


def _measure(setup: Setup, architecture: Architecture, clock: Callable[[], float]) -> float:
    """Seconds of the training of a network that is thrown away, for an example."""
    size, times = setup.config.retraining.batch_size, list[float]()
    recipe = Leg(_STEPS, size).recipe(setup.config.retraining, setup.config.retraining.learning_rate, 0.0)
    Standalone(setup.supernet, setup.data, recipe).train(architecture, on_epoch=lambda _: times.append(clock()))
    return max(_LEAST_SECONDS, float(np.diff(times).min()) / size)
