"""Where in a network an ONNX model begins to answer otherwise."""

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from nas.export.onnx_file import inference_copy, noted_model
from nas.export.session import open_session
from nas.nn.module_calls import calls, first_different_call
from nas.nn.tree import modules

if TYPE_CHECKING:
    import onnx

__all__ = ["first_differing"]

_SCOPES = "pkg.torch.onnx.name_scopes"


def first_differing(
    network: nn.Module, model: bytes | str | Path, batch: Tensor, *, relative: float, absolute: float
) -> str | None:
    """The path of the first module, in order of execution, whose output the model has otherwise.

    Which value of the model is a module's output is known from exporting the network again. None where no module is
    found: its operations were merged with others, or the model was not written by ``dynamic_onnx``.

    Args:
        batch: real inputs.
        relative: how far values may be apart, as a share of the largest of them, and
        absolute: what is added to that.
    """
    plain = inference_copy(network)
    with torch.inference_mode():
        expected = calls(modules(plain), lambda: plain(batch.cpu()))
    last, values = {call.path: call for call in expected}, _values(noted_model(network, batch))
    answers = _answers(model, {values[path] for path in last if path in values}, batch)
    found = {call: answers[values[path]] for path, call in last.items() if values.get(path) in answers}

    def differ(outputs: list[Tensor], answer: np.ndarray) -> bool:
        own = outputs[0].numpy() if len(outputs) == 1 else np.empty(0)
        if own.shape != answer.shape or not own.size or own.dtype.kind != "f":
            return False
        return not np.abs(answer - own).max() <= absolute + relative * np.abs(own).max()

    call = first_different_call(expected, found, differ)
    return None if call is None else call.path


def _values(model: "onnx.ModelProto") -> dict[str, str]:
    """The name of the last value that each module made, by path."""
    values = {}
    for node in model.graph.node:
        notes = {each.key: each.value for each in node.metadata_props}
        scopes = ast.literal_eval(notes.get(_SCOPES, "[]"))
        values.update(dict.fromkeys(scopes[:-1], node.output[0]))
    return values


def _answers(model: bytes | str | Path, names: set[str], batch: Tensor) -> dict[str, np.ndarray]:
    """These values of the model, as far as it has them."""
    import onnx

    opened = onnx.load_from_string(model) if isinstance(model, bytes) else onnx.load(model)
    there = sorted(names.intersection(name for node in opened.graph.node for name in node.output))
    named = {each.name for each in opened.graph.output}
    opened.graph.output.extend(onnx.ValueInfoProto(name=name) for name in there if name not in named)
    session = open_session(opened.SerializeToString())
    (entry,) = session.get_inputs()
    return dict(zip(there, session.run(there, {entry.name: batch.cpu().numpy()}), strict=True)) if there else {}
