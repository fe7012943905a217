"""Supernets small enough to evaluate hundreds of times, and data to evaluate them on."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

import nas
from nas.data import Augment, ImageData, ImageSplit
from nas.tasks import Classification
from search_spaces.chain import chain
from search_spaces.mobilenet import mobilenet
from search_spaces.nasbench201 import nasbench201

__all__ = ["MODELS", "blobs", "rows", "supernet"]

SHAPE, CLASSES = (1, 8, 8), 4

MODELS: dict[str, Callable[[], nn.Module]] = {
    "mobilenet": lambda: mobilenet(
        SHAPE, CLASSES, widths=(8, 16), strides=(1, 2), depths=(1, 2), kernels=(3, 5), expansions=(1, 2), stem=4, head=8
    ),
    "chain": lambda: chain(SHAPE, CLASSES, layers=(1, 2), width=4, head=8),
    "nasbench201": lambda: nasbench201(SHAPE, CLASSES, width=4, cells=1),
}


def supernet(name: str, seed: int = 0) -> nas.Supernet:
    """A supernet with random weights and random batch-norm statistics, as if some other subnet had run last."""
    torch.manual_seed(seed)
    network = nas.Supernet(MODELS[name]())
    return scramble(network)


def scramble(network: nas.Supernet) -> nas.Supernet:
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_mean, module.running_var, module.weight, module.bias):
                assert tensor is not None
                nn.init.uniform_(tensor, 0.5, 1.5)
    return network


def blobs(train: int = 96, validation: int = 50) -> ImageData:
    """Noise with a class-dependent mean; the test split is empty."""
    splits = _split(train, 1), _split(validation, 2), _split(0, 3)
    return ImageData("blobs", Classification("abcd"), *splits, Augment(crop=1, flip=False))


def rows(evaluator: Callable[[list[nas.Architecture]], object], architectures: list[nas.Architecture]) -> list[object]:
    """The evaluator's table as a list of rows, each a dictionary of exact numbers."""
    table = evaluator(architectures)
    return table.to_dict("records")  # type: ignore[no-any-return, attr-defined]


def _split(size: int, seed: int) -> ImageSplit:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(size) % CLASSES
    images: Tensor = torch.randn((size, *SHAPE), generator=generator) + labels[:, None, None, None]
    return ImageSplit(images, labels, torch.zeros(1), torch.ones(1))
