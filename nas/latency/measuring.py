"""Measuring networks of a run on its target as they are handed over, at one speed of a machine whose speed drifts."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median

import numpy as np
from torch import nn

from nas.data import Inputs
from nas.export import reading
from nas.hardware import LatencyCache, Measurement, Recorded, Subject, measure_networks
from nas.setup.run_setup import Setup
from nas.space import Architecture

__all__ = ["MeasuringSession", "measure_file", "measure_with_largest", "reference_level"]

_GROUP = 8


class MeasuringSession:
    """Measures networks in turn with the largest one, each once; what is in the file is not measured again.

    Args:
        setup: of a target that can run networks.
        path: the file of measurements.
        seconds: the longest time spent on timing one network, its preparation not counted.
        done: told the number of networks measured so far.
    """

    def __init__(self, setup: Setup, path: Path, seconds: float, done: Callable[[int], None]) -> None:
        self.setup, self.seconds, self.done = setup, seconds, done
        self.cache = LatencyCache(path)
        self.conditions = setup.target.fingerprint(), setup.data.input_shape
        self._found: dict[str, Measurement] = {}

    @property
    def references(self) -> list[float]:
        """Latencies of the largest network in milliseconds, one for each network that was measured."""
        return [each.reference_ms for each in self._found.values() if each.reference_ms is not None]

    @property
    def energies(self) -> list[float]:
        """Millijoules of a call, of the networks for which the target tells them."""
        return [each.energy_mj for each in self._found.values() if each.energy_mj is not None]

    def measure(self, architectures: Sequence[Architecture], note: str = "") -> np.ndarray:
        """Milliseconds ``[n]`` while the largest network takes its median over all that was measured so far.

        Args:
            note: keeps a second measurement of a network apart from the first.
        """
        keys = {each.key + note: each for each in architectures}
        missing = [key for key in keys if self.cache.get(key, *self.conditions) is None]
        for start in range(0, len(missing), _GROUP):
            group = missing[start : start + _GROUP]
            networks = {key: (keys[key], self.setup.supernet.extract(keys[key])) for key in group}
            for key, found in measure_with_largest(self.setup, networks, self.seconds * len(group)).items():
                self.cache.add(key, *self.conditions, found)
                self._found[key] = found
            self.done(len(self._found))
        known = {key: self.cache.get(key, *self.conditions) for key in keys}
        self._found |= {key: found for key, found in known.items() if found is not None}
        level = reference_level(self._found.values())
        return np.array([self._found[each.key + note].at(level).latency_ms for each in architectures])


def measure_with_largest(
    setup: Setup, networks: Mapping[str, tuple[Architecture, nn.Module]], max_seconds: float
) -> dict[str, Measurement]:
    """Networks measured on the target of a run, in turn with the largest network of the space.

    All of them read what the exported network reads, so that its normalisation counts.

    Args:
        networks: by any names, each with its architecture.
    """
    assert not isinstance(setup.target, Recorded)
    subjects, largest = {name: _subject(setup, *each) for name, each in networks.items()}, _largest(setup)
    return measure_networks(setup.target, subjects, largest, largest.input_shape, max_seconds=max_seconds)


def measure_file(setup: Setup, model: bytes, inputs: Inputs, max_seconds: float) -> Measurement:
    """An ONNX file that reads these inputs, measured like the networks of `measure_with_largest`.

    Raises:
        UsageError: the target does not run ONNX files.
    """
    assert not isinstance(setup.target, Recorded)
    group = {"file": Subject(model, inputs.shape, inputs.dtype)}
    (found,) = setup.target.measure_groups([group], _largest(setup), seconds_each=max_seconds, energy=True)
    return found["file"]


def _largest(setup: Setup) -> Subject:
    largest = setup.space.largest()
    return _subject(setup, largest, setup.supernet.extract(largest))


def _subject(setup: Setup, architecture: Architecture, network: nn.Module) -> Subject:
    inputs = setup.inputs_of(architecture)
    return Subject(reading(network, inputs), inputs.shape, inputs.dtype)


def reference_level(measurements: Iterable[Measurement]) -> float:
    """The median latency of the reference network over some measurements, in milliseconds."""
    return median(each.reference_ms for each in measurements if each.reference_ms is not None)
