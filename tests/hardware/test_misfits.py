"""A plain layer behind an elastic width is named by its path, with the layer to use."""

from collections import OrderedDict
from collections.abc import Callable

import pytest
from torch import Tensor, nn

import nas
from nas.costs import StaticCosts
from nas.errors import UsageError


class Branched(nn.Module):
    """With a branch, so that the block that is traced is several calls, not the layer itself."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        width = nas.Choice([8, 16], name="width")
        self.conv, self.norm, self.head = nas.nn.Conv2d(1, width, 3, padding=1), norm, nas.nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        y: Tensor = self.head((x + self.norm(x)).mean((2, 3)))
        return y


def straight(norm: nn.Module) -> nn.Module:
    return nn.Sequential(OrderedDict(conv=nas.nn.Conv2d(1, nas.Choice([8, 16]), 3, padding=1), norm=norm))


@pytest.mark.parametrize("model", [Branched, straight])
@pytest.mark.parametrize(
    "norm", [nn.BatchNorm2d(16), nn.GroupNorm(4, 16), nn.LayerNorm([16, 8, 8])], ids=lambda norm: type(norm).__name__
)
def test_a_norm_of_fixed_size_is_named(model: Callable[[nn.Module], nn.Module], norm: nn.Module) -> None:
    costs = StaticCosts(nas.Supernet(model(norm)), (1, 8, 8))
    kind = type(norm).__name__
    with pytest.raises(UsageError, match=rf"'norm' is a torch\.nn\.{kind}, whose size.*; use nas\.nn\.{kind} with the"):
        costs(costs.supernet.space.smallest())


def test_also_where_candidates_are_ordered() -> None:
    width = nas.Choice([8, 16])
    tied = nas.nn.OneOf(
        {"a": nn.AvgPool2d(3, 1, 1), "b": nn.Conv2d(16, 16, 1, groups=16), "c": nn.Conv2d(16, 16, 1, groups=16)}
    )
    model = nn.Sequential(nas.nn.Conv2d(1, width, 3, padding=1), nn.GroupNorm(4, 12), tied)
    with pytest.raises(UsageError, match=r"'1' is a torch\.nn\.GroupNorm, whose size .*; use nas\.nn\.GroupNorm with"):
        nas.Supernet(model, input_shape=(1, 8, 8))


def test_other_failures_keep_their_sentence() -> None:
    model = nn.Sequential(nas.nn.Conv2d(1, nas.Choice([8, 16]), 3), nn.Conv2d(16, 3, 1))
    costs = StaticCosts(nas.Supernet(model), (1, 8, 8))
    with pytest.raises(UsageError, match="Conv2d cannot be run on an input of shape"):
        costs(costs.supernet.space.smallest())
