"""How long does a call take: warm-up, repeats until the median is sure, interleaving against drift."""

import contextlib
import gc
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter_ns

__all__ = ["Infer", "Timing", "measure_all", "summarise", "time_calls", "warm_up"]

Infer = Callable[[], float | None]
"""Runs one inference and returns when its result is ready: the milliseconds that the device itself measured, or None
where the host's clock is to tell."""

_PRECISION = 0.02  # relative width of the median's 95 % confidence interval
_STABLE = 0.05  # two successive windows of the warm-up agree within this
_WINDOW = 5
_BURST_MS = 5.0
_BURST_CALLS = (3, 50)


@dataclass(frozen=True)
class Timing:
    """Median latency and median absolute deviation in milliseconds over ``repeats`` timed calls.

    ``reference_ms`` is the median of the reference network that was measured in turn with them, if there was one; the
    deviation is then that of the ratios to it.
    """

    latency_ms: float
    spread_ms: float
    repeats: int
    reference_ms: float | None = None


def time_calls(run: Infer, *, min_repeats: int = 20, max_seconds: float = 1.0) -> list[float]:
    """Milliseconds of each call of ``run``, which must return only when its result is ready.

    After the warm-up (at most half of ``max_seconds``) there are at least ``min_repeats`` calls, and more until the
    95 % confidence interval of the median is narrower than 2 % or ``max_seconds`` are over.
    """
    warm_up(run, max_seconds / 2)
    deadline = perf_counter_ns() + max_seconds * 1e9
    times = _burst(run, min_repeats)
    while _median_width(times) > _PRECISION and perf_counter_ns() < deadline:
        times += _burst(run, max(1, min_repeats, len(times) // 4))
    return times


def summarise(times: Sequence[float]) -> Timing:
    """Median and median absolute deviation of milliseconds."""
    middle = median(times)
    return Timing(middle, median(abs(each - middle) for each in times), len(times))


def measure_all(
    sessions: Mapping[str, Infer], reference: Infer, *, min_rounds: int = 9, max_seconds: float = 60.0
) -> dict[str, Timing]:
    """Time several calls fairly on a machine whose speed drifts.

    In turn, each session runs a short burst right after a burst of ``reference``. A session's latency is the median
    of (its burst / the reference's burst before it), times the median of all reference bursts, so that drift
    slower than two bursts cancels. To compare results of several calls of this function, divide each by its
    ``reference_ms``: the machine may have been faster then. A session has had enough after ``min_rounds`` once its
    ratio is known to 2 %; all end after ``max_seconds``, but never before ``min_rounds``.
    """
    calls = {name: _burst_calls(warm_up(run)) for name, run in sessions.items()}
    reference_calls = _burst_calls(warm_up(reference))
    ratios: dict[str, list[float]] = {name: [] for name in sessions}
    references: list[float] = []
    deadline = perf_counter_ns() + max_seconds * 1e9
    rounds, unsure = 0, list(sessions)
    while unsure and (rounds < min_rounds or perf_counter_ns() < deadline):
        for name in unsure:
            before = median(_burst(reference, reference_calls))
            ratios[name].append(median(_burst(sessions[name], calls[name])) / before)
            references.append(before)
        rounds += 1
        unsure = [each for each in unsure if rounds < min_rounds or _median_width(ratios[each]) > _PRECISION]
    return {name: _scaled(ratios[name], median(references), calls[name]) for name in sessions}


def warm_up(run: Infer, max_seconds: float = 0.5) -> float:
    """Call ``run`` until two windows of calls take the same time within 5 %; return that time in milliseconds.

    Gives up after ``max_seconds``, and then returns the last window's median.
    """
    deadline = perf_counter_ns() + max_seconds * 1e9
    before, now = math.inf, median(_burst(run, _WINDOW))
    while abs(before - now) > _STABLE * now and perf_counter_ns() < deadline:
        before, now = now, median(_burst(run, _WINDOW))
    return now


def _burst(run: Infer, calls: int) -> list[float]:
    """Milliseconds of each of ``calls`` calls, by the device's clock where it has one, with garbage collection off."""
    times = []
    with _no_garbage_collection():
        for _ in range(calls):
            start = perf_counter_ns()
            measured = run()
            waited = (perf_counter_ns() - start) / 1e6
            times.append(max(waited if measured is None else measured, 1e-6))
    return times


def _burst_calls(milliseconds: float) -> int:
    fewest, most = _BURST_CALLS
    return min(most, max(fewest, round(_BURST_MS / milliseconds)))


def _scaled(ratios: Sequence[float], reference_ms: float, calls: int) -> Timing:
    ratio = summarise(ratios)
    return Timing(ratio.latency_ms * reference_ms, ratio.spread_ms * reference_ms, ratio.repeats * calls, reference_ms)


def _median_width(values: Sequence[float]) -> float:
    """Relative width of the 95 % confidence interval of the median, by order statistics."""
    ordered = sorted(values)
    count = len(ordered)
    reach = 0.98 * math.sqrt(count)
    low = max(0, math.floor(count / 2 - reach))
    high = min(count - 1, math.ceil(count / 2 + reach))
    return (ordered[high] - ordered[low]) / median(ordered)


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
