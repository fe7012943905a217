"""A plain module leaves the engine: ONNX file, precision, parity check. Nothing here knows of runs or supernets."""

from nas.export.normalised import Normalised, reading
from nas.export.onnx_file import dynamic_onnx, example_input, inference_copy, static_onnx, with_metadata, write_onnx
from nas.export.parity import Parity, check_parity, require_parity
from nas.export.precision import DTYPES, lowered
from nas.export.quantisation import quantise
from nas.export.session import OnnxNetwork, open_session

__all__ = [
    "DTYPES",
    "Normalised",
    "OnnxNetwork",
    "Parity",
    "check_parity",
    "dynamic_onnx",
    "example_input",
    "inference_copy",
    "lowered",
    "open_session",
    "quantise",
    "reading",
    "require_parity",
    "static_onnx",
    "with_metadata",
    "write_onnx",
]
