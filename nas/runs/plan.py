"""A plan for the time that a run was given: how long to train, how many candidates to evaluate."""

import json
import math
import time
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any

import numpy as np
import torch

from nas.data import Data
from nas.errors import UsageError
from nas.files import write_file
from nas.latency.budget import unbounded
from nas.retraining.legs import Leg
from nas.runs.training_speed import TrainingSpeed
from nas.search import near_bounds
from nas.setup.config import RunConfig
from nas.setup.deadline import Deadline, Timetable
from nas.setup.folder import RunFolder
from nas.setup.resolution import with_settings
from nas.setup.run_setup import Setup
from nas.setup.supernets import built
from nas.space import ArchitectureSet
from nas.streams import Stream, rng
from nas.training import train_phases
from nas.wording import counted

__all__ = ["SUPERNET_SHARE", "Plan", "deadline_of", "planned"]

SUPERNET_SHARE = 0.4
"""Of the time that is divided, where it is long."""
_SHORT, _LONG = 2_400, 12_000
"""Steps of one network near the bounds that a time allows, from which on it is not short, and long."""
_WHOLE_BOUND = 5_000
"""Such steps from which on a network should use all that bounds allow."""
_SHORT_SHARE, _ENTRANTS, _NEAR_BOUND, _BOUND_USE = 0.05, (1, 4), (8, 256), (0.5, 0.8)
_MOST_CANDIDATES, _FASTEST = (8, 400), (0.125, 1.0)
"""In a short time, and in a long one."""
_SEARCH, _CANDIDATE, _PROFILE = 0.08, 0.004, 0.1
"""Shares of the time that is left after what every run does; the last round has the rest. A candidate takes so much of
all the time."""
_DRAWING, _TRACED = 0.05, 3
"""Share of all the time that goes into finding networks of a size; how many are costed to know how long one takes."""
_LATE = 1.15
"""The training of the supernet is cut where it takes so many times what was planned."""
_FEWEST_CANDIDATES = 8
_FEWEST_EXAMPLES, _LEAST_SECONDS = 500, 1e-9
_ENDING, _CHECKS = 14, 3
"""What the ending takes: so many times as long as building the supernet, since the exporter walks through a network
too, and so many candidates."""
_PROBE_EPOCHS, _PROBE_STEPS, _PROBE_CANDIDATES, _PROBE_BATCHES = 3, 2, 6, 3


@dataclass(frozen=True)
class Plan:
    """What was measured in the first seconds of a run that was given a time, and what follows; seconds throughout.

    Attributes:
        time: that the run was given.
        step: of training, for one example with all paths.
        candidate: of the evaluation of one.
        supernet: of the training of the supernet.
        rest: what comes after that, the ending too.
        ending: what remains when the last round is over: the file, its checks and the report.
        settings: what was decided, by the keys of the configuration.
        speed: of the training of networks, see :attr:`TrainingSpeed.seconds`.
        fastest: share of the networks near a bound that are trained, those whose training is fastest.
        share: of what bounds allow that networks use; a shorter time is better spent on smaller ones.
        draws: architectures whose costs are looked at to find such networks; None for as many as it takes.
    """

    time: float
    step: float
    candidate: float
    supernet: float
    rest: float
    ending: float
    settings: Mapping[str, Any]
    speed: Mapping[str, float]
    fastest: float
    share: float = 1.0
    draws: int | None = None

    def keep(self, folder: RunFolder) -> None:
        """Writes ``plan.json``."""
        write_file(folder.plan, json.dumps(asdict(self), indent=2))

    @classmethod
    def read(cls, folder: RunFolder) -> "Plan":
        """What :meth:`keep` wrote, in this version or an earlier one."""
        return cls(**folder.read(folder.plan, *(each.name for each in fields(cls) if each.default is MISSING)))

    def timetable(self, deadline: Deadline) -> Timetable:
        """Until when each part may last."""
        return Timetable(deadline, self.rest - (_LATE - 1) * self.supernet, self.ending)

    def __str__(self) -> str:
        chosen, seconds = self.settings, f"{self.time:.0f} s" if self.time < 120 else f"{self.time / 60:.1f} min"
        parts = []
        if "training.epochs" in chosen and self.supernet:
            epochs, size = counted(chosen["training.epochs"], "epoch"), chosen.get("training.epoch_examples")
            of = f" of {size:,} examples" if size else ""
            parts.append(f"the supernet trains {epochs}{of} (about {self.supernet:.0f} s)")
        if self.supernet and self.fastest < 1:
            near = "a bound" if self.share == 1 else f"{self.share:.0%} of a bound"
            parts.append(f"of networks near {near} the {self.fastest:.0%} that train fastest share it")
        if "candidates" in chosen:
            parts.append(f"{counted(chosen['candidates'], 'candidate')} are evaluated")
        return f"Plan for {seconds}: {', '.join([*parts, 'the best few train on in the rest'])}."


