"""Where a network runs, and how long it takes there: targets, measuring, devices without this package."""

from typing import TYPE_CHECKING

from nas.lazy_imports import lazy

if TYPE_CHECKING:
    from nas.costs import (
        COSTS as COSTS,
        BlockCost as BlockCost,
        Candidate as Candidate,
        ExpectedCost as ExpectedCost,
        OwnCosts as OwnCosts,
        StaticCosts as StaticCosts,
        Trace as Trace,
        parameters as parameters,
        trace as trace,
    )
    from nas.hardware.block_latencies import measure_blocks as measure_blocks
    from nas.hardware.board_csv import (
        BoardMeasurements as BoardMeasurements,
        read_measurements as read_measurements,
        read_setup as read_setup,
    )
    from nas.hardware.cache import LatencyCache as LatencyCache
    from nas.hardware.catalogue import Catalogue as Catalogue, NoBlockTableError as NoBlockTableError
    from nas.hardware.features import feature_table as feature_table
    from nas.hardware.machine import Machine as Machine, Subject as Subject
    from nas.hardware.measurement import Measurement as Measurement
    from nas.hardware.measuring import measure_networks as measure_networks
    from nas.hardware.network_features import NetworkFeatures as NetworkFeatures
    from nas.hardware.network_key import NetworkKeys as NetworkKeys
    from nas.hardware.pack import write_pack as write_pack
    from nas.hardware.recorded import Recorded as Recorded
    from nas.hardware.target import Target as Target
    from nas.hardware.target_cpu import CPU as CPU
    from nas.hardware.target_cuda import CUDA as CUDA
    from nas.hardware.target_onnx import OnnxRuntime as OnnxRuntime
    from nas.hardware.targets import (
        TARGETS as TARGETS,
        available_targets as available_targets,
        make_target as make_target,
    )
    from nas.hardware.timing import (
        Timing as Timing,
        measure_all as measure_all,
        summarise as summarise,
        time_calls as time_calls,
    )

lazy(__name__)
