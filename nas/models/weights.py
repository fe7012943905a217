"""Weights of a model from a file that somebody hands over: tensors and their names, nothing that runs."""

import io
import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from nas.errors import UsageError
from nas.models.checkpoint_files import hashed, read_checkpoint

__all__ = ["load_weights"]

_WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Keys below which trainers keep the weights."""
_PREFIXES = ("module.", "_orig_mod.", "model.")
"""What DataParallel, torch.compile and Lightning put before names."""
_COUNTER = "num_batches_tracked"
"""Of batch norms, which files of old releases lack and which no network reads in evaluation."""
_SHOWN = 3


def load_weights(model: nn.Module, path: Path, digest: str | None = None, fresh: Sequence[str] = ()) -> None:
    """Puts the weights of a checkpoint into a model.

    The file is one of safetensors, or what ``torch.save`` wrote of a ``state_dict``, read with ``weights_only=True``.
    The weights may be below one of the keys ``state_dict``, ``model_state_dict`` or ``model``, and all their names may
    begin with ``module.``, ``_orig_mod.`` or ``model.``.

    Args:
        model: of which every parameter and buffer is taken from the file, but for counters of batches.
        path: of the file.
        digest: that it must have.
        fresh: patterns of names that stay as the model has them, whatever the file holds.

    Raises:
        UsageError: the file is missing, damaged, changed, or holds something else than finite weights of this model.
    """
    content = read_checkpoint(path)
    found = hashed(content)
    if digest is not None and digest != found:
        raise UsageError(
            f"checkpoint {path} is not the file that this run began with (its digest is {found}, not {digest}); put "
            "that file back, or start a run of another name."
        )
    stored = _fitting(_tensors(_read(content, path), path), model)
    own = model.state_dict()
    _check_patterns(fresh, [*own, *stored])
    taken = {name: value for name, value in stored.items() if not _any_fits(fresh, name)}
    wanted = {name: value for name, value in own.items() if not _any_fits(fresh, name)}
    _check_fit(taken, wanted, path)
    model.load_state_dict({**own, **taken})


def _read(content: bytes, path: Path) -> Any:
    from safetensors.torch import load

    try:
        if path.suffix == ".safetensors":
            return load(content)
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can fail in any way
        found = re.search(r"GLOBAL (\S+)", str(error)) if isinstance(error, UnpicklingError) else None
        if found is None:
            raise UsageError(
                f"checkpoint {path} is damaged, or neither safetensors nor what torch.save writes "
                f"({type(error).__name__}); save model.state_dict() again."
            ) from None
        raise UsageError(
            f"checkpoint {path} holds more than tensors (such as {found[1]}), and objects are not unpickled since that "
            "runs what the file says; save the weights alone: torch.save(model.state_dict(), 'weights.pt')."
        ) from None


def _tensors(content: Any, path: Path) -> dict[str, Tensor]:
    """The named tensors in a file, out of their wrapper."""
    if isinstance(content, Mapping):
        below = next((content[key] for key in _WRAPPERS if isinstance(content.get(key), Mapping)), content)
        other = next((name for name, value in below.items() if not isinstance(value, Tensor)), None)
        if below and other is None:
            return dict(below)
        what = "nothing" if other is None else f"'{other}' of type {type(below[other]).__name__}"
    else:
        what = f"a {type(content).__name__}"
    raise UsageError(
        f"checkpoint {path} holds {what} where named tensors are expected, perhaps below {', '.join(_WRAPPERS)}; save "
        "model.state_dict()."
    )


def _fitting(stored: dict[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """The tensors without a prefix that all names have, and the model's have not."""
    own = model.state_dict()
    while prefix := next((each for each in _PREFIXES if all(name.startswith(each) for name in stored)), None):
        if any(name.startswith(prefix) for name in own):
            break
        stored = {name.removeprefix(prefix): value for name, value in stored.items()}
    return stored


def _any_fits(patterns: Sequence[str], name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _check_patterns(patterns: Sequence[str], names: Sequence[str]) -> None:
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise UsageError(
                f"space_args.fresh names '{pattern}', but no weight of the model is called so; give a pattern of names "
                f"such as '{names[-1]}'."
            )


def _check_fit(stored: Mapping[str, Tensor], own: Mapping[str, Tensor], path: Path) -> None:
    missing = [name for name in own if name not in stored and not name.endswith(_COUNTER)]
    unknown = [name for name in stored if name not in own]
    other = [name for name in own if name in stored and stored[name].shape != own[name].shape]
    sizes = [f"'{name}' is {list(stored[name].shape)} where the model has {list(own[name].shape)}" for name in other]
    wrong = [
        *([f"it lacks {_some([repr(name) for name in missing])}"] if missing else []),
        *([f"the model has no {_some([repr(name) for name in unknown])}"] if unknown else []),
        *([_some(sizes)] if sizes else []),
    ]
    if wrong:
        last = [(names[-1].rpartition(".")[0] or "head") + ".*" for names in (other, missing, unknown) if names]
        patterns = ",".join(f"'{each}'" for each in dict.fromkeys(last))
        raise UsageError(
            f"checkpoint {path} does not fit the model: {'; '.join(wrong)}; give the checkpoint of this model, or name "
            f"what is to begin anew, such as a head for other classes, by --set space_args.fresh=[{patterns}]."
        )
    endless = next((name for name, value in stored.items() if not bool(value.isfinite().all())), None)
    if endless is not None:
        raise UsageError(f"checkpoint {path} has numbers in '{endless}' that are not finite; give one that has not.")


def _some(texts: Sequence[str]) -> str:
    more = len(texts) - _SHOWN
    return ", ".join(texts[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
