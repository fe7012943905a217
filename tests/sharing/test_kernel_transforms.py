"""Smaller kernels that are learnt transforms of larger ones."""

from collections import OrderedDict
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import nas
from nas.sharing import KernelTransforms
from nas.space import Choice
from search_spaces.once_for_all import once_for_all


def convolutions(kernel: Choice, kind: Any = nas.nn.Conv2d, width: Any = 4, **options: Any) -> nas.Supernet:
    torch.manual_seed(0)
    padding = options.pop("padding", kernel.map(lambda size: size // 2 if isinstance(size, int) else 0))
    layers = OrderedDict(one=kind(width, width, kernel, padding=padding, groups=width), two=kind(width, 3, 1))
    return nas.Supernet(nn.Sequential(layers), KernelTransforms(**options))


def images(dims: int = 2) -> Tensor:
    return torch.randn(2, 4, *[9] * dims, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def learnt(supernet: nas.Supernet) -> dict[str, Tensor]:
    """Random transforms, by kernel size."""
    found = {}
    for name, parameter in supernet.sharing.named_parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(len(found))))
        found[name.rpartition("/")[2]] = parameter
    return found


@torch.no_grad()
def test_before_it_learns_a_kernel_is_the_centre_of_the_largest_bit_for_bit() -> None:
    torch.manual_seed(0)
    plain = nas.Supernet(once_for_all((1, 8, 8), 5, width=0.2, depths=(1, 2), expansions=(1, 2)))
    torch.manual_seed(0)
    other = nas.Supernet(once_for_all((1, 8, 8), 5, width=0.2, depths=(1, 2), expansions=(1, 2)), KernelTransforms())
    x = torch.randn(2, 1, 8, 8)
    for architecture in [plain.space.smallest(), plain.space.largest(), *map(plain.space.sample, range(4))]:
        for each in (plain.eval(), other.eval()):
            each.activate(architecture)
        assert torch.equal(plain(x), other(x))
        states = [each.extract(architecture).state_dict() for each in (plain, other)]
        assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


@torch.no_grad()
def test_kernels_go_through_every_size_in_between() -> None:
    supernet = convolutions(Choice([3, 7, 5], name="kernel"))
    matrices, weight = learnt(supernet), supernet.model.get_parameter("one.weight")
    assert {name: tuple(each.shape) for name, each in matrices.items()} == {"5x5": (25, 25), "3x3": (9, 9)}
    five = weight[:, :, 1:6, 1:6].flatten(2)
    five = (five @ (torch.eye(25) + matrices["5x5"])).view(4, 1, 5, 5)
    three = five[:, :, 1:4, 1:4].flatten(2)
    three = (three @ (torch.eye(9) + matrices["3x3"])).view(4, 1, 3, 3)
    for kernel, expected in ((7, weight), (5, five), (3, three)):
        extracted = supernet.extract({"kernel": kernel}).get_parameter("one.weight")
        torch.testing.assert_close(extracted, expected)
        supernet.activate({"kernel": kernel})
        answer = nn.functional.conv2d(
            images(), expected, supernet.model.get_parameter("one.bias"), padding=kernel // 2, groups=4
        )
        torch.testing.assert_close(supernet(images()), supernet.model.get_submodule("two")(answer))


@pytest.mark.parametrize(
    ("kind", "dims", "candidates", "chains"),
    [
        (nas.nn.Conv1d, 1, [1, 3, 5], {"1", "3"}),
        (nas.nn.Conv3d, 3, [1, 3], {"1x1x1"}),
        (nas.nn.Conv2d, 2, [(1, 3), (3, 1), (3, 3)], {"1x3", "3x1"}),
        (nas.nn.Conv2d, 2, [2, 3, 4], {"2x2", "3x3"}),
    ],
)
@torch.no_grad()
def test_other_kernels(kind: Any, dims: int, candidates: list[Any], chains: set[str]) -> None:
    supernet = convolutions(Choice(candidates, name="kernel"), kind, padding=0)
    plain = {each: supernet.extract({"kernel": each}).get_parameter("one.weight") for each in candidates}
    assert set(learnt(supernet)) == chains
    for kernel in candidates:
        network = supernet.extract({"kernel": kernel})
        supernet.activate({"kernel": kernel})
        torch.testing.assert_close(supernet(images(dims)), network(images(dims)))
        assert network.get_parameter("one.weight").shape == plain[kernel].shape
        largest = kernel == candidates[-1]
        assert torch.equal(network.get_parameter("one.weight"), plain[kernel]) is largest


def test_the_transform_learns_beside_the_kernel_and_only_where_it_is_used() -> None:
    supernet = convolutions(Choice([3, 5, 7], name="kernel"))
    learnt(supernet)
    for kernel, used in ((7, set()), (5, {"5x5"}), (3, {"5x5", "3x3"})):
        supernet.zero_grad()
        supernet.activate({"kernel": kernel})
        supernet(images()).square().sum().backward()
        grads = {name.rpartition("/")[2]: p.grad for name, p in supernet.sharing.named_parameters()}
        assert {name for name, grad in grads.items() if grad is not None} == used
        assert supernet.model.get_parameter("one.weight").grad is not None


def test_layers_without_a_choice_of_kernel_have_no_transform() -> None:
    supernet = nas.Supernet(nn.Sequential(nas.nn.Conv2d(1, Choice([2, 4]), 3)), KernelTransforms())
    assert not list(supernet.sharing.parameters())
