"""Latency on the target: which networks are measured, how a predictor is fitted, what of a space is fast enough."""

from typing import TYPE_CHECKING

from nas.lazy_imports import lazy

if TYPE_CHECKING:
    from nas.latency.content import target_settings as target_settings
    from nas.latency.devices import import_measurements as import_measurements, pack_space as pack_space
    from nas.latency.feasibility import feasibility_report as feasibility_report
    from nas.latency.imported import (
        device_table as device_table,
        find_known as find_known,
        find_target as find_target,
        imported_devices as imported_devices,
    )
    from nas.latency.profile import run_profile as run_profile

lazy(__name__)
