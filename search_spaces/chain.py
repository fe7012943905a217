"""The chain of NAS-Bench-Macro: each layer is skipped or one of two mobile blocks."""

from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor, nn

from nas.nn import OneOf

__all__ = ["MobileBlock", "chain"]


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


def _layer(inputs: int, outputs: int, stride: int) -> OneOf:
    identity = nn.Identity() if stride == 1 else _conv(inputs, outputs, 1, stride=stride, activation=False)
    return OneOf(
        {
            "identity": identity,
            "mb3_k3": MobileBlock(inputs, outputs, kernel=3, expansion=3, stride=stride),
            "mb6_k5": MobileBlock(inputs, outputs, kernel=5, expansion=6, stride=stride),
        }
    )


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
