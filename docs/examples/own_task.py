"""Another task than classes: numbers are learnt, networks are compared by their root mean squared error."""

import torch
from torch.utils.data import TensorDataset

import nas


def spots() -> nas.TaskData:
    """Where a bright spot is: images `uint8 [1, 12, 12]`, targets `float32 [2]` from -1 to 1."""
    generator = torch.Generator().manual_seed(0)
    places = 2 * torch.rand(1200, 2, generator=generator) - 1
    line = torch.linspace(-1, 1, 12)
    far = (line[None, :, None] - places[:, :1, None]) ** 2 + (line[None, None, :] - places[:, 1:, None]) ** 2
    pixels = (255 * torch.exp(-8 * far)).to(torch.uint8)[:, None]
    return nas.TaskData(TensorDataset(pixels, places), nas.Regression(names=("down", "across")))


if __name__ == "__main__":
    run = nas.Run(space="chain", task="own_task:spots", method="spos", constraints=["flops <= 50% of largest"])
    result = run.search("own-task")
    print(result.best.metrics["test_rmse"])
