"""The evaluator that trains nothing: a proxy looks at the fresh weights of a network."""

import math
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from nas.errors import UsageError
from nas.evaluation.zero_cost.probe import Probe
from nas.evaluation.zero_cost.proxies import PROXIES
from nas.nn import initialise
from nas.problem import Problem
from nas.space import Architecture
from nas.streams import Stream, derive_seed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ZeroCost"]


class ZeroCost:
    """A zero-cost proxy of each network with fresh weights; nothing is trained to search.

    A network that the proxy has no finite value for, such as one whose output does not depend on its input, cannot be
    used. See ``nas.evaluation.zero_cost.PROXIES`` for the names. Parameters and FLOPs rank about as well as most, so
    compare with them, and within strata of equal size.

    Args:
        problem: whose networks are scored, on its training examples.
        proxy: its name, or ``module:function`` of a network and a :class:`~nas.evaluation.zero_cost.Probe`.
        images: examples in a batch; fewer where the training split does not hold so many.
        batches: of examples; only ``zico`` reads more than one, and needs two.
        repeats: initialisations whose scores are averaged.

    Raises:
        UsageError: no such proxy, or a number that is too small.
    """

    name = "zero-cost"
    metrics: ClassVar[Mapping[str, str]] = {"proxy": "maximise"}
    batch = 1

    def __init__(
        self, problem: Problem, proxy: str = "zico", images: int = 64, batches: int = 2, repeats: int = 1
    ) -> None:
        for name, value, least in (("images", images, 2), ("batches", batches, 1), ("repeats", repeats, 1)):
            if value < least:
                raise UsageError(f"evaluator 'zero-cost' has {name} {value}; give {least} or more.")
        if proxy == "zico" and batches < 2:
            raise UsageError("proxy 'zico' compares gradients between batches, but batches is 1; give 2 or more.")
        self._problem, self._name, self._proxy = problem, proxy, PROXIES[proxy]
        self._images, self._batches, self._repeats = images, batches, repeats
        self.fidelity = f"{batches} x {images} {problem.data.examples}, {repeats} initialisations"

    def __call__(self, architectures: Sequence[Architecture]) -> "pd.DataFrame":
        """One row for each architecture, with the column ``proxy``."""
        import pandas as pd

        return pd.DataFrame({"proxy": [self.score(architecture) for architecture in architectures]})

    def score(self, architecture: Architecture) -> float:
        """The mean over initialisations; NaN where one of them is not finite."""
        scores = [self._once(architecture, repeat) for repeat in range(self._repeats)]
        mean = sum(scores) / len(scores)
        return mean if math.isfinite(mean) else math.nan

    def _once(self, architecture: Architecture, repeat: int) -> float:
        problem, seed = self._problem, derive_seed(self._problem.seed, Stream.PROXY_WEIGHTS, repeat)
        network = initialise(problem.delivered.extract(architecture), seed).to(problem.device).train()
        train = problem.data.at(architecture).train
        size = min(self._images, len(train) // self._batches)
        examples = train.shuffled(size, (problem.seed, Stream.PROXY_BATCHES, repeat))
        batches = list(islice(examples, self._batches))
        found: Any = self._proxy(network, Probe(batches, problem.task.loss(), problem.costs(architecture), seed))
        if not isinstance(found, int | float):
            raise UsageError(
                f"proxy '{self._name}' gave {found!r} for architecture {architecture.id}; return a number."
            )
        return float(found)
