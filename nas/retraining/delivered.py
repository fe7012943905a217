"""What the retrainings of a run came to, kept under names that its search never writes."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from nas.delivery.rebuilding import put_weights
from nas.errors import UsageError
from nas.files import write_file
from nas.retraining.plans import Plan
from nas.retraining.trial import standalone
from nas.setup.folder import RunFolder
from nas.setup.run_setup import Setup

__all__ = ["Delivered"]


class Delivered:
    """The record ``delivered.json`` with its file and weights: a search that is ended once more puts them back.

    The record holds what ``best.json`` says beside or in place of what the search found: ``controls``, see
    :mod:`nas.retraining.controls`; ``retrained``, of the last retraining; and if any was better than what was there,
    ``best``, the network in ``best.onnx``, and ``former``, the one before.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.record_file = folder.path / "delivered.json"
        self.record: dict[str, Any] = folder.read(self.record_file) if self.record_file.exists() else {}

    @property
    def is_retrained(self) -> bool:
        """Whether ``best.onnx`` holds a network of a retraining."""
        return "best" in self.record

    @property
    def search_file(self) -> Path:
        """Where the search writes its network: beside ``best.onnx`` if that holds a better one."""
        return self.folder.path / "searched.onnx" if self.is_retrained else self.folder.onnx

    def file(self, begun: str) -> Path:
        """The network of the retraining that was begun at that time."""
        return self.folder.path / f"retrained-{_stamp(begun)}.onnx"

    def former(self, begun: str) -> Path:
        """The file that it replaced."""
        return self.folder.path / f"best-before-{_stamp(begun)}.onnx"

    def weights(self, begun: str) -> Path:
        """The weights of its network."""
        return self.folder.path / "checkpoints" / f"delivered-{_stamp(begun)}.safetensors"

    def keep(self, record: Mapping[str, Any]) -> None:
        """Adds to the record, after the files that it tells of are there."""
        self.record |= record
        write_file(self.record_file, json.dumps(self.record, indent=2))

    def put_into(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """The result of a run with what the record says; ``best.onnx`` is then the network of which it tells.

        Raises:
            UsageError: the file of the retraining is damaged or gone.
        """
        if self.is_retrained:
            file, wanted = self.file(self.record["best"]["begun"]), self.record["best"]["file"]["sha256"]
            content = file.read_bytes() if file.exists() else b""
            if hashlib.sha256(content).hexdigest() != wanted:
                raise UsageError(
                    f"{file} is damaged or gone, so the retrained network cannot be delivered; delete "
                    f"{self.record_file}, and the run delivers what its search found."
                )
            if not self.folder.onnx.exists() or self.folder.onnx.read_bytes() != content:
                write_file(self.folder.onnx, content)
            put_weights(file, self.folder.onnx)
        return {**result, **self.record}

    def network(self, setup: Setup) -> nn.Module:
        """The network in ``best.onnx``, with its trained weights.

        Raises:
            UsageError: they are damaged.
        """
        best = self.record["best"]
        plan = Plan(**{name: best[name] for name in Plan.model_fields})
        trainer = standalone(plan, setup.supernet, setup.data, best["seed"])
        return trainer.restored(plan.architecture, self.weights(best["begun"]))


def _stamp(begun: str) -> str:
    """A time as a part of a file's name."""
    return "".join(each for each in begun if each.isalnum() or each == "-")
