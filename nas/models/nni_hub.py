"""The model spaces of NNI's hub by their names."""

import inspect
import logging
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import Tensor, nn

from nas.errors import UsageError, did_you_mean
from nas.models.nni_space import from_nni
from nas.nn.graph import as_graph
from nas.parts import check_options

__all__ = ["hub_space"]

_SPACES = (
    "NasBench201", "DARTS", "PNAS", "ProxylessNAS", "MobileNetV3Space", "ShuffleNetSpace", "AutoFormer",
    "NasBench101", "NASNet", "AmoebaNet", "ENAS",
)  # fmt: skip
_CHANNELS = 3
_LARGE = 64
"""From this side on images are given to the stem that a space has for those of ImageNet."""


def hub_space(name: str) -> Callable[..., nn.Module]:
    """A model space of NNI's hub by its name, such as nasbench201 or proxylessnas; upper and lower case are one.

    For a space of your own see :func:`nas.models.from_nni`.

    Raises:
        UsageError: there is no such space.
    """
    known = {each.lower().removesuffix("space"): each for each in _SPACES}
    key = name.lower().removesuffix("space")
    if key not in known:
        raise UsageError(f"NNI's hub has no space '{name}'; {did_you_mean(name, _SPACES)}")
    return partial(_converted, known[key])


def _converted(
    name: str, input_shape: tuple[int, ...], classes: int, *, model_args: dict[str, Any] | None = None
) -> nn.Module:
    """The space as a model with choices. Those of the hub read three channels; grey images are given to each of them.

    Args:
        name: in ``nni.nas.hub.pytorch``.
        input_shape: of one image.
        classes: number of outputs.
        model_args: of its constructor, such as ``stem_out_channels``.

    Raises:
        UsageError: NNI is not installed, the space does not take an argument or the data, or has a part that has no
            counterpart here.
    """
    if len(input_shape) != 3 or input_shape[0] not in (1, _CHANNELS):
        raise UsageError(f"NNI's {name} reads images of three channels or grey ones, but the data are {input_shape}.")
    size = input_shape[-1]
    ours = {"num_labels": classes, "img_size": size, "dataset": "cifar" if size < _LARGE else "imagenet"}
    space = _made(_kind(name), model_args or {}, ours)
    if getattr(space, "num_labels", classes) != classes:
        raise UsageError(f"NNI's {name} tells {space.num_labels} classes apart, but the data have {classes}.")
    converted = from_nni(space)
    return converted if input_shape[0] == _CHANNELS else nn.Sequential(as_graph(_Grey()), converted)


class _Grey(nn.Module):
    """One channel as three."""

    def forward(self, x: Tensor) -> Tensor:
        return x.expand(-1, _CHANNELS, -1, -1)


def _made(kind: Any, arguments: Mapping[str, Any], ours: Mapping[str, Any]) -> Any:
    made = kind._init_wrapped
    given = {key: value for key, value in ours.items() if key in inspect.signature(made).parameters}
    checked = check_options(made, arguments, f"NNI's {kind.__name__}", ["self"])
    try:
        return kind(**{**given, **checked})
    except Exception as error:  # another's constructor can fail in any way
        raise UsageError(
            f"NNI's {kind.__name__} cannot be built with {dict(checked)} ({type(error).__name__}: {error})."
        ) from error


def _kind(model: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of names in torch.nn that NNI does not know yet
            import nni
            from nni.nas.hub import pytorch
    except ModuleNotFoundError as error:
        raise UsageError(
            f"space 'nni:{model}' needs {error.name}, which is not installed; pip install 'nas-supernet[nni]'."
        ) from error
    nni.silence_stdout()
    logging.getLogger("nni").setLevel(logging.WARNING)
    return getattr(pytorch, model)
