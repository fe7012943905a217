"""The plain network of a file as weights of its own, and how it is built again without the supernet.

Beside ``best.onnx`` are ``best.safetensors``, the weights of that very network in float32 by their names in PyTorch,
and ``best.network.json``, which tells of what space, architecture and input it is. Neither is ever unpickled.
"""

import hashlib
import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nas.errors import UsageError
from nas.files import write_file
from nas.methods import METHODS
from nas.setup.config import RunConfig, read_back
from nas.setup.origin import read_object
from nas.setup.run_setup import Setup
from nas.setup.spaces import OWN_MODEL, build_space
from nas.setup.trust import reached
from nas.space import Space
from nas.supernet import Supernet

__all__ = ["description_of", "load_network", "put_weights", "weights_of", "write_weights"]

_KEYS = ("space", "space_args", "method", "sharing_args", "extra", "seed", "training_seed")
_ONLY_WEIGHTS = ("checkpoint", "digest", "fresh", "order")
"""Arguments of an own model that say nothing of its form."""


def weights_of(file: Path) -> Path:
    """Where the weights of the network in an ONNX file are."""
    return file.with_suffix(".safetensors")


def description_of(file: Path) -> Path:
    """Where it is told how they make a network."""
    return file.with_suffix(".network.json")


def write_weights(setup: Setup, network: nn.Module, architecture: Mapping[str, Any], file: Path) -> bool:
    """Writes the weights of a network beside its ONNX file, and how it is built.

    Returns:
        Whether it can be built again: an evaluator of a user's own may make networks of another form, and then nothing
        is written.
    """
    from safetensors.torch import save

    plain = setup.supernet.extract(setup.space.architecture(architecture))
    tensors = {name: each.detach().cpu().contiguous().clone() for name, each in network.state_dict().items()}
    if {name: each.shape for name, each in plain.state_dict().items()} != {k: v.shape for k, v in tensors.items()}:
        for stale in (weights_of(file), description_of(file)):
            stale.unlink(missing_ok=True)
        return False
    config, data, content = setup.config, setup.data, save(tensors)
    about = {
        "config": _form_of(config),
        "architecture": dict(architecture),
        "input_shape": list(data.input_shape),
        "built_for": list(data.at(Space(config.extra).largest()).input_shape),
        "input_dtype": str(data.input_dtype).removeprefix("torch."),
        "outputs": data.output_shape[0],
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    write_file(weights_of(file), content)
    write_file(description_of(file), json.dumps(about, indent=2))
    return True


def put_weights(there: Path, here: Path) -> None:
    """Puts what is beside one ONNX file beside another, which is a copy of it; nothing where there is nothing."""
    for part in (weights_of, description_of):
        source, target = part(there), part(here)
        if source.exists():
            write_file(target, source.read_bytes())
        else:
            target.unlink(missing_ok=True)


def load_network(path: str | PathLike[str], *, trust: bool = False, config: RunConfig | None = None) -> nn.Module:
    """The plain network of a ``best.network.json`` with the weights beside it, in evaluation mode.

    Neither supernet nor data are needed, only the space, by its name. It reads what training read, normalised images
    for example, where ``best.onnx`` reads pixels; see :func:`nas.export.reading`.

    Args:
        path: of ``best.network.json``, or of ``best.safetensors`` beside it.
        trust: whether functions that the file names (``module:function``) may be imported.
        config: of the run that the file must belong to, whose names are trusted.

    Raises:
        UsageError: a file is damaged or gone, belongs to another run, or names what it may not.
    """
    file = Path(path)
    stem = file.with_name(file.name.removesuffix(".network.json").removesuffix(".safetensors"))
    about_file, weights = stem.with_name(f"{stem.name}.network.json"), stem.with_name(f"{stem.name}.safetensors")
    about = read_object(
        about_file, "resume its run", "config", "architecture", "input_shape", "built_for", "input_dtype", "outputs",
        "sha256",
    )  # fmt: skip
    if not isinstance(about["config"], dict):
        raise UsageError(f"{about_file} is damaged (its config is no mapping); resume its run to make it again.")
    form = read_back(about["config"], str(about_file))
    if config is not None and _form_of(config) != _form_of(form):
        raise UsageError(
            f"{about_file} tells of another run than the one that it lies in; resume that to make it again."
        )
    if config is None and not trust and (named := reached(form)):
        key, name = next(iter(named.items()))
        raise UsageError(
            f"{about_file} names {key} '{name}', which this would import; look at it, and give trust=True if you trust "
            "whoever made it."
        )
    return _filled(_built(form, about, about_file), weights, about["sha256"])


def _form_of(config: RunConfig) -> dict[str, Any]:
    """What of a configuration decides the form of its networks."""
    form = config.model_dump(mode="json", include=set(_KEYS))
    if config.space == OWN_MODEL:
        form["space_args"] = {name: each for name, each in form["space_args"].items() if name not in _ONLY_WEIGHTS}
    return form


def _built(config: RunConfig, about: Mapping[str, Any], source: Path) -> nn.Module:
    """The network with weights of no meaning."""
    dtype = getattr(torch, str(about["input_dtype"]), None)
    shapes = [about["input_shape"], about["built_for"], [about["outputs"]]]
    whole = all(isinstance(shape, list) and all(type(size) is int and size > 0 for size in shape) for shape in shapes)
    if not isinstance(dtype, torch.dtype) or not whole or not isinstance(about["architecture"], dict):
        raise UsageError(f"{source} is damaged (its input or architecture cannot be read); resume its run.")
    with torch.random.fork_rng(devices=[]):
        model = build_space(config.space, config.space_args, tuple(about["built_for"]), dtype, about["outputs"])
    sharing = METHODS[config.method].make_sharing(config.sharing_args, config.seed_of_training)
    supernet = Supernet(model, sharing, about["input_shape"], dtype, extra=config.extra)
    return supernet.extract(supernet.space.architecture(about["architecture"]))


def _filled(network: nn.Module, weights: Path, digest: str) -> nn.Module:
    from safetensors.torch import load

    if not weights.exists():
        raise UsageError(f"{weights} is not there; it lies beside the file that tells of it.")
    content = weights.read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise UsageError(f"{weights} is damaged, or belongs to another network than the file beside it tells.")
    try:
        network.load_state_dict(load(content))
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise UsageError(f"{weights} does not fit the network that its space makes today: {reason}") from None
    return network.eval()
