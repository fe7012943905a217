"""Images lie channels last where all networks of a supernet can read and learn from them so."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nas import Choice, Supernet, nn as nas_nn
from nas.setup import Setup, resolve
from nas.space import concatenate
from nas.supernet import takes_channels_last
from search_spaces.chain import chain
from search_spaces.mobilenet import mobilenet


class Flattening(nn.Module):
    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.head = how, nn.Linear(8 * 4 * 4, 10)
        self.convolution = nas_nn.Conv2d(1, 8, Choice([3, 5], name="kernel"), padding="same")

    def forward(self, x: Tensor) -> Tensor:
        y = self.convolution(x)
        z: Tensor = self.head(y.view(len(y), -1) if self.how == "view" else y.flatten(1))
        return z


@pytest.mark.parametrize(("how", "can"), [("view", False), ("flatten", True)])
def test_a_model_that_views_what_it_flattens_reads_images_in_the_usual_order(how: str, can: bool) -> None:
    assert takes_channels_last(Supernet(Flattening(how)), torch.zeros(2, 1, 4, 4)) is can


@pytest.mark.parametrize(("width", "can"), [(8, False), (16, True)])
def test_strided_convolutions_of_few_channels_get_images_in_the_usual_order(width: int, can: bool) -> None:
    supernet = Supernet(chain((1, 8, 8), layers=(1, 1, 1), width=width, head=16))
    assert takes_channels_last(supernet, torch.zeros(2, 1, 8, 8)) is can


def test_widths_that_are_chosen_count_by_the_smallest() -> None:
    def model(fewest: int) -> nn.Module:
        width = Choice([fewest, 32], name="width")
        strided = nas_nn.Conv2d(width, 8, 1, stride=2)
        return nn.Sequential(nas_nn.Conv2d(1, width, 3), strided, nn.Flatten(), nn.Linear(8 * 3 * 3, 10))

    x = torch.zeros(2, 1, 8, 8)
    assert not takes_channels_last(Supernet(model(8)), x)
    assert takes_channels_last(Supernet(model(16)), x)


@pytest.mark.parametrize(
    ("space", "expected"), [("mobilenet", torch.channels_last), ("chain", torch.contiguous_format)]
)
def test_all_parts_of_a_run_read_them_alike(space: str, expected: torch.memory_format) -> None:
    arguments: dict[str, Any] = {"chain": {"layers": [1, 1, 1], "width": 4}, "mobilenet": {"depths": [1]}}[space]
    setup = Setup(resolve({"space": space, "space_args": arguments, "data": "digits", "limit": 100}, "test"))
    splits = [setup.data.train, setup.data.validation, setup.data.test, setup.confirmation]
    assert {split.memory_format for split in splits} == {expected}


def test_the_supernet_that_is_searched_must_read_them_too() -> None:
    narrow = {"search_args": {"width": 8}, "method": "spos"}
    values = {"space": "chain", "space_args": {"layers": [1, 1, 1], "width": 16}, "data": "digits", "limit": 100}
    formats = [Setup(resolve({**values, **more}, "test")).data.train.memory_format for more in ({}, narrow)]
    assert formats == [torch.channels_last, torch.contiguous_format]


def test_many_choices_behind_a_width_are_not_enumerated() -> None:
    parts = [Choice([8, 16], name=f"part{number}") for number in range(21)]
    made = [nas_nn.Conv2d(1, part, 3, padding=1) for part in parts]
    joined = nas_nn.Conv2d(concatenate(*parts), 4, 1)

    class Dense(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts, self.joined = nn.ModuleList(made), joined

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.joined(torch.cat([part(x) for part in self.parts], 1)).flatten(1)
            return y

    assert takes_channels_last(Supernet(Dense()), torch.zeros(2, 1, 4, 4))


def test_the_order_in_memory_changes_no_output() -> None:
    supernet = Supernet(mobilenet((3, 16, 16), 10))
    network = supernet.extract(supernet.space.sample(0)).eval()
    x = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(network(x), network(x.contiguous(memory_format=torch.channels_last)))
