"""The profile stage: measure some networks on the target, fit a latency predictor, freeze it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nas.hardware import LatencyCache, Measurement, measure_networks
from nas.predictors import LinearPredictor
from nas.runs.bench import LATENCY, Bench
from nas.runs.folder import RunFolder
from nas.runs.progress import Progress
from nas.space import Architecture

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LatencyModel", "fit_latency", "measure"]

_GROUP = 8


@dataclass(frozen=True)
class LatencyModel:
    """A frozen predictor, so that the search is a function of the seed and this artefact.

    Attributes:
        predictor: one-hot architectures → milliseconds.
        bench: the space and the costs that need no device.
    """

    predictor: LinearPredictor
    bench: Bench

    def predict(self, architectures: Sequence[Architecture]) -> list[float]:
        """Milliseconds for each architecture, never below zero."""
        mean, _ = self.predictor.predict(self.bench.space.one_hot(architectures))
        return [max(0.0, float(value)) for value in mean]

    def costs(self, architectures: Sequence[Architecture]) -> "pd.DataFrame":
        """All costs that the search looks at, predicted latency included."""
        return self.bench.cost_table(architectures).assign(**{LATENCY: self.predict(architectures)})


def fit_latency(bench: Bench, folder: RunFolder, progress: Progress) -> LatencyModel:
    """The run's latency model: the one it froze, or a new one from measurements.

    Measurements that an interrupted run took are kept and used.
    """
    guard = {
        "space": bench.space.fingerprint,
        "target": bench.target.fingerprint(),
        "input_shape": "x".join(map(str, bench.data.input_shape)),
    }
    if folder.predictor.exists():
        return LatencyModel(LinearPredictor.load(folder.predictor, guard), bench)
    architectures = bench.samples[: bench.config.profile.networks]
    with progress.task(f"Measuring {len(architectures)} networks on {bench.target.name}", len(architectures)) as task:
        measured = measure(bench, folder, architectures, bench.config.profile.seconds, task.update)
    latencies = [measurement.latency_ms for measurement in measured]
    predictor = LinearPredictor().fit(bench.space.one_hot(architectures), latencies)
    predictor.save(folder.predictor, guard)
    errors = predictor.errors
    progress.say(
        f"Latency predictor: {errors.within_10pct:.0%} of networks within 10 %, Spearman {errors.spearman:.2f} "
        f"(leave-one-out over {len(latencies)})."
    )
    return LatencyModel(predictor, bench)


def measure(
    bench: Bench, folder: RunFolder, architectures: Sequence[Architecture], seconds: float, done: Callable[[int], None]
) -> list[Measurement]:
    """Latencies of architectures, from the run's cache or interleaved with the largest network.

    Args:
        seconds: the longest time spent on timing.
        done: told the number of networks measured so far.
    """
    cache = LatencyCache(folder.measurements)
    where, shape = bench.target.fingerprint(), bench.data.input_shape
    missing = [a for a in dict.fromkeys(architectures) if cache.get(a.key, where, shape) is None]
    reference = bench.supernet.extract(bench.space.largest())
    for start in range(0, len(missing), _GROUP):
        group = missing[start : start + _GROUP]
        networks = {architecture.key: bench.supernet.extract(architecture) for architecture in group}
        share = seconds * len(group) / len(architectures)
        for key, measurement in measure_networks(bench.target, networks, reference, shape, max_seconds=share).items():
            cache.add(key, where, shape, measurement)
        done(len(architectures) - len(missing) + start + len(group))
    found = [cache.get(architecture.key, where, shape) for architecture in architectures]
    return [measurement for measurement in found if measurement is not None]
