import gc
from collections.abc import Callable

import pytest

from nas.hardware import timing
from nas.hardware.timing import Timing, measure_all, summarise, time_calls, warm_up


class Machine:
    """A simulated clock: calls take their cost times the machine's present slowness."""

    def __init__(self, slowness: Callable[[float], float] = lambda seconds: 1.0) -> None:
        self.now_ns = 0
        self.slowness = slowness

    def __call__(self) -> int:
        return self.now_ns

    def call(self, milliseconds: float) -> Callable[[], None]:
        def run() -> None:
            self.now_ns += round(milliseconds * 1e6 * self.slowness(self.now_ns / 1e9))

        return run


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()
    monkeypatch.setattr(timing, "perf_counter_ns", machine)
    return machine


def test_summary_is_median_and_its_deviation() -> None:
    assert summarise([1.0, 2.0, 4.0, 100.0, 3.0]) == Timing(3.0, 1.0, 5)


def test_steady_calls_need_no_more_than_the_minimum(machine: Machine) -> None:
    assert time_calls(machine.call(2.0), min_repeats=30) == [2.0] * 30


def test_what_the_device_measured_counts_in_place_of_the_clock(machine: Machine) -> None:
    def measured() -> float:
        machine.now_ns += 7_000_000
        return 0.5

    assert time_calls(measured, min_repeats=5) == [0.5] * 5
    assert measure_all({"a": measured}, machine.call(2.0))["a"].latency_ms == pytest.approx(0.5)


def test_a_call_that_takes_no_time_still_has_a_ratio(machine: Machine) -> None:
    assert measure_all({"nothing": lambda: 0.0}, lambda: 0.0)["nothing"].latency_ms > 0


def test_unsteady_calls_repeat_until_time_is_over(machine: Machine) -> None:
    slow = [0]

    def alternating() -> None:
        slow[0] ^= 1
        machine.now_ns += 3_000_000 if slow[0] else 1_000_000

    times = time_calls(alternating, min_repeats=10, max_seconds=1.0)
    assert 1.0 <= sum(times) / 1e3 < 1.4


def test_warm_up_waits_for_a_steady_time(machine: Machine) -> None:
    calls = [0]

    def heating() -> None:
        machine.now_ns += round(1e6 * (1 + 20 * 0.9 ** calls[0]))
        calls[0] += 1

    assert warm_up(heating, max_seconds=10.0) < 1.1


def test_warm_up_gives_up_at_its_cap(machine: Machine) -> None:
    calls = [0]

    def ever_slower() -> None:
        calls[0] += 1
        machine.now_ns += 1_000_000 * calls[0]

    warm_up(ever_slower, max_seconds=0.1)
    assert 0.1 <= machine.now_ns / 1e9 < 0.3


def test_drift_of_the_machine_is_divided_out(machine: Machine) -> None:
    machine.slowness = lambda seconds: 1.0 + seconds
    costs = {"small": 0.2, "middle": 1.0, "large": 4.0}
    found = measure_all({name: machine.call(cost) for name, cost in costs.items()}, machine.call(1.0))
    assert machine.now_ns / 1e9 > 0.4  # by then it is 1.4 times slower
    for name, cost in costs.items():
        relative = found[name].latency_ms / found["middle"].latency_ms
        assert relative == pytest.approx(cost, rel=0.02)
        assert found[name].repeats >= 27
        assert found[name].spread_ms < 0.05 * found[name].latency_ms


def test_a_noisy_session_ends_with_the_budget(machine: Machine) -> None:
    state = [1]

    def noisy() -> None:
        state[0] = state[0] * 1_103_515_245 % 2_147_483_647
        machine.now_ns += 1_000_000 + state[0] % 4_000_000

    found = measure_all({"noisy": noisy}, machine.call(1.0), max_seconds=2.0)
    assert 2.0 <= machine.now_ns / 1e9 < 4.0
    assert found["noisy"].spread_ms > 0


def test_garbage_collection_is_off_while_timing_and_restored() -> None:
    seen = set()
    time_calls(lambda: seen.add(gc.isenabled()), max_seconds=0.01)
    assert seen == {False}
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError):
        time_calls(lambda: 1 / 0)
    assert gc.isenabled()