def deadline_of(config: RunConfig, folder: RunFolder, begun: tuple[float, float] | None = None) -> Deadline | None:
    """Until when a run may last; None where it was given no time.

    Args:
        begun: what :func:`time.perf_counter` and :func:`time.process_time` showed when it began; now by default.
    """
    spent = sum(folder.started.read("seconds")["seconds"].values()) if folder.origin.exists() else 0.0
    wall, cpu = begun or (time.perf_counter(), time.process_time())
    if config.cpu_time is not None:
        return Deadline(config.cpu_time, time.process_time, cpu, spent)
    return None if config.time is None else Deadline(config.time, time.perf_counter, wall, spent)


def planned(config: RunConfig, folder: RunFolder, deadline: Deadline, data: Data) -> tuple[RunConfig, Plan]:
    """The configuration with all that nobody has decided, and the plan; as it was if the run was begun before.

    Args:
        data: of the run, with the whole validation split.

    Raises:
        UsageError: the method has no last round, whose length is what the rest of the time goes into.
    """
    plan = Plan.read(folder) if folder.plan.exists() else None
    if plan is None or plan.time != deadline.seconds:
        began = deadline.clock()
        setup = Setup(config, read=data)
        importing = deadline.clock() - began
        if not setup.finishing:
            raise UsageError(
                f"a time is given, but a search with method '{config.method}', evaluator '{config.evaluator}' and goal "
                f"'{'best' if setup.seeks_best else 'front'}' has no last round that could take what is left of it; "
                "leave the time out and give epochs."
            )
        began = deadline.clock()
        built(config, setup.device, data)
        building = deadline.clock() - began
        plan = _plan(setup, deadline, building, max(0.0, importing - building))
    return with_settings(config, {**plan.settings, "unplanned": []}), plan


def _plan(setup: Setup, deadline: Deadline, building: float, importing: float) -> Plan:
    """Measured on a setup that is thrown away.

    Args:
        building: seconds that it takes to build it.
        importing: seconds that it took longer the first time, as the exporter will.
    """
    config, tracing = setup.config, _tracing_seconds(setup, deadline)
    draws = int(_DRAWING * deadline.seconds / tracing)
    feasible = _likely(setup, draws)
    step, example = _step_seconds(setup, feasible, deadline), _example_seconds(setup, feasible, deadline)
    images = max(_FEWEST_EXAMPLES, int(_CANDIDATE * deadline.seconds / example))
    candidate = tracing + example * (min(images, len(setup.data.validation)) + config.evaluation.calibration_images)
    ending = _ENDING * building + importing + _CHECKS * candidate
    free = max(1.0, deadline.left - building - ending)
    profiling = _PROFILE * free if setup.needs_latency else 0.0
    divided = free - profiling
    available = setup.data.train.steps(config.training.batch_size) * config.training.batch_size
    speed = TrainingSpeed.measured(setup, feasible.architectures, deadline.clock)
    alone = float(np.median(speed.predict(setup, feasible.architectures)))
    steps = divided / (alone * config.retraining.batch_size)
    length = _length(steps)
    most = _between(_MOST_CANDIDATES, length)
    share = setup.method.share_of_time or _SHORT_SHARE + length * (SUPERNET_SHARE - _SHORT_SHARE)
    supernet = 0.0 if config.supernet else divided * share / (share + (1 - share) / config.answers)
    leg = Leg.of(supernet / step, available, setup.method.fewest_epochs)
    decided = {
        **_of_length(length, config.pretrained),
        **_of_profile(config, profiling),
        "training.epochs": leg.epochs,
        "training.epoch_examples": leg.epoch_examples,
        "training.final_learning_rate": config.training.learning_rate,
        "candidates": min(most, max(_FEWEST_CANDIDATES, int(_SEARCH * divided / candidate))),
        "random_baseline": 0,
        "evaluation.examples": images,
    }
    kept = {key: value for key, value in decided.items() if key in config.unplanned}
    rest, fastest = divided - supernet + ending, _FASTEST[0] ** (1 - length)
    used = 1.0 if config.pretrained else _used_share(steps)
    return Plan(deadline.seconds, step, candidate, supernet, rest, ending, kept, speed.seconds, fastest, used, draws)


