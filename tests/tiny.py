"""Supernets and data small enough to train in a blink."""

import pathlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

import nas
from nas.data import ImageSplit
from nas.nn import BatchNorm2d, Conv2d, Linear, OneOf, Repeat
from nas.nn.channel_ranges import Region, select, write
from nas.space import Architecture, Choice
from nas.training import Context, CrossEntropy, Path, PathSampler, Phase, Recipe, Step, SupernetStep
from nas.training.steps import Backward

__all__ = ["Always", "Watched", "check_resumed", "elastic", "operations", "outside", "split", "take"]

CLASSES = 3


def split(images: int = 32, seed: int = 0) -> ImageSplit:
    """Noise whose class is a bright quadrant."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(images) % CLASSES
    pixels = 0.3 * torch.randn(images, 1, 6, 6, generator=generator)
    for index, label in enumerate(labels.tolist()):
        pixels[index, :, 3 * (label // 2) : 3 * (label // 2) + 3, 3 * (label % 2) : 3 * (label % 2) + 3] += 1
    return ImageSplit(pixels, labels, torch.zeros(1), torch.ones(1))


def operations(seed: int = 0) -> nas.Supernet:
    """Three layers, each one of three operations that own their weights."""
    torch.manual_seed(seed)
    layers = [(f"layer{index}", OneOf({"skip": nn.Identity(), "k1": _conv(1), "k3": _conv(3)})) for index in range(3)]
    head = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(0.2), nn.Linear(16, CLASSES))
    stem = nn.Conv2d(1, 4, 3, padding=1)
    return nas.Supernet(nn.Sequential(OrderedDict([("stem", stem), *layers, ("head", head)])))


def _conv(kernel: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(4, 4, kernel, padding=kernel // 2), nn.BatchNorm2d(4), nn.ReLU())


def elastic(seed: int = 0) -> nas.Supernet:
    """Elastic width, kernel and depth."""
    torch.manual_seed(seed)
    width, kernel = Choice([2, 4, 6], name="width"), Choice([1, 3], name="kernel")
    blocks = [
        nn.Sequential(Conv2d(width, width, kernel, padding=kernel // 2), BatchNorm2d(width), nn.ReLU())
        for _ in range(2)
    ]
    return nas.Supernet(
        nn.Sequential(
            Conv2d(1, width, 3, padding=1),
            Repeat(blocks, Choice([0, 1, 2], name="depth")),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            Linear(4 * width, CLASSES),
        )
    )


class Always:
    """The same paths in every step."""

    def __init__(self, *architectures: Architecture, role: str = "random") -> None:
        self.architectures, self.role = architectures, role

    def draw(self, context: Context) -> list[Path]:
        return [Path(architecture, self.role) for architecture in self.architectures]


def outside(parameter: nn.Parameter, regions: Sequence[Region]) -> Tensor:
    """True at the entries in none of the regions."""
    mask = torch.ones_like(parameter)
    for region in regions:
        write(mask, region, torch.zeros_like(select(mask, region)))
    return mask.bool()


class Watched(SupernetStep):
    """Compares the parameters after each optimiser step with those before.

    Attributes:
        moved_inside, moved_outside: for each step the number of entries that changed.
    """

    def __init__(self, supernet: nas.Supernet, paths: PathSampler) -> None:
        super().__init__(supernet, paths, [CrossEntropy()])
        self.supernet = supernet
        self.moved_inside: list[int] = []
        self.moved_outside: list[int] = []
        self._before: dict[nn.Parameter, Tensor] = {}
        self._used: dict[nn.Parameter, list[Region]] = {}

    def __call__(self, context: Context, backward: Backward) -> dict[str, Tensor]:
        self.compare()
        losses = super().__call__(context, backward)
        self._used = {}
        for parameter, region in self.used_regions(context):
            self._used.setdefault(parameter, []).append(region)
        self._before = {parameter: parameter.detach().clone() for parameter in self.supernet.parameters()}
        return losses

    def compare(self) -> None:
        """Counts what the last step moved."""
        if not self._before:
            return
        inside = outside_ = 0
        for parameter, before in self._before.items():
            changed = parameter.detach() != before
            rest = outside(parameter, self._used.get(parameter, []))
            inside += int((changed & ~rest).sum())
            outside_ += int((changed & rest).sum())
        self.moved_inside.append(inside)
        self.moved_outside.append(outside_)


def take(
    step: Step, number: int, x: Tensor, y: Tensor, backward: Backward = Tensor.backward, **where: Any
) -> dict[str, Tensor]:
    """One step, all of it but the optimiser's; the losses by role."""
    return Phase(step, split(), Recipe()).take(Context(number, x, y, **where), backward)


class _KilledError(Exception):
    """Stands for a process that ends."""


def check_resumed(run: Callable[..., nn.Module], file: pathlib.Path) -> None:
    """Checks that a training that is killed after every epoch ends with the same bits as one that is not.

    Args:
        run: trains a new model, with these options of :func:`nas.training.train_phases`.
        file: of the checkpoint.
    """
    straight, kills = run().state_dict(), 0

    def kill(_: object) -> None:
        raise _KilledError

    while True:
        try:
            resumed = run(checkpoint=file, on_epoch=kill).state_dict()
            break
        except _KilledError:
            kills += 1
    assert kills > 1
    assert resumed.keys() == straight.keys()
    for name, tensor in straight.items():
        assert torch.equal(resumed[name], tensor), name
