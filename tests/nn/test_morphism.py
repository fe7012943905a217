"""What a network has grown to computes the same before it is trained, whatever was enlarged."""

import pytest
import torch
from torch import nn

import nas
from nas.errors import UsageError
from nas.nn import initialise
from nas.nn.morphism import grow_from
from nas.space import Architecture
from nas.space.growth import grown
from nas.supernet import Supernet
from nas.testing.spaces import SHAPE, small_model
from search_spaces.mobilenet import mobilenet


def images(channels: int = 1) -> torch.Tensor:
    return torch.randn(6, channels, 8, 8, generator=torch.Generator().manual_seed(5))


def made(supernet: Supernet, architecture: Architecture, seed: int) -> nn.Module:
    """With batch norms that have seen something."""
    network = initialise(supernet.extract(architecture), seed).train()
    torch.manual_seed(seed)
    for parameter in network.parameters():
        if parameter.dim() == 1:
            nn.init.normal_(parameter)
    with torch.no_grad():
        network(images())
    return network.eval()


@pytest.fixture(scope="module", params=["mobilenet", "plain"])
def supernet(request: pytest.FixtureRequest) -> Supernet:
    """One with shortcuts, of wider and deeper stages, kernels and expansions; one without."""
    return nas.Supernet(mobilenet(SHAPE, 10) if request.param == "mobilenet" else small_model())


@pytest.mark.parametrize("seed", range(3))
def test_every_step_computes_what_it_grew_from(supernet: Supernet, seed: int) -> None:
    space = supernet.space
    for start in (space.smallest(), space.sample(seed)):
        smaller, x = made(supernet, start, 1), images()
        for larger in grown(space, start):
            network = made(supernet, larger, 2 + seed)
            assert not torch.allclose(network(x), smaller(x), atol=1e-2)
            grow_from(network, smaller)
            torch.testing.assert_close(network(x), smaller(x), rtol=1e-5, atol=1e-5)


def test_several_steps_in_a_row(supernet: Supernet) -> None:
    """From the smallest network to the largest."""
    at, seed = supernet.space.smallest(), 0
    network, x = made(supernet, at, seed), images()
    expected = network(x)
    while steps := list(grown(supernet.space, at)):
        at, seed, smaller = steps[seed % len(steps)], seed + 1, network
        network = made(supernet, at, seed)
        grow_from(network, smaller)
    assert at == supernet.space.largest()
    torch.testing.assert_close(network(x), expected, rtol=1e-4, atol=1e-4)


def test_what_is_new_learns() -> None:
    """New channels are read with weights of zero, which have gradients; one step later so do all of them."""
    supernet = nas.Supernet(mobilenet(SHAPE, 10))
    start = supernet.space.smallest()
    for larger in grown(supernet.space, start):
        network = made(supernet, larger, 3).train()
        grow_from(network, made(supernet, start, 1))
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            network(images()).square().sum().backward()
            optimizer.step()
        assert all(bool(parameter.grad.any()) for parameter in network.parameters() if parameter.grad is not None)


def test_a_network_that_does_not_contain_the_other_is_told() -> None:
    supernet = nas.Supernet(small_model())
    space = supernet.space
    small, large = (made(supernet, each, 0) for each in (space.smallest(), space.largest()))
    with pytest.raises(UsageError, match=r"of the smaller network does not fit into the larger one, which has \("):
        grow_from(made(supernet, space.complete({"width": 4, "depth": 3}), 0), large)
    with pytest.raises(UsageError, match="which has no such tensor; only grow what contains the other"):
        grow_from(made(supernet, space.complete({"width": 6, "depth": 1, "kernel": 3}), 0), large)
    before = [each.clone() for each in small.parameters()]
    grow_from(large, small)
    assert all(torch.equal(*pair) for pair in zip(small.parameters(), before, strict=True))