def _length(steps: float) -> float:
    """From 0, a short time, to 1, a long one.

    Args:
        steps: of one network that the time allows.
    """
    return min(1.0, max(0.0, (steps - _SHORT) / (_LONG - _SHORT)))


def _used_share(steps: float) -> float:
    """How much of what bounds allow a network should use to be best when its time is over.

    Size and number of steps grow alike with the time, as Hoffmann et al. (2022) found it of language models. In
    searches of CIFAR-10 at 16x16 for 60 s networks of half of a bound came to 61.7 % of the validation images (three
    seeds), those of a third to 59.4 %, those of three quarters to 58.4 %.

    Args:
        steps: of a network near the bounds that the time allows.
    """
    return min(1.0, math.sqrt(steps / _WHOLE_BOUND))


def _of_length(length: float, pretrained: bool) -> dict[str, Any]:
    """How many networks share weights, and how many train on.

    In a short time smaller networks are ahead, since they train faster, but not where the weights are trained already.
    """
    entrants, near_bound = _between(_ENTRANTS, length), _between(_NEAR_BOUND, length)
    use = _BOUND_USE[1] if pretrained else round(_BOUND_USE[0] + length * (_BOUND_USE[1] - _BOUND_USE[0]), 2)
    return {"finish.networks": entrants, "finalists": entrants + 1, "near_bound": near_bound, "bound_use": use}


def _between(numbers: tuple[int, int], length: float) -> int:
    """From the one for a short time to the one for a long one."""
    short, long = numbers
    return round(math.exp(math.log(short) + length * math.log(long / short)))


def _of_profile(config: RunConfig, seconds: float) -> dict[str, Any]:
    """How many networks are measured to learn latency, in about so many seconds."""
    asked = config.profile
    return {
        "profile.seconds": min(asked.seconds, max(1.0, seconds / 2)),
        "profile.networks": min(asked.networks, max(8, int(seconds))),
        "profile.held_out": min(asked.held_out, max(4, int(seconds / 2))),
        "profile.repeats": min(asked.repeats, 4),
    }


def _tracing_seconds(setup: Setup, deadline: Deadline) -> float:
    """Of learning what an architecture costs, the least of a few."""
    draws, times = rng(setup.config.seed, Stream.PLAN), [deadline.clock()]
    for _ in range(_TRACED):
        setup.costs_of(setup.space.sample(draws))
        times.append(deadline.clock())
    return max(_LEAST_SECONDS, float(np.diff(times).min()))


def _likely(setup: Setup, draws: int) -> ArchitectureSet:
    """Architectures such as the run will train; where a bound is on latency, which nobody knows yet, random ones."""
    if setup.trains_feasible:
        largest = setup.costs_of(setup.space.largest())
        bounds = [each.resolve(largest) for each in setup.constraints if each.metric in largest]
        found = near_bounds(
            setup.space, bounds, setup.cost_table, setup.config.seed, _PROBE_CANDIDATES, _BOUND_USE[0], draws
        )
        if found is not None:
            return found
    random = rng(setup.config.seed, Stream.PLAN)
    return ArchitectureSet([setup.space.sample(random) for _ in range(_PROBE_CANDIDATES)])


def _step_seconds(setup: Setup, feasible: ArchitectureSet, deadline: Deadline) -> float:
    """Of training, for one example."""
    examples = _PROBE_STEPS * setup.config.training.batch_size
    lengths = {"epochs": _PROBE_EPOCHS, "epoch_examples": examples, "warmup_epochs": 0.0}
    recipe = setup.config.training.model_copy(update=lengths)
    drawn = feasible if setup.trains_feasible else None
    phases = setup.phases(unbounded(setup), drawn, recipe)
    times: list[float] = []
    train_phases(phases, seed=setup.config.seed_of_training, on_epoch=lambda _: times.append(deadline.clock()))
    return max(_LEAST_SECONDS, (times[-1] - times[0]) / ((len(times) - 1) * examples))


def _example_seconds(setup: Setup, feasible: ArchitectureSet, deadline: Deadline) -> float:
    """Of the evaluation of one candidate, for an example that it sees."""
    network = setup.supernet.extract(feasible.largest()).eval()
    split, times = setup.data.validation.at(feasible.largest()), [deadline.clock()]
    x, _ = next(iter(split.batches(setup.config.evaluation.batch_size)))
    for _ in range(_PROBE_BATCHES):
        with torch.inference_mode():
            network(x)
        times.append(deadline.clock())
    return max(_LEAST_SECONDS, (times[-1] - times[1]) / (_PROBE_BATCHES - 1) / len(x))
