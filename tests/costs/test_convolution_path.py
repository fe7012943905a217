"""The longest chain of convolutions, and depth over width, as they follow from sizes."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import nas
from nas.costs import Candidate, OwnCosts, StaticCosts
from nas.costs.convolution_path import Convolution, convolution_path, depth_over_width
from nas.errors import UsageError
from search_spaces.chain import chain

IMAGE = torch.zeros(1, 3, 8, 8)
FIRST = Convolution(27, 4, 64)
SECOND = Convolution(36, 4, 64)


class Sum(nn.Module):
    """What branches give, added up."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = self.branches[0](x)
        for branch in self.branches[1:]:
            total += branch(x)
        return total


class Excited(nn.Module):
    """Squeeze and excitation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, channels, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        gate: Tensor = self.gate(x)
        return x * gate


class Nothing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x)


def conv(inputs: int, kernel: int = 3, groups: int = 1, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, 4, kernel, stride, padding=kernel // 2, groups=groups)


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        (lambda: conv(4), [SECOND]),
        (lambda: conv(4, stride=2), [Convolution(36, 4, 16)]),
        (lambda: conv(4, kernel=5, groups=4), [Convolution(25, 4, 64)]),
        (lambda: nn.Sequential(nn.BatchNorm2d(4), nn.ReLU(inplace=True), conv(4)), [SECOND]),
        (lambda: Sum(nn.Identity(), nn.Sequential(conv(4), conv(4))), [SECOND, SECOND]),
        (lambda: Sum(conv(4), conv(4, kernel=1)), [SECOND]),  # a shortcut by a convolution
        (lambda: Sum(conv(4, kernel=1), conv(4)), [SECOND]),
        (lambda: Excited(4), []),
        (lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)), []),
        (lambda: nn.LazyConv2d(4, 3, padding=1), [SECOND]),
    ],
)
def test_it_is_the_branch_of_most_entropy(rest: Callable[[], nn.Module], expected: list[Convolution]) -> None:
    network = nn.Sequential(conv(3), rest())
    network(IMAGE)
    assert list(convolution_path(network, IMAGE)) == [FIRST, *expected]


def test_nothing_leads_past_zeros() -> None:
    assert convolution_path(nn.Sequential(conv(3), Nothing()), IMAGE) == ()
    assert convolution_path(nn.Sequential(conv(3), Sum(Nothing(), conv(4))), IMAGE) == (FIRST, SECOND)


def test_a_network_without_convolutions_is_told() -> None:
    with pytest.raises(UsageError, match="cost 'depth_to_width' read the convolutions of a network, and there are non"):
        convolution_path(nn.Linear(8, 2), IMAGE)


def test_depth_over_width_of_a_network_of_a_space() -> None:
    """The first convolution makes the beginning narrow, but the ratio grows with depth."""
    supernet = nas.Supernet(chain((3, 8, 8), 10))
    costs = StaticCosts(supernet, (3, 8, 8))
    candidate = Candidate(supernet.space.largest(), costs)
    path = convolution_path(candidate.network, candidate.example)
    mean = math.prod(each.width for each in path) ** (1 / len(path))
    assert OwnCosts(["depth_to_width"])(candidate) == {"depth_to_width": pytest.approx(len(path) / mean)}
    assert len(path) > len(convolution_path(supernet.extract(supernet.space.smallest()), IMAGE))


def test_depth_grows_the_ratio_and_width_shrinks_it() -> None:
    def ratio(depth: int, width: int) -> float:
        return depth_over_width((Convolution(9 * width, width, 64),) * depth)

    assert [ratio(depth, 4) for depth in (1, 2, 5)] == pytest.approx([1 / 36, 2 / 36, 5 / 36])
    assert ratio(3, 8) == pytest.approx(ratio(3, 4) / 2)


def test_a_deep_and_narrow_beginning_counts_though_the_rest_is_wide() -> None:
    beginning = (Convolution(9, 1, 64),) * 4
    assert depth_over_width((*beginning, Convolution(9000, 1000, 16))) == pytest.approx(4 / 9)
