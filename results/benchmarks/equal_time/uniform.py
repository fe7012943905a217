"""The largest network with all its widths scaled alike to the bound, trained by itself for the whole time."""

import json
from typing import Any

import torch
from alone import train_alone
from contests import Delivered, Problem
from torch import Tensor, nn

import nas
from nas.costs import trace

__all__ = ["count_flops", "deliver", "scaled"]


def deliver(problem: Problem) -> Delivered:
    factor = _factor(problem)
    torch.manual_seed(problem.seed)
    network = scaled(problem, factor)
    steps = train_alone(network, problem, problem.seed)
    seconds = problem.clock.spent
    flops = count_flops(network, problem)
    return Delivered(network, json.dumps({"factor": factor}), flops, seconds, {"steps": steps})


def scaled(problem: Problem, factor: float) -> nn.Module:
    """The largest network of the space of a task, all its widths times a factor, with fresh weights."""
    space = problem.contest.space_args
    if problem.contest.space == "mobilenet":
        return _mobilenet(problem.data.input_shape[0], problem.data.output_shape[0], space, factor)
    model = problem.build(
        widths=[_rounded(max(space["widths"]), factor)],
        depths=[max(space["depths"])],
        heads=[max(space["heads"])],
        head_dim=_rounded(space["head_dim"], factor),
        ratios=[max(space["ratios"])],
    )
    supernet = nas.Supernet(model)
    return nas.nn.initialise(supernet.extract(supernet.space.largest()), problem.seed)


def count_flops(network: nn.Module, problem: Problem) -> int:
    """Of one example, a multiply-add as two."""
    return trace(network, problem.data.input_shape, problem.data.input_dtype).flops


def _factor(problem: Problem) -> float:
    """The largest one, in hundredths, that keeps the bound."""
    low, high = 1, 100
    while low < high:
        middle = (low + high + 1) // 2
        keeps = count_flops(scaled(problem, middle / 100), problem) <= problem.most_flops
        low, high = (middle, high) if keeps else (low, middle - 1)
    return low / 100


def _rounded(width: int, factor: float) -> int:
    return max(1, round(width * factor))


def _mobilenet(channels: int, classes: int, space: dict[str, Any], factor: float) -> nn.Sequential:
    """Widths need not be multiples of eight here, so that the network comes close to the bound."""
    kernel, expansion, depth = max(space["kernels"]), max(space["expansions"]), max(space["depths"])
    inputs, head = _rounded(space["stem"], factor), _rounded(space["head"], factor)
    layers: list[nn.Module] = [_conv(channels, inputs, 3)]
    for width, stride in zip(space["widths"], space["strides"], strict=True):
        outputs = _rounded(width, factor)
        for block in range(depth):
            layers.append(_Block(inputs, outputs, kernel, expansion, stride if block == 0 else 1, block > 0))
            inputs = outputs
    end = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(head, classes))
    return nn.Sequential(*layers, _conv(inputs, head, 1), *end)


class _Block(nn.Module):
    """An inverted residual block (Sandler et al., 2018)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, expansion: int, stride: int, shortcut: bool) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.shortcut = shortcut
        self.layers = nn.Sequential(
            _conv(inputs, hidden, 1),
            _conv(hidden, hidden, kernel, stride=stride, groups=hidden),
            _conv(hidden, outputs, 1)[:2],
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return x + y if self.shortcut else y


def _conv(inputs: int, outputs: int, kernel: int, **options: Any) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False, **options)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))
