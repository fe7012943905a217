"""The chain of NAS-Bench-Macro: each layer is skipped or one of two mobile blocks."""

from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor, nn

from nas.errors import UsageError
from nas.nn import OneOf
from nas.space import Notation

__all__ = ["NOTATION", "MobileBlock", "chain"]

_LAYERS = ("identity", "mb3_k3", "mb6_k5")
"""The candidates of a layer; published tables write their positions."""


def chain(
    input_shape: tuple[int, int, int] = (3, 32, 32),
    classes: int = 10,
    layers: Sequence[int] = (2, 3, 3),
    width: int | None = None,
    head: int | None = None,
) -> nn.Module:
    """The single-path space of NAS-Bench-Macro (Su et al., 2021): 3^8 architectures by default.

    The first layer of each stage halves the resolution and doubles the channels; an identity there is a 1x1
    convolution. Images below 16 pixels get a narrower network than the published one.

    Args:
        input_shape: channels, height and width of the images.
        classes: number of outputs.
        layers: number of layers of each stage.
        width: channels of the stem; 32 as published.
        head: channels of the last convolution; 1280 as published.
    """
    small = input_shape[1] < 16
    width = width or (8 if small else 32)
    head = head or (128 if small else 1280)
    modules: list[tuple[str, nn.Module]] = [("stem", _conv(input_shape[0], width, 3))]
    number = 0
    for depth in layers:
        for position in range(depth):
            stride = 2 if position == 0 else 1
            modules.append((f"layer{number}", _layer(width, width * stride, stride)))
            width *= stride
            number += 1
    modules += [
        ("head", _conv(width, head, 1)),
        ("classifier", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(head, classes))),
    ]
    return nn.Sequential(OrderedDict(modules))


def _parse(text: object) -> dict[str, str]:
    """The choices of a chain that is written as in NAS-Bench-Macro: a digit for each layer.

    >>> _parse("01200000")["layer2"]
    'mb6_k5'
    """
    if not isinstance(text, str) or not text or set(text) - set("012"):
        raise UsageError(
            f"{text!r} is no chain of NAS-Bench-Macro; write one digit for each layer, such as the text '21000102': "
            "0 identity, 1 mobile block of kernel 3 and expansion 3, 2 of kernel 5 and expansion 6."
        )
    return {f"layer{number}": _LAYERS[int(digit)] for number, digit in enumerate(text)}


NOTATION = Notation(("arch",), _parse)


def _layer(inputs: int, outputs: int, stride: int) -> OneOf:
    identity = nn.Identity() if stride == 1 else _conv(inputs, outputs, 1, stride=stride, activation=False)
    small = MobileBlock(inputs, outputs, kernel=3, expansion=3, stride=stride)
    large = MobileBlock(inputs, outputs, kernel=5, expansion=6, stride=stride)
    return OneOf(dict(zip(_LAYERS, (identity, small, large), strict=True)))


class MobileBlock(nn.Module):
    """A MobileNetV2 block of fixed size (Sandler et al., 2018).

    Shapes: ``[N, inputs, H, W]`` → ``[N, outputs, ceil(H / stride), ceil(W / stride)]``.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, expansion: int, stride: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.layers = nn.Sequential(
            _conv(inputs, hidden, 1),
            _conv(hidden, hidden, kernel, stride=stride, groups=hidden),
            _conv(hidden, outputs, 1, activation=False),
        )
        self.shortcut = stride == 1 and inputs == outputs
        self.branch = "layers" if self.shortcut else None

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return x + y if self.shortcut else y


def _conv(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, activation: bool = True
) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, *([nn.ReLU(inplace=True)] if activation else []))
