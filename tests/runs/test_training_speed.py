"""Training speed is predicted from a few measured networks, and chooses what a short time trains."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from nas.runs import training_speed
from nas.runs.candidates import Prospects
from nas.runs.plan import Plan, _used_share
from nas.runs.training_speed import TrainingSpeed
from nas.setup import RunFolder, resolve
from nas.setup.run_setup import Setup
from nas.space import Architecture, ArchitectureSet

SETTINGS = {"space": "mobilenet", "task": "digits", "limit": 200, "constraints": ["flops <= 50% of largest"]}
SECONDS = {"": 2e-5, "depthwise flops": 3e-10, "bytes": 1e-11}


@pytest.fixture(scope="module")
def setup() -> Setup:
    return Setup(resolve(SETTINGS, "test"))


def draws(setup: Setup, count: int, seed: int) -> list[Architecture]:
    random = np.random.default_rng(seed)
    return [setup.space.sample(random) for _ in range(count)]


def test_a_sum_over_what_networks_do_is_found_again(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    true = TrainingSpeed(SECONDS)
    monkeypatch.setattr(training_speed, "_measure", lambda setup, each, clock: true.predict(setup, [each])[0])
    found = TrainingSpeed.measured(setup, draws(setup, 24, 0), lambda: 0.0)
    others = draws(setup, 20, 1)
    assert all(each > 0 for each in found.seconds.values())
    np.testing.assert_allclose(found.predict(setup, others), true.predict(setup, others), rtol=0.02)


def test_measured_is_the_fastest_step_after_the_first_for_an_example(setup: Setup) -> None:
    def clock() -> Iterator[float]:
        yield from (0.0, 7.0, 9.0)

    times, size = clock(), setup.config.retraining.batch_size
    assert training_speed._measure(setup, setup.space.smallest(), lambda: next(times)) == 2 / size


def test_the_fastest_keep_their_order(setup: Setup) -> None:
    speed, found = TrainingSpeed(SECONDS), ArchitectureSet(draws(setup, 30, 2))
    kept = speed.fastest(setup, found, 5).architectures
    assert [each for each in found.architectures if each in kept] == list(kept)
    slowest_kept = speed.predict(setup, kept).max()
    left = [each for each in found.architectures if each not in kept]
    assert len(kept) == 5
    assert slowest_kept <= speed.predict(setup, left).min()


def test_a_plan_for_a_short_time_trains_the_fastest_near_the_bound(setup: Setup) -> None:
    largest = setup.costs_of(setup.space.largest())
    bounds = [each.resolve(largest) for each in setup.constraints]
    config = setup.config.model_copy(update={"near_bound": 8})
    short = Setup(config)
    plan = Plan(60.0, 0.0, 0.0, 0.0, 0.0, 0.0, {}, SECONDS, fastest=0.25, share=1.0)
    fast, any_speed = (Prospects(short, bounds, setup.cost_table, each).feasible for each in (plan, None))
    assert fast is not None and any_speed is not None
    assert len(fast) == 8
    assert all(bounds[0].violation(setup.costs_of(each)) == 0 for each in fast.architectures)
    mean_fast, mean_any = (
        TrainingSpeed(SECONDS).predict(setup, each.architectures).mean() for each in (fast, any_speed)
    )
    assert mean_fast < 0.95 * mean_any


def test_a_short_time_is_spent_on_networks_that_use_a_part_of_the_bound(setup: Setup) -> None:
    largest = setup.costs_of(setup.space.largest())
    bounds = [each.resolve(largest) for each in setup.constraints]
    plan = Plan(60.0, 0.0, 0.0, 0.0, 0.0, 0.0, {}, SECONDS, fastest=1.0, share=0.5)
    short = Setup(setup.config.model_copy(update={"near_bound": 8, "bound_use": 0.5}))
    prospects = Prospects(short, bounds, setup.cost_table, plan)
    assert prospects.feasible is not None and prospects.scaled is not None
    for each in (*prospects.feasible.architectures, prospects.scaled):
        assert 0.2 * bounds[0].bound < setup.costs_of(each)["flops"] <= 0.5 * bounds[0].bound


@pytest.mark.parametrize(("seconds", "stays"), [({"": 1.0}, True), ({"blocks": 1.0}, False)])
def test_in_a_short_time_the_scaled_network_is_tried_if_it_trains_as_fast(
    setup: Setup, seconds: dict[str, float], stays: bool
) -> None:
    """Scaled alike it keeps its depth, so it has more blocks than the fastest."""
    largest = setup.costs_of(setup.space.largest())
    bounds = [each.resolve(largest) for each in setup.constraints]
    plan = Plan(60.0, 0.0, 0.0, 0.0, 0.0, 0.0, {}, seconds, fastest=0.125)
    short = Setup(setup.config.model_copy(update={"near_bound": 8}))
    prospects = Prospects(short, bounds, setup.cost_table, plan)
    scaled = Prospects(short, bounds, setup.cost_table).scaled
    assert scaled is not None and prospects.feasible is not None
    speed = TrainingSpeed(seconds)
    slowest = speed.predict(setup, prospects.feasible.architectures).max()
    assert (speed.predict(setup, [scaled])[0] <= slowest) == stays
    assert (prospects.scaled == scaled) == stays
    assert (prospects.scaled is None) != stays


def test_a_part_of_the_bound_that_no_network_keeps_is_the_whole_bound(setup: Setup) -> None:
    largest = setup.costs_of(setup.space.largest())
    bounds = [each.resolve(largest) for each in setup.constraints]
    plan = Plan(60.0, 0.0, 0.0, 0.0, 0.0, 0.0, {}, SECONDS, fastest=1.0, share=0.001)
    tight, whole = (Prospects(setup, bounds, setup.cost_table, each) for each in (plan, None))
    assert tight.scaled == whole.scaled
    assert tight.feasible is not None and whole.feasible is not None
    assert tight.feasible.architectures == whole.feasible.architectures


@pytest.mark.parametrize(("steps", "share"), [(5_000, 1.0), (48_000, 1.0), (1_250, 0.5), (312.5, 0.25)])
def test_size_and_steps_grow_alike_with_the_time(steps: float, share: float) -> None:
    assert _used_share(steps) == share


def test_a_plan_of_an_earlier_version_is_followed(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    plan = Plan(60.0, 0.0, 0.0, 0.0, 0.0, 0.0, {}, SECONDS, fastest=0.25)
    plan.keep(folder)
    kept = json.loads(folder.plan.read_text())
    folder.plan.write_text(json.dumps({name: value for name, value in kept.items() if name not in ("share", "draws")}))
    assert Plan.read(folder) == plan


def test_few_networks_that_share_weights_are_all_tried(setup: Setup) -> None:
    largest = setup.costs_of(setup.space.largest())
    bounds = [each.resolve(largest) for each in setup.constraints]
    few = Setup(setup.config.model_copy(update={"near_bound": 6, "candidates": 10}))
    prospects = Prospects(few, bounds, setup.cost_table)
    assert prospects.feasible is not None
    assert {*prospects.feasible.architectures} <= {*prospects.first}
    many = Setup(setup.config.model_copy(update={"near_bound": 64, "candidates": 10}))
    assert len(Prospects(many, bounds, setup.cost_table).first) <= 5
