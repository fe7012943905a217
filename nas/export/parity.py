"""Does an ONNX file answer as the PyTorch network does, on real inputs?"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from nas.errors import UsageError
from nas.export.onnx_file import inference_copy
from nas.export.session import open_session

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["Parity", "check_parity"]

_BATCH = 64
_ONNX_TYPES = {
    torch.float16: "tensor(float16)",
    torch.float32: "tensor(float)",
    torch.float64: "tensor(double)",
    torch.int32: "tensor(int32)",
    torch.int64: "tensor(int64)",
    torch.uint8: "tensor(uint8)",
}


@dataclass(frozen=True)
class Parity:
    """How far an ONNX file is from its PyTorch network.

    ``max_difference`` is the largest absolute difference of any output value, ``label_agreement`` the fraction of
    predictions (arg max over dimension 1) that are equal, ``samples`` the number of inputs compared.
    """

    max_difference: float
    label_agreement: float
    samples: int


def check_parity(network: nn.Module, path: str | Path, images: Tensor) -> Parity:
    """Run ``images`` ``[N, C, H, W]`` (or token ids ``[N, L]``) through the file and the network, and compare.

    Both run on the CPU, the network in eval mode; outputs are ``[N, classes, ...]``. The inputs should be real
    ones, prepared as for evaluation: random numbers may hide differences.

    Raises:
        UsageError: there are no inputs or they do not fit the file.
    """
    session = open_session(path)
    _require_fit(session, Path(path), images)
    plain = inference_copy(network)
    difference, equal, labels = 0.0, 0, 0
    for batch in torch.split(images.cpu(), _BATCH):
        with torch.inference_mode():
            expected = plain(batch).numpy()
        (answer,) = session.run(["output"], {"input": batch.numpy()})
        if answer.shape != expected.shape or answer.ndim < 2:
            raise UsageError(
                f"{path} answers with shape {answer.shape} and the network with {expected.shape}, but both must "
                "be the same [N, classes, ...]; export this very network again."
            )
        difference = float(np.maximum(difference, np.abs(answer - expected).max()))
        same = answer.argmax(axis=1) == expected.argmax(axis=1)
        equal, labels = equal + int(same.sum()), labels + same.size
    return Parity(difference, equal / labels, len(images))


def _require_fit(session: "onnxruntime.InferenceSession", path: Path, images: Tensor) -> None:
    (expected,) = session.get_inputs()
    if len(images) == 0:
        raise UsageError(f"{path} cannot be checked on no inputs at all; give at least one.")
    if list(images.shape[1:]) != list(expected.shape[1:]) or _ONNX_TYPES.get(images.dtype) != expected.type:
        raise UsageError(
            f"{path} expects inputs of shape [N, {', '.join(map(str, expected.shape[1:]))}] and type "
            f"{expected.type}, but the given ones are {list(images.shape)} of {images.dtype}; "
            "prepare them as for evaluation."
        )
