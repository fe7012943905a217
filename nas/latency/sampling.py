"""Which networks are measured: some to learn latency from, chosen as it is learnt, and others to judge by."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from nas.errors import UsageError
from nas.hardware import Recorded
from nas.latency.duplicates import other_networks
from nas.latency.measuring import MeasuringSession
from nas.predictors import BlockTable, Encoding, RegressionPredictor, TransferPredictor, choose_uncertain
from nas.setup.folder import RunFolder
from nas.setup.progress import Progress
from nas.setup.run_setup import Setup
from nas.space import Architecture
from nas.streams import Stream, rng
from nas.wording import counted

__all__ = ["Samples", "take_samples"]

_FEWEST = 3
_FIRST = 24
_ROUND = 12
_POOL = 500
_MOST_TRACED = 2000

Floats = np.ndarray
Measure = Callable[[Sequence[Architecture]], Floats]


@dataclass(frozen=True)
class Samples:
    """Measured architectures.

    Attributes:
        trained: those to learn from, and ``trained_ms`` their latencies in milliseconds.
        held_out: those to judge by, and ``held_out_ms`` theirs; none is the same network as one of ``trained``.
        noise_floor: mean relative difference between two measurements of one network; None if unknown.
        reference_ms: the latency of the largest network, to which all others are relative; None for a table.
        drift: by how much it was slower at its slowest than at its fastest; None for a table.
        energy_mj: the median energy of a call in millijoules; None if unknown.
    """

    trained: list[Architecture]
    trained_ms: Floats
    held_out: list[Architecture]
    held_out_ms: Floats
    noise_floor: float | None
    reference_ms: float | None = None
    drift: float | None = None
    energy_mj: float | None = None


def take_samples(
    setup: Setup, folder: RunFolder, encoding: Encoding, transfer: TransferPredictor | None, progress: Progress
) -> Samples:
    """Measures networks on the target, or takes them from the table that the target is.

    Networks to learn from are chosen in rounds: the next are those that a linear model on the encoding is least sure
    of. It ends when a regression, cross-validated, errs no more than a perfect predictor would by the noise of the
    measurements, or with the budget. A few-shot predictor chooses all of them beforehand. Those held out have no say.
    Measurements of an interrupted run are kept and used.

    Raises:
        UsageError: the space has too few architectures, all to judge by are networks that were learnt from, or a
            network does not run on the target.
    """
    if isinstance(setup.target, Recorded):
        return _from_table(setup, setup.target, encoding, transfer)
    settings, samples = setup.config.profile, setup.samples
    held_out = samples[len(samples) - min(settings.held_out, len(samples) // 3) :]
    drawn = (setup.space.sample(rng(setup.config.seed, Stream.PROFILE_POOL, number)) for number in range(_POOL))
    pool = [each for each in dict.fromkeys([*samples, *drawn]) if each not in held_out]
    if not held_out or len(pool) < _FEWEST:
        raise UsageError(
            f"space '{setup.config.space}' gave {counted(len(pool) + len(held_out), 'architecture')}, too few to "
            "learn latency from and to judge by others; raise profile.samples, or constrain params or flops instead."
        )
    again, budget = held_out[: settings.repeats], min(settings.networks, len(pool))
    total = len(held_out) + len(again) + budget
    with progress.task(f"Measuring up to {counted(total, 'network')} on {setup.target.name}", total) as task:
        session = MeasuringSession(setup, folder.measurements, settings.seconds / total, task.update)
        session.measure(held_out)
        first, rest = _first(setup, encoding, transfer, pool, budget)
        session.measure(first)
        repeated = session.measure(again, " again")
        noise_floor = float(np.abs(repeated / session.measure(again) - 1).mean())

        def good_enough(chosen: Sequence[Architecture], latencies: Floats) -> bool:
            errors = RegressionPredictor(encoding.one_hot).fit(encoding(chosen), latencies).errors
            return errors.capped_mape <= noise_floor / math.sqrt(2)

        trained = _rounds(encoding, first, rest, budget, session.measure, good_enough)
        trained_ms, held_out_ms = session.measure(trained), session.measure(held_out)
        if len(trained) < budget:
            task.end("the predictor errs no more than measurements repeat")
    kept = _told_apart(setup, encoding, trained, held_out)
    return Samples(
        trained=trained,
        trained_ms=trained_ms,
        held_out=[held_out[index] for index in kept],
        held_out_ms=held_out_ms[kept],
        noise_floor=noise_floor,
        reference_ms=median(session.references),
        drift=max(session.references) / min(session.references) - 1,
        energy_mj=median(session.energies) if session.energies else None,
    )


def _from_table(setup: Setup, table: Recorded, encoding: Encoding, transfer: TransferPredictor | None) -> Samples:
    """Some architectures of a table to learn from; all others are held out, 2,000 of them if each must be traced."""
    settings, draws = setup.config.profile, rng(setup.config.seed, Stream.TABLE_POOL)
    everything = [Architecture(json.loads(key)) for key in table.latencies]
    budget = min(settings.networks, len(everything) * 2 // 3)
    pool = [everything[index] for index in draws.permutation(len(everything))[: _POOL + budget]]
    first, rest = _first(setup, encoding, transfer, pool, budget)
    trained = _rounds(encoding, first, rest, budget, table.measure, lambda chosen, latencies: False)
    learnt = set(trained)
    others = [each for each in everything if each not in learnt]
    if not isinstance(encoding.features, BlockTable) and len(others) > _MOST_TRACED:
        others = [others[index] for index in np.sort(draws.permutation(len(others))[:_MOST_TRACED])]
    held_out = [others[index] for index in _told_apart(setup, encoding, trained, others)]
    return Samples(trained, table.measure(trained), held_out, table.measure(held_out), table.noise_floor)


def _first(
    setup: Setup, encoding: Encoding, transfer: TransferPredictor | None, pool: list[Architecture], budget: int
) -> tuple[list[Architecture], list[Architecture]]:
    """The architectures to begin with, and the rest: all that tell known devices apart, where there are any."""
    if transfer is None:
        return pool[: min(_FIRST, budget)], pool[min(_FIRST, budget) :]
    indices = transfer.choose(encoding(pool), budget, setup.config.seed)
    return [pool[index] for index in indices], []


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
        indices = choose_uncertain(encoding(pool), encoding(chosen), size)
        chosen = [*chosen, *(pool[index] for index in indices)]
        pool = [each for index, each in enumerate(pool) if index not in indices]
    return chosen


def _told_apart(
    setup: Setup, encoding: Encoding, trained: Sequence[Architecture], held_out: Sequence[Architecture]
) -> list[int]:
    """The indices of those held out that are no network to learn from in other words; UsageError if none is left."""
    kept = other_networks(setup, encoding, trained, held_out)
    if not kept:
        raise UsageError(
            f"all {len(held_out)} networks to judge the latency predictor by are the same as networks that it learns "
            "from, written in another way; measure other networks, or fewer to learn from (profile.networks)."
        )
    return kept
