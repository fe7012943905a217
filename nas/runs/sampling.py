"""Which networks are measured: some to learn latency from, chosen as it is learnt, and others to judge by."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from nas.errors import UsageError
from nas.hardware import LatencyCache, Recorded, measure_networks
from nas.predictors import Encoding, RegressionPredictor, choose_uncertain, prediction_errors
from nas.runs.bench import Bench
from nas.runs.folder import RunFolder
from nas.runs.known import transfer_predictor
from nas.runs.progress import Progress
from nas.space import Architecture

__all__ = ["Samples", "take_samples"]

_FEWEST = 3
_FIRST = 24
_ROUND = 12
_POOL = 500
_GROUP = 8

Floats = np.ndarray
Measure = Callable[[Sequence[Architecture]], Floats]


@dataclass(frozen=True)
class Samples:
    """Measured architectures.

    Attributes:
        trained: those to learn from, and ``trained_ms`` their latencies in milliseconds.
        held_out: those to judge by, and ``held_out_ms`` theirs.
        noise_floor: mean relative difference between two measurements of one network; None if unknown.
    """

    trained: list[Architecture]
    trained_ms: Floats
    held_out: list[Architecture]
    held_out_ms: Floats
    noise_floor: float | None


def take_samples(bench: Bench, folder: RunFolder, encoding: Encoding, progress: Progress) -> Samples:
    """Measures networks on the target, or takes them from the table that the target is.

    Networks to learn from are chosen in rounds: the next are those that a linear model on the encoding is least sure
    of. It ends when a regression predicts the others as closely as measurements repeat, or with the budget.
    Measurements of an interrupted run are kept and used.

    Raises:
        UsageError: the space has too few architectures, or a network does not run on the target.
    """
    if isinstance(bench.target, Recorded):
        return _from_table(bench, bench.target, encoding)
    settings, samples = bench.config.profile, bench.samples
    held_out = samples[len(samples) - min(settings.held_out, len(samples) // 3) :]
    drawn = [bench.space.sample([bench.config.seed, 1, number]) for number in range(_POOL)]
    pool = [each for each in dict.fromkeys([*samples, *drawn]) if each not in set(held_out)]
    if not held_out or len(pool) < _FEWEST:
        raise UsageError(
            f"space '{bench.config.space}' gave {len(pool) + len(held_out)} architectures, too few to learn latency "
            "from and to judge by others; raise profile.samples, or constrain params or flops instead."
        )
    again = held_out[: settings.repeats]
    total = len(held_out) + len(again) + min(settings.networks, len(pool))
    with progress.task(f"Measuring up to {total} networks on {bench.target.name}", total) as task:
        session = _Session(bench, folder, settings.seconds / total, task.update)
        held_out_ms = session.measure(held_out)
        first, rest = _first(bench, encoding, pool, min(settings.networks, len(pool)))
        session.measure(first)
        noise_floor = float(np.abs(session.measure(again, " again") / held_out_ms[: len(again)] - 1).mean())

        def good_enough(chosen: Sequence[Architecture], latencies: Floats) -> bool:
            model = RegressionPredictor(encoding.one_hot).fit(encoding(chosen), latencies)
            return prediction_errors(held_out_ms, model.predict(encoding(held_out))[0]).mape <= noise_floor

        trained = _rounds(encoding, first, rest, settings.networks, session.measure, good_enough)
        trained_ms = session.measure(trained)
    return Samples(trained, trained_ms, held_out, held_out_ms, noise_floor)


def _from_table(bench: Bench, table: Recorded, encoding: Encoding) -> Samples:
    """Some architectures of a table to learn from; all others are held out."""
    settings, rng = bench.config.profile, np.random.default_rng(bench.config.seed)
    everything = [Architecture(json.loads(key)) for key in table.latencies]
    budget = min(settings.networks, len(everything) * 2 // 3)
    pool = [everything[place] for place in rng.permutation(len(everything))[: _POOL + budget]]
    first, rest = _first(bench, encoding, pool, budget)
    trained = _rounds(encoding, first, rest, budget, table.measure, lambda chosen, latencies: False)
    learnt = set(trained)
    held_out = [each for each in everything if each not in learnt]
    return Samples(trained, table.measure(trained), held_out, table.measure(held_out), table.noise_floor)


def _first(
    bench: Bench, encoding: Encoding, pool: list[Architecture], budget: int
) -> tuple[list[Architecture], list[Architecture]]:
    """The architectures to begin with, and the rest: all that tell known devices apart, where there are any."""
    if not bench.config.profile.known:
        return pool[: min(_FIRST, budget)], pool[min(_FIRST, budget) :]
    places = transfer_predictor(bench, encoding).choose(encoding(pool), budget, bench.config.seed)
    return [pool[place] for place in places], []


def _rounds(
    encoding: Encoding,
    chosen: list[Architecture],
    pool: list[Architecture],
    budget: int,
    measure: Measure,
    good_enough: Callable[[Sequence[Architecture], Floats], bool],
) -> list[Architecture]:
    """``chosen`` and what is measured after them, least certain first, until it is good enough or the budget ends."""
    while len(chosen) < budget and pool and not good_enough(chosen, measure(chosen)):
        size = min(_ROUND, budget - len(chosen), len(pool))
        places = choose_uncertain(encoding(pool), encoding(chosen), size)
        chosen = [*chosen, *(pool[place] for place in places)]
        pool = [each for place, each in enumerate(pool) if place not in set(places.tolist())]
    return chosen


class _Session:
    """Measures networks on the target of a run, each once."""

    def __init__(self, bench: Bench, folder: RunFolder, seconds: float, done: Callable[[int], None]) -> None:
        self.bench, self.seconds, self.done = bench, seconds, done
        self.cache = LatencyCache(folder.measurements)
        self.place = bench.target.fingerprint(), bench.data.input_shape
        self.reference = bench.supernet.extract(bench.space.largest())
        self.measured: set[str] = set()

    def measure(self, architectures: Sequence[Architecture], note: str = "") -> Floats:
        """Milliseconds ``[n]``; ``note`` keeps a second measurement of a network apart from the first."""
        keys = {each.key + note: each for each in architectures}
        missing = [key for key in keys if self.cache.get(key, *self.place) is None]
        for start in range(0, len(missing), _GROUP):
            self._measure({key: keys[key] for key in missing[start : start + _GROUP]})
            self.measured |= set(missing[start : start + _GROUP])
            self.done(len(self.measured))
        self.measured |= keys.keys()
        found = [self.cache.get(each.key + note, *self.place) for each in architectures]
        return np.array([each.latency_ms for each in found if each is not None])

    def _measure(self, group: dict[str, Architecture]) -> None:
        assert not isinstance(self.bench.target, Recorded)
        networks = {key: self.bench.supernet.extract(each) for key, each in group.items()}
        shape, seconds = self.bench.data.input_shape, self.seconds * len(group)
        found = measure_networks(self.bench.target, networks, self.reference, shape, max_seconds=seconds)
        for key, measurement in found.items():
            self.cache.add(key, *self.place, measurement)
