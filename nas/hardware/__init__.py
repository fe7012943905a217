"""Where a network runs, and how long it takes there: targets, measuring, devices without this package."""

from nas.hardware.block_latencies import measure_blocks
from nas.hardware.board_csv import BoardMeasurements, read_measurements, read_setup
from nas.hardware.cache import LatencyCache
from nas.hardware.catalogue import Catalogue, NoBlockTableError
from nas.hardware.features import feature_table
from nas.hardware.machine import Machine, Subject
from nas.hardware.measurement import Measurement
from nas.hardware.measuring import measure_networks
from nas.hardware.network_features import NetworkFeatures
from nas.hardware.network_key import NetworkKeys
from nas.hardware.pack import write_pack
from nas.hardware.recorded import Recorded
from nas.hardware.target import Target
from nas.hardware.target_cpu import CPU
from nas.hardware.target_cuda import CUDA
from nas.hardware.target_onnx import OnnxRuntime
from nas.hardware.targets import TARGETS, available_targets, target
from nas.hardware.timing import Timing, measure_all, summarise, time_calls

__all__ = [
    "CPU",
    "CUDA",
    "TARGETS",
    "BoardMeasurements",
    "Catalogue",
    "LatencyCache",
    "Machine",
    "Measurement",
    "NetworkFeatures",
    "NetworkKeys",
    "NoBlockTableError",
    "OnnxRuntime",
    "Recorded",
    "Subject",
    "Target",
    "Timing",
    "available_targets",
    "feature_table",
    "measure_all",
    "measure_blocks",
    "measure_networks",
    "read_measurements",
    "read_setup",
    "summarise",
    "target",
    "time_calls",
    "write_pack",
]
