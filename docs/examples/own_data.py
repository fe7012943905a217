"""Data of your own: a function that returns torch datasets of (image, label)."""

import torch
from torch.utils.data import TensorDataset

import nas


def stripes() -> tuple[TensorDataset, TensorDataset]:
    """Noisy pictures with stripes in one of four directions: training and test images, `uint8 [1, 12, 12]`."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(1200) % 4
    down, across = torch.meshgrid(torch.arange(12), torch.arange(12), indexing="ij")
    waves = torch.stack([down, across, down + across, down - across]).remainder(4) < 2
    images = waves[labels].float() + 0.8 * torch.randn(1200, 12, 12, generator=generator)
    pixels = (images * 128).clamp(0, 255).to(torch.uint8)[:, None]
    return TensorDataset(pixels[:1000], labels[:1000]), TensorDataset(pixels[1000:], labels[1000:])


if __name__ == "__main__":
    run = nas.Run(space="chain", task="own_data:stripes", method="spos", constraints=["flops <= 50% of largest"])
    result = run.search("own-data")
    print(result.best.metrics["test_accuracy"], result.best.onnx)
