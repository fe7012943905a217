"""Tasks other than classification, as somebody writes them beside a run."""

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import TensorDataset

import nas
from nas import MultiLabel, Regression, TaskData


def _digits() -> tuple[torch.Tensor, torch.Tensor]:
    digits = load_digits()
    images = torch.from_numpy(digits.images[:400] / 16).float()[:, None]
    return images, torch.from_numpy(digits.target[:400])


def where() -> TaskData:
    """Where the ink of a digit is: the row and the column of its centre, standardised."""
    images, _ = _digits()
    places = torch.arange(8.0)
    centres = torch.stack([(images.sum((1, axis)) * places).sum(1) / images.sum((1, 2, 3)) for axis in (3, 2)], 1)
    scaled = (centres - centres.mean(0)) / centres.std(0)
    return TaskData(TensorDataset(images, scaled), Regression(["row", "column"]))


def kinds() -> TaskData:
    """What a digit is like: even, more than four, with a loop."""
    images, labels = _digits()
    has = torch.stack([labels % 2 == 0, labels > 4, torch.isin(labels, torch.tensor([0, 6, 8, 9]))], 1)
    return TaskData(TensorDataset(images[:300], has[:300]), MultiLabel(), test=TensorDataset(images[300:], has[300:]))


def curve() -> TaskData:
    """A number from a vector of four."""
    x = torch.randn(300, 4, generator=torch.Generator().manual_seed(0))
    return TaskData(TensorDataset(x, torch.sin(x[:, 0]) + x[:, 1] * x[:, 2]), Regression())


def perceptron(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """A network for vectors."""
    width = nas.Choice([8, 16, 32], name="width")
    hidden = nas.nn.Linear(width, width)
    return nn.Sequential(
        nas.nn.Linear(input_shape[0], width), nn.ReLU(), hidden, nn.ReLU(), nas.nn.Linear(width, classes)
    )
