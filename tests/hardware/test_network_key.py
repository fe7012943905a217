"""Which architectures are one network: the key forgets how it was written, and nothing else."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import nas
from nas.costs import StaticCosts
from nas.hardware import NetworkKeys
from nas.nn import Cell, OneOf, Repeat, Zero
from nas.space import Choice
from search_spaces.chain import chain

SHAPE = (3, 8, 8)


def conv(kernel: int = 3) -> nn.Conv2d:
    return nn.Conv2d(3, 3, kernel, padding=kernel // 2)


def keys_of(model: nn.Module) -> tuple[nas.Supernet, NetworkKeys]:
    supernet = nas.Supernet(model)
    return supernet, NetworkKeys(StaticCosts(supernet, SHAPE))


def test_a_skip_before_or_after_a_block_is_the_same_network() -> None:
    """As published for NAS-Bench-Macro, whose 6,561 architectures are 3,969 networks: 9 and 21 a stage."""
    supernet, key = keys_of(chain(SHAPE, 5, layers=(2, 3), width=4, head=8))
    assert supernet.space.size == 3**5
    assert len({key(each) for each in supernet.space}) == 9 * 21


def cell() -> nn.Module:
    def edge() -> OneOf:
        return OneOf({"none": Zero(), "skip": nn.Identity(), "conv": conv()})

    return nn.Sequential(Cell({(source, node): edge() for node in (1, 2, 3) for source in range(node)}))


def of(supernet: nas.Supernet, **edges: str) -> nas.Architecture:
    return supernet.space.architecture({name: edges.get(name[2:], "none") for name in supernet.space.choices})


def test_isomorphic_cells_are_one_network() -> None:
    supernet, key = keys_of(cell())
    through_1 = of(supernet, edge_0_1="conv", edge_1_3="conv", edge_0_3="skip")
    through_2 = of(supernet, edge_0_2="conv", edge_2_3="conv", edge_0_3="skip")
    assert key(through_1) == key(through_2)
    dead = of(supernet, edge_0_1="conv", edge_1_3="conv", edge_0_3="skip", edge_0_2="conv")
    assert key(dead) == key(through_1), "an edge that leads nowhere"
    assert key(of(supernet, edge_0_3="conv")) != key(through_1)


def test_one_convolution_used_twice_is_not_two() -> None:
    supernet, key = keys_of(cell())
    once = of(supernet, edge_0_1="conv", edge_1_2="skip", edge_1_3="skip", edge_2_3="skip")
    two = of(supernet, edge_0_1="conv", edge_1_3="skip", edge_0_2="conv", edge_2_3="skip")
    assert key(once) != key(two)


def test_who_shares_a_value_is_told_apart() -> None:
    """Both compute f(a) + g(b) + h(.) from two convolutions of the input; a feeds h in one, b in the other."""

    class Fed(nn.Module):
        def __init__(self, first: bool) -> None:
            super().__init__()
            self.a, self.b, self.first = conv(), conv(), first

        def forward(self, x: Tensor) -> Tensor:
            a, b = self.a(x), self.b(x)
            return F.relu(a) + F.gelu(b) + F.silu(a if self.first else b)

    supernet, key = keys_of(nn.Sequential(OneOf([Fed(True), Fed(False)])))
    assert len({key(each) for each in supernet.space}) == 2


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (nn.ReLU, nn.GELU),
        (nn.ReLU, nn.ReLU6),
        (lambda: nn.MaxPool2d(3, 1, 1), lambda: nn.AvgPool2d(3, 1, 1)),
        (lambda: conv(3), lambda: conv(5)),
        (lambda: nn.Conv2d(3, 3, 1, bias=False), lambda: nn.Conv2d(3, 3, 1)),
        (lambda: nn.Sequential(nn.ReLU(), conv()), lambda: nn.Sequential(conv(), nn.ReLU())),
    ],
)
def test_other_operations_are_another_network(first: Callable[[], nn.Module], second: Callable[[], nn.Module]) -> None:
    supernet, key = keys_of(nn.Sequential(OneOf([first(), second()])))
    assert len({key(each) for each in supernet.space}) == 2
    supernet, key = keys_of(nn.Sequential(OneOf([first(), first()])))
    assert len({key(each) for each in supernet.space}) == 1


def test_in_place_or_not_is_the_same_and_shared_weights_are_not() -> None:
    supernet, key = keys_of(nn.Sequential(conv(), OneOf([nn.ReLU(), nn.ReLU(inplace=True)])))
    assert len({key(each) for each in supernet.space}) == 1
    one = conv()
    supernet, key = keys_of(nn.Sequential(one, OneOf([one, conv()])))
    assert len({key(each) for each in supernet.space}) == 2


def test_depth_counts_and_the_input_tells_sizes_apart() -> None:
    supernet = nas.Supernet(nn.Sequential(Repeat([conv(), conv()], Choice([1, 2]))))
    keys = [NetworkKeys(StaticCosts(supernet, shape)) for shape in (SHAPE, (3, 16, 16))]
    assert len({key(each) for key in keys for each in supernet.space}) == 4
    tokens = nas.Supernet(nn.Sequential(nn.Embedding(9, 4), OneOf([nn.Linear(4, 4), nn.Identity()])))
    key = NetworkKeys(StaticCosts(tokens, (5,), torch.int64))
    assert len({key(each) for each in tokens.space}) == 2
