"""Where a network runs and what it costs: exact counts by tracing, latency by measuring."""

from nas.hardware.cache import LatencyCache
from nas.hardware.costs import StaticCosts
from nas.hardware.measurement import Measurement
from nas.hardware.targets import (
    CPU,
    CUDA,
    OnnxRuntime,
    Target,
    available_targets,
    measure_networks,
    target,
)
from nas.hardware.timing import Timing, measure_all, summarise, time_calls
from nas.hardware.tracing import Trace, parameters, trace

__all__ = [
    "CPU",
    "CUDA",
    "LatencyCache",
    "Measurement",
    "OnnxRuntime",
    "StaticCosts",
    "Target",
    "Timing",
    "Trace",
    "available_targets",
    "measure_all",
    "measure_networks",
    "parameters",
    "summarise",
    "target",
    "time_calls",
    "trace",
]
