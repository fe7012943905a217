"""Latency on the target: which networks are measured, how a predictor is fitted, what of a space is fast enough."""

from nas.latency.devices import device_table, import_measurements, pack_space
from nas.latency.feasibility import feasibility_report
from nas.latency.profile import run_profile

__all__ = ["device_table", "feasibility_report", "import_measurements", "pack_space", "run_profile"]
