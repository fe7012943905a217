"""ONNX Runtime: sessions with the thread settings that make timings comparable, and models called like networks."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from nas.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["OnnxNetwork", "name_of", "open_session", "opened"]


def open_session(
    model: bytes | str | Path, *, threads: int = 1, provider: str = "CPUExecutionProvider"
) -> "onnxruntime.InferenceSession":
    """Open ONNX bytes or a file with ``threads`` threads inside an operation and one between operations.

    Worker threads spin while a run lasts, as they would in deployment, and stop when it ends, so that idle
    sessions take no time from the one that is measured.

    Raises:
        UsageError: the provider is not installed or the file is missing or unreadable.
    """
    import onnxruntime

    known = onnxruntime.get_available_providers()
    if provider not in known:
        raise UsageError(f"ONNX Runtime provider {provider!r} is not installed here; {did_you_mean(provider, known)}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.log_severity_level = 3
    return opened(model, options, provider)


def opened(
    model: bytes | str | Path, options: "onnxruntime.SessionOptions", provider: str
) -> "onnxruntime.InferenceSession":
    """Open ONNX bytes or a file with these options; UsageError if it is missing or unreadable."""
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as errors

    given = model if isinstance(model, bytes) else str(model)
    damage = errors.NoSuchFile, errors.InvalidArgument, errors.InvalidProtobuf, errors.InvalidGraph, errors.Fail
    try:
        return onnxruntime.InferenceSession(given, options, providers=[provider])
    except damage as error:
        raise UsageError(
            f"{name_of(model)} cannot be opened by ONNX Runtime ({str(error).splitlines()[0]}); "
            "give a file written by write_onnx or another valid ONNX model."
        ) from error


def name_of(model: bytes | str | Path) -> str:
    """What a sentence calls a model."""
    return "The given ONNX bytes" if isinstance(model, bytes) else str(model)


class OnnxNetwork(nn.Module):
    """An ONNX model with one input and one output that is called like the network that it was made of.

    Args:
        model: ONNX bytes or a file.
        threads: inside an operation.

    Raises:
        UsageError: as :func:`open_session`.
    """

    def __init__(self, model: bytes | str | Path, *, threads: int = 1) -> None:
        super().__init__()
        self.session = open_session(model, threads=threads)

    def forward(self, inputs: Tensor) -> Tensor:
        """The output, on the device of the inputs."""
        feed = {each.name: inputs.cpu().numpy() for each in self.session.get_inputs()}
        (output,) = self.session.run(None, feed)
        return torch.from_numpy(output).to(inputs.device)
