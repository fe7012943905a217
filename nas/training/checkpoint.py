"""Training state in one file: safetensors with a JSON header, never a pickle."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nas.errors import UsageError
from nas.files import write_file

__all__ = [
    "has_ended", "load_checkpoint", "read_header", "restore", "save_checkpoint", "state_of", "trained_of",
    "write_checkpoint",
]  # fmt: skip


def save_checkpoint(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer | None = None,
    state: Mapping[str, Tensor] | None = None,
    trained: Mapping[str, Tensor] | None = None,
    **header: Any,
) -> None:
    """Writes model and optimiser to one file, replaced as a whole.

    Args:
        state: other tensors; :func:`state_of` finds them again.
        trained: the weights as they train, where the model has averages; :func:`trained_of` finds them again.
        header: JSON values kept beside the tensors.
    """
    tensors = {f"model/{name}": value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    if optimizer is not None:
        for index, moments in optimizer.state_dict()["state"].items():
            tensors |= {
                f"optimizer/{index}/{key}": value.detach().cpu().contiguous().clone()
                for key, value in moments.items()
                if torch.is_tensor(value)
            }
    for kind, others in (("state", state), ("trained", trained)):
        tensors |= {f"{kind}/{name}": value.detach().cpu().contiguous() for name, value in (others or {}).items()}
    write_checkpoint(path, tensors, header)


def write_checkpoint(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Writes what :func:`load_checkpoint` gives."""
    from safetensors.torch import save

    write_file(path, save(_unshared(tensors), {"header": json.dumps(header)}))


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and header of a checkpoint.

    Raises:
        UsageError: the file is missing, truncated or no checkpoint of this package.
    """
    with _opened(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}, _header(file)  # noqa: SIM118


def read_header(path: Path) -> dict[str, Any]:
    """The header of a checkpoint alone.

    Raises:
        UsageError: as :func:`load_checkpoint`.
    """
    with _opened(path) as file:
        return _header(file)


def has_ended(header: Mapping[str, Any]) -> bool:
    """Whether a checkpoint holds the last epoch of its training."""
    epochs = header["epochs"] if "epochs" in header else header["recipe"]["epochs"]
    return len(header["history"]) >= int(epochs)


def restore(tensors: Mapping[str, Tensor], model: nn.Module, optimizer: torch.optim.Optimizer | None = None) -> None:
    """Loads what :func:`load_checkpoint` gave into model and optimiser.

    Raises:
        UsageError: the checkpoint belongs to another model.
    """
    own = model.state_dict()
    stored = {name.removeprefix("model/"): value for name, value in tensors.items() if name.startswith("model/")}
    differ = sorted(set(own) ^ set(stored)) or [name for name in own if own[name].shape != stored[name].shape]
    if differ:
        raise UsageError(
            f"the checkpoint belongs to another model: '{differ[0]}' differs; start a run of another name."
        )
    model.load_state_dict(stored)
    if optimizer is not None:
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("optimizer/"):
                _, index, key = name.split("/")
                state.setdefault(int(index), {})[key] = value
        optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def state_of(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The other tensors of a checkpoint that :func:`load_checkpoint` gave."""
    return {name.removeprefix("state/"): value for name, value in tensors.items() if name.startswith("state/")}


def trained_of(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights as they train, of a checkpoint whose model has averages."""
    return {name.removeprefix("trained/"): value for name, value in tensors.items() if name.startswith("trained/")}


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError, KeyError, json.JSONDecodeError) as error:
        raise UsageError(
            f"checkpoint {path} cannot be read ({type(error).__name__}: {error}); delete it to train again."
        ) from None


def _header(file: Any) -> dict[str, Any]:
    header: dict[str, Any] = json.loads((file.metadata() or {})["header"])
    return header


def _unshared(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies tensors that share memory, which the format does not allow."""
    seen: set[int] = set()
    result = {}
    for name, tensor in tensors.items():
        pointer = tensor.data_ptr()
        result[name] = tensor.clone() if pointer in seen else tensor
        seen.add(pointer)
    return result
