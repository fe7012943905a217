"""A model as somebody writes it, for which the size of its images is a choice: it takes any."""

from torch import nn

import nas
from nas.nn import BatchNorm2d, Conv2d, Linear


def build(input_shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Two convolutions and a mean over the image."""
    width, kernel = nas.Choice([4, 8], name="width"), nas.Choice([3, 5], name="kernel")
    return nn.Sequential(
        Conv2d(input_shape[0], width, kernel, padding=kernel // 2),
        BatchNorm2d(width),
        nn.ReLU(),
        Conv2d(width, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        Linear(16, classes),
    )
