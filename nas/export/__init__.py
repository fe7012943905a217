"""A plain module leaves the engine: ONNX file, precision, parity check. Nothing here knows of runs or supernets."""

from typing import TYPE_CHECKING

from nas.lazy_imports import lazy

if TYPE_CHECKING:
    from nas.export.normalised import Normalised as Normalised, reading as reading
    from nas.export.onnx_file import (
        dynamic_onnx as dynamic_onnx,
        example_input as example_input,
        inference_copy as inference_copy,
        static_onnx as static_onnx,
        with_metadata as with_metadata,
        write_onnx as write_onnx,
    )
    from nas.export.parity import Parity as Parity, check_parity as check_parity, require_parity as require_parity
    from nas.export.precision import DTYPES as DTYPES, lowered as lowered
    from nas.export.quantisation import quantise as quantise
    from nas.export.session import OnnxNetwork as OnnxNetwork, open_session as open_session

lazy(__name__)
