"""A model of your own becomes a space: widths, kernels and depths are choices, its weights are kept."""

import torch
from torch import nn

import nas


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x + self.norm(self.conv(x)))


def build(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """What `nas search --model own_model:build` calls."""
    stem = nn.Sequential(nn.Conv2d(input_shape[0], 32, 3, padding=1), nn.ReLU())
    stages = nn.Sequential(*[Residual(32) for _ in range(3)])
    return nn.Sequential(stem, stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, classes))


if __name__ == "__main__":
    print(nas.elastic(build((1, 8, 8), 10), torch.zeros(1, 1, 8, 8)))  # what varies, what is coupled to what
    run = nas.Run(
        space="elastic",
        space_args={"model": "own_model:build"},
        task="digits",
        method="spos",
        constraints=["latency_ms <= 60% of largest"],
    )
    print(run.search("own-model").best.metrics["accuracy"])
