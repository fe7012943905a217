"""The spaces `mobilenet` and `transformer_lm` in the terms of NNI 3.0, with the same names, so that its samples are architectures of `nas`."""

from typing import Any

import nni
import torch
import torch.nn.functional as F
from nni.nas.nn.pytorch import ModelSpace, MutableBatchNorm2d, MutableConv2d, MutableLayerNorm, MutableLinear, Repeat
from torch import Tensor, nn

__all__ = ["MobileNet", "TransformerLM", "model_space"]


def model_space(name: str, input_shape: tuple[int, ...], outputs: int, space: dict[str, Any]) -> ModelSpace:
    """The space with the arguments that it has in `nas`."""
    if name == "mobilenet":
        return MobileNet(input_shape[0], outputs, space)
    return TransformerLM(outputs, input_shape[0], space)


class MobileNet(ModelSpace):
    """Stages choose width and depth, blocks kernel and expansion; widths are multiples of eight, as are hidden ones."""

    def __init__(self, channels: int, classes: int, space: dict[str, Any]) -> None:
        super().__init__()
        self.stem = _conv(channels, space["stem"], 3)
        inputs: Any = space["stem"]
        stages = []
        for number, (width, stride) in enumerate(zip(space["widths"], space["strides"], strict=True), start=1):
            stages.append(_stage(f"stage{number}", inputs, width, stride, space))
            inputs = _width(f"stage{number}", width, space)
        self.stages = nn.Sequential(*stages)
        self.head = _conv(inputs, space["head"], 1)
        self.classifier = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(space["head"], classes))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.classifier(self.head(self.stages(self.stem(x))))
        return y


def _width(stage: str, width: int, space: dict[str, Any]) -> Any:
    return nni.choice(
        f"{stage}.width", list(dict.fromkeys(int(-(-width * m // 8) * 8) for m in space["width_multipliers"]))
    )


def _stage(stage: str, inputs: Any, width: int, stride: int, space: dict[str, Any]) -> Repeat:
    outputs = _width(stage, width, space)

    def block(index: int) -> nn.Module:
        kernel = nni.choice(f"{stage}.{index}.kernel", list(space["kernels"]))
        expansion = nni.choice(f"{stage}.{index}.expansion", list(space["expansions"]))
        return _Block(
            inputs if index == 0 else outputs, outputs, kernel, expansion, stride if index == 0 else 1, index > 0
        )

    return Repeat(block, (min(space["depths"]), max(space["depths"])), label=f"{stage}.depth")


class _Block(nn.Module):
    def __init__(self, inputs: Any, outputs: Any, kernel: Any, expansion: Any, stride: int, shortcut: bool) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.shortcut = shortcut
        self.expand = _conv(inputs, hidden, 1)
        self.depthwise = _conv(hidden, hidden, kernel, stride=stride, groups=hidden)
        self.project = _conv(hidden, outputs, 1)[:2]

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.shortcut else y


def _conv(inputs: Any, outputs: Any, kernel: Any, **options: Any) -> nn.Sequential:
    convolution = MutableConv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False, **options)
    return nn.Sequential(convolution, MutableBatchNorm2d(outputs), nn.ReLU(inplace=True))


class TransformerLM(ModelSpace):
    """The network chooses its width and depth, every layer its heads and its hidden features.

    NNI has no mutable embedding, so that tokens and positions are read by linear layers, and no attention whose heads
    keep their size, so that it is made of linear layers.
    """

    def __init__(self, tokens: int, length: int, space: dict[str, Any]) -> None:
        super().__init__()
        self.tokens, self.length = tokens, length
        width = nni.choice("width", list(space["widths"]))
        self.embedding = MutableLinear(tokens, width, bias=False)
        self.positions = MutableLinear(length, width, bias=False)
        depths = (min(space["depths"]), max(space["depths"]))
        self.layers = Repeat(lambda index: _Layer(index, width, space), depths, label="depth")
        self.norm = MutableLayerNorm(width)
        self.head = MutableLinear(width, tokens)

    def forward(self, x: Tensor) -> Tensor:
        y = self.embedding(F.one_hot(x, self.tokens).float()) + self.positions(torch.eye(self.length))
        z: Tensor = self.head(self.norm(self.layers(y))).transpose(1, 2)
        return z


class _Layer(nn.Module):
    def __init__(self, index: int, width: Any, space: dict[str, Any]) -> None:
        super().__init__()
        self.head_dim = space["head_dim"]
        inner = nni.choice(f"layers.{index}.heads", list(space["heads"])) * self.head_dim
        hidden = width * nni.choice(f"layers.{index}.ratio", list(space["ratios"]))
        self.attention_norm, self.feed_forward_norm = MutableLayerNorm(width), MutableLayerNorm(width)
        self.query, self.key, self.value = (MutableLinear(width, inner) for _ in range(3))
        self.out = MutableLinear(inner, width)
        self.feed_forward = nn.Sequential(MutableLinear(width, hidden), nn.GELU(), MutableLinear(hidden, width))

    def forward(self, x: Tensor) -> Tensor:
        y = self.attention_norm(x)
        parts = [
            layer(y).unflatten(-1, (-1, self.head_dim)).transpose(1, 2) for layer in (self.query, self.key, self.value)
        ]
        mixed = F.scaled_dot_product_attention(*parts, is_causal=True).transpose(1, 2).flatten(2)
        y = x + self.out(mixed)
        z: Tensor = y + self.feed_forward(self.feed_forward_norm(y))
        return z
