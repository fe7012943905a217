"""A plain module leaves the engine: ONNX file, quantisation, parity check. Nothing here knows of runs or supernets."""

from nas.export.onnx_file import example_input, inference_copy, static_onnx, write_onnx
from nas.export.parity import Parity, check_parity
from nas.export.quantisation import quantise
from nas.export.session import open_session

__all__ = [
    "Parity",
    "check_parity",
    "example_input",
    "inference_copy",
    "open_session",
    "quantise",
    "static_onnx",
    "write_onnx",
]
