"""The space of a model that somebody has: its subnets, with its weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from nas.conversion import Calibration, ElasticModel, elastic
from nas.conversion.importance import OF_DATA
from nas.errors import UsageError
from nas.models.constructors import build_model
from nas.models.weights import load_weights

__all__ = ["elastic_space"]

_EXAMPLES = 2

Shares = list[float] | dict[str, list[float] | None] | None
"""Of the full size, or such by pattern of a layer's name; None for what stays."""


def elastic_space(
    input_shape: tuple[int, ...],
    input_dtype: torch.dtype,
    classes: int,
    *,
    model: str | None = None,
    model_args: dict[str, Any] | None = None,
    checkpoint: str | None = None,
    digest: str | None = None,
    fresh: list[str] | None = None,
    width: Shares = [0.25, 0.5, 0.75, 1.0],  # noqa: B006  # read only
    heads: Shares = None,
    kernel: Literal["shrink", "fixed"] | list[int] = "shrink",
    depth: Literal["stages", "fixed"] = "stages",
    include: list[str] | None = None,
    exclude: list[str] | None = None,
    divisor: int = 8,
    order: Literal["l1", "l2", "taylor", "activation"] | None = "l1",
    calibration: Calibration | None = None,
) -> ElasticModel:
    """A model that you have (--model), perhaps pretrained (--checkpoint): widths, heads, kernels and depths vary.

    The largest network is the model with its weights; see :func:`nas.elastic`, which has the other options.

    Args:
        input_shape: of one example without the batch.
        input_dtype: of the examples; integers are tokens.
        classes: number of outputs, and of tokens.
        model: as :func:`nas.models.build_model` takes it.
        model_args: of its constructor.
        checkpoint: file of its weights, see :func:`nas.models.load_weights`; by default they are fresh.
        digest: that this file must have, kept when a run begins.
        fresh: patterns of names of weights that are not taken from it.
        order: how the importance of channels is measured: by their weights, by what the loss loses with them
            ("taylor"), or by their outputs ("activation").
        calibration: data for the last two; in a run training images.

    Raises:
        UsageError: no model is named, it cannot be built or made elastic, the checkpoint does not fit, or an order
            needs data that are not there.
    """
    if model is None:
        raise UsageError(
            "space 'elastic' needs a model; name it by --model or space_args.model, as module:function, "
            "torchvision:NAME or timm:NAME."
        )
    if fresh and checkpoint is None:
        raise UsageError(f"space_args.fresh is {fresh}, but there is no checkpoint; give one, or leave fresh out.")
    if order in OF_DATA and calibration is None:
        raise UsageError(
            f"space_args.order is '{order}', which needs training data, but there are none; give order=l1."
        )
    plain = build_model(model, model_args or {}, input_shape, classes)
    _check_weights(plain, model)
    if checkpoint is not None:
        load_weights(plain, Path(checkpoint), digest, fresh or ())
    options: Mapping[str, Any] = {
        "width": width,
        "heads": heads,
        "kernel": kernel,
        "depth": depth,
        "include": include or ("*",),
        "exclude": exclude or (),
        "divisor": divisor,
        "order": order,
        "batches": calibration and calibration.batches,
        "loss": calibration and calibration.loss,
    }
    try:
        return elastic(plain, _example(input_shape, input_dtype, classes), **options)
    except UsageError as error:
        raise UsageError(
            f"model '{model}' cannot vary: {error} The example has shape {list(input_shape)}, that of an input; "
            "options of nas.elastic are keys of space_args."
        ) from error


def _check_weights(plain: nn.Module, model: str) -> None:
    for name, each in plain.named_parameters():
        if each.device.type != "cpu" or (each.is_floating_point() and each.dtype != torch.float32):
            raise UsageError(
                f"model '{model}' has '{name}' in {str(each.dtype).removeprefix('torch.')} on device "
                f"'{each.device.type}'; return it in float32 on the CPU: model.float().cpu()."
            )


def _example(shape: tuple[int, ...], dtype: torch.dtype, classes: int) -> Tensor:
    """Noise, or tokens, the same for every call."""
    generator = torch.Generator().manual_seed(0)
    if dtype.is_floating_point:
        return torch.randn(_EXAMPLES, *shape, generator=generator, dtype=dtype)
    return torch.randint(classes, (_EXAMPLES, *shape), generator=generator, dtype=dtype)
