"""Does an ONNX file answer as the PyTorch network does, on real inputs?"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from nas.errors import UsageError
from nas.export.differing import first_differing
from nas.export.normalised import Normalised
from nas.export.onnx_file import inference_copy
from nas.export.session import open_session
from nas.tasks import Task
from nas.wording import counted

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["Parity", "check_parity", "require_parity"]

_BATCH = 64
_RELATIVE, _ABSOLUTE = 1e-3, 1e-4
"""How far outputs of float32 may be apart; sums in another order make ten to a hundred times less."""
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

    ``max_difference`` is the largest absolute difference of any output value, ``label_agreement`` the fraction of what
    is said that agrees (equal labels, numbers that are close, whatever the task says), ``samples`` the number of inputs
    compared.
    """

    max_difference: float
    label_agreement: float
    samples: int


def check_parity(
    network: nn.Module, model: bytes | str | Path, inputs: Tensor | Iterable[Tensor], task: Task
) -> Parity:
    """Run inputs through an ONNX model and the network, and compare.

    Both run on the CPU, the network in eval mode; outputs are ``[N, outputs, ...]``. The inputs should be real
    ones: random numbers may hide differences.

    Args:
        network: what the model was made of.
        model: ONNX bytes or a file.
        inputs: ``[N, C, H, W]``, or token ids ``[N, L]``; or batches of them.
        task: which says when two outputs agree.

    Raises:
        UsageError: there are no inputs or they do not fit the file.
    """
    return _compared(network, model, inputs, task)[0]


def require_parity(
    network: nn.Module, model: bytes | str | Path, inputs: Iterable[Tensor], task: Task, name: str | Path
) -> Parity:
    """What `check_parity` finds of a float32 model, which must be the network up to rounding.

    Outputs may differ by a thousandth of the largest one, so that labels differ only between two outputs that are as
    close as that.

    Args:
        inputs: batches; what differs is looked for in the first.
        task: which says when two outputs agree.
        name: of the file that the model is to be written to.

    Raises:
        UsageError: they differ; it names the module where that begins, as far as it can be told.
    """
    batches = iter(inputs)
    first = next(batches).cpu()
    parity, largest = _compared(network, model, chain([first], batches), task)
    if parity.max_difference <= _ABSOLUTE + _RELATIVE * largest:
        return parity
    module = first_differing(network, model, first[:_BATCH], relative=_RELATIVE, absolute=_ABSOLUTE)
    if module and isinstance(network, Normalised):
        module = module.removeprefix("network.")
    where = f", from module '{module}' on" if module else ""
    raise UsageError(
        f"{name} was not written, since ONNX Runtime answers otherwise than the network: by up to "
        f"{parity.max_difference:.3g} where outputs reach {largest:.3g}{where}, with {task.agreement} for "
        f"{parity.label_agreement:.2%} of {counted(parity.samples, 'example')}; write that part with other "
        "operations, or try other versions of torch and onnxruntime."
    )


def _compared(
    network: nn.Module, model: bytes | str | Path, inputs: Tensor | Iterable[Tensor], task: Task
) -> tuple[Parity, float]:
    """How they compare, and the largest absolute value that the network answers with."""
    session, name = open_session(model), "The ONNX model" if isinstance(model, bytes) else str(model)
    plain = inference_copy(network)
    difference, largest, equal, said, samples = 0.0, 0.0, 0, 0, 0
    batches = (batch.cpu() for batch in ([inputs] if isinstance(inputs, Tensor) else inputs) if len(batch))
    for batch in chain.from_iterable(torch.split(each, _BATCH) for each in batches):
        _require_fit(session, name, batch)
        with torch.inference_mode():
            expected = plain(batch).numpy()
        (answer,) = session.run(["output"], {"input": batch.numpy()})
        if answer.shape != expected.shape or answer.ndim < 2:
            raise UsageError(
                f"{name} answers with shape {answer.shape} and the network with {expected.shape}, but both must "
                "be the same [N, outputs, ...]; export this very network again."
            )
        difference = float(np.maximum(difference, np.abs(answer - expected).max()))
        largest = max(largest, float(np.abs(expected).max()))
        same = task.agree(answer, expected)
        equal, said, samples = equal + int(same.sum()), said + same.size, samples + len(batch)
    if not samples:
        raise UsageError(f"{name} cannot be checked on no inputs at all; give at least one.")
    return Parity(difference, equal / said, samples), largest


def _require_fit(session: "onnxruntime.InferenceSession", name: str, images: Tensor) -> None:
    (expected,) = session.get_inputs()
    if list(images.shape[1:]) != list(expected.shape[1:]) or _ONNX_TYPES.get(images.dtype) != expected.type:
        raise UsageError(
            f"{name} expects inputs of shape [N, {', '.join(map(str, expected.shape[1:]))}] and type "
            f"{expected.type}, but the given ones are {list(images.shape)} of {images.dtype}; "
            "give them as the file reads them."
        )
