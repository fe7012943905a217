"""Which candidate is the larger one is told by what it costs, not by where it is listed."""

from collections.abc import Callable, Sequence
from itertools import permutations
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import nas
from nas.errors import UsageError
from nas.nn import Cell, Conv2d, OneOf, Repeat, Zero
from nas.space import Choice
from search_spaces.darts import darts
from search_spaces.nasbench201 import nasbench201

SHAPE = (1, 8, 8)


def conv(kernel: int, inputs: int = 1, outputs: int = 1) -> nn.Module:
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)


def by_size(supernet: nas.Supernet, name: str) -> list[Any]:
    space = supernet.space
    return [space.choices[name][position] for position in space.order[name]]


OPERATIONS: dict[str, Callable[[], nn.Module]] = {
    "skip": nn.Identity,
    "k5": lambda: conv(5),
    "none": Zero,
    "pool": lambda: nn.AvgPool2d(3, 1, 1),
    "k3": lambda: conv(3),
}


@pytest.mark.parametrize("listing", list(permutations(OPERATIONS))[::17], ids="-".join)
@pytest.mark.parametrize("shape", [None, SHAPE])
def test_modules_are_ordered_by_parameters_whatever_the_listing(
    listing: Sequence[str], shape: tuple[int, ...] | None
) -> None:
    layers = [OneOf({name: OPERATIONS[name]() for name in listing}) for _ in range(2)]
    supernet = nas.Supernet(nn.Sequential(*layers), input_shape=shape)
    for name in ("0", "1"):
        assert by_size(supernet, name) == ["none", "skip", "pool", "k3", "k5"]
    assert set(supernet.space.largest().values()) == {"k5"} and set(supernet.space.smallest().values()) == {"none"}
    assert supernet.architecture == supernet.space.largest() and not supernet.equally_large


def test_positions_are_names_not_sizes() -> None:
    supernet = nas.Supernet(nn.Sequential(OneOf([conv(5), nn.Identity(), conv(3)])))
    assert by_size(supernet, "0") == [1, 2, 0]


class Mixes(nn.Module):
    """Multiplies by a constant matrix: FLOPs without parameters."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times
        self.register_buffer("matrix", torch.eye(8))

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(self.times):
            x = x @ self.matrix
        return x


class Strided(nn.Module):
    """A convolution at half the resolution."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 3, stride=2, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(self.conv(x), scale_factor=2)


def test_equal_parameters_are_ordered_by_flops_where_the_input_is_known() -> None:
    def model() -> nn.Module:
        free = OneOf({"twice": Mixes(2), "skip": nn.Identity(), "once": Mixes(1)})
        return nn.Sequential(free, OneOf({"whole": conv(3), "halved": Strided()}), nn.BatchNorm2d(1))

    known = nas.Supernet(model(), input_shape=SHAPE)
    assert by_size(known, "0") == ["skip", "once", "twice"] and by_size(known, "1") == ["halved", "whole"]
    assert not known.equally_large and all(module.training for module in known.modules())
    assert float(next(known.buffers()).sum()) == 8, "buffers hold values as before"
    unknown = nas.Supernet(model())
    assert by_size(unknown, "0") == ["skip", "twice", "once"] and by_size(unknown, "1") == ["whole", "halved"]
    assert unknown.equally_large == {"0": ("twice", "once"), "1": ("whole", "halved")}
    assert known.space.fingerprint == unknown.space.fingerprint


def test_flops_of_what_the_largest_network_does_not_run_are_counted_where_it_runs() -> None:
    inner = OneOf({"whole": conv(3), "halved": Strided()})
    model = nn.Sequential(OneOf({"large": conv(7), "small": inner}), nn.Identity())
    assert by_size(nas.Supernet(model, input_shape=SHAPE), "0.small") == ["halved", "whole"]


def test_an_input_that_does_not_fit_is_refused() -> None:
    model = nn.Sequential(OneOf({"whole": conv(3), "halved": Strided()}))
    with pytest.raises(
        UsageError, match=r"Sequential cannot be run on an input of shape \(3, 8, 8\) and type .*float32: "
    ):
        nas.Supernet(model, input_shape=(3, 8, 8))


def test_choices_inside_of_a_candidate_count_at_their_largest() -> None:
    width = Choice([1, 9], name="width")
    wide = nn.Sequential(Conv2d(1, width, 3, padding=1), Conv2d(width, 1, 1))
    nested = OneOf({"five": conv(5), "none": Zero()})
    model = nn.Sequential(
        OneOf({"wide": wide, "nested": nested, "three": conv(3)}, Choice(["wide", "nested", "three"]))
    )
    supernet = nas.Supernet(model)
    # wide: 9 * 9 + 9 + 9 + 1 parameters at width 9, 11 at width 1; nested: 25 with five.
    assert by_size(supernet, "0") == ["three", "nested", "wide"]
    assert by_size(supernet, "0.nested") == ["none", "five"]


def test_blocks_at_their_largest_depth_count() -> None:
    deep = Repeat([conv(3) for _ in range(3)], Choice([1, 3]))
    assert by_size(nas.Supernet(nn.Sequential(OneOf({"deep": deep, "five": conv(5)}))), "0") == ["five", "deep"]


def test_a_tied_choice_counts_all_its_modules() -> None:
    choice = Choice(["a", "b"], name="operation")
    first = OneOf({"a": conv(3), "b": conv(5)}, choice)
    second = OneOf({"a": conv(7), "b": nn.Identity()}, choice)
    supernet = nas.Supernet(nn.Sequential(first, second))
    assert by_size(supernet, "operation") == ["b", "a"], "9 + 49 parameters against 25"


def test_a_module_that_both_candidates_share_makes_them_equal() -> None:
    shared = conv(3)
    supernet = nas.Supernet(nn.Sequential(OneOf({"b": nn.Sequential(shared), "a": shared})))
    assert by_size(supernet, "0") == ["b", "a"] and supernet.equally_large == {"0": ("b", "a")}


def test_words_that_stand_for_widths_are_ordered_by_what_they_make() -> None:
    size = Choice(["large", "small"], name="size")
    width = size.map({"small": 2, "large": 8}.__getitem__)
    supernet = nas.Supernet(nn.Sequential(Conv2d(1, width, 3), Conv2d(width, 1, 1)))
    assert by_size(supernet, "size") == ["small", "large"]


def test_pairs_are_ordered_by_what_they_make() -> None:
    kernel = Choice([(7, 1), (3, 3), (1, 5)], name="kernel")
    padding = kernel.map(lambda sides: tuple(side // 2 for side in sides))
    assert by_size(nas.Supernet(nn.Sequential(Conv2d(1, 1, kernel, padding=padding))), "kernel") == [
        (1, 5),
        (7, 1),
        (3, 3),
    ]


def test_numbers_are_ordered_by_value() -> None:
    layers = [Conv2d(1, Choice([8, 4, 6], name="width"), 3, stride=Choice([2, 1], name="stride"))]
    supernet = nas.Supernet(nn.Sequential(*layers), input_shape=SHAPE)
    assert by_size(supernet, "width") == [4, 6, 8] and by_size(supernet, "stride") == [1, 2]


def test_the_edges_of_a_cell_go_from_nothing_over_the_input_to_the_most_weights() -> None:
    edges = {(0, 1): OneOf({"conv": conv(3), "skip": nn.Identity(), "none": Zero()})}
    assert by_size(nas.Supernet(nn.Sequential(Cell(edges))), "0.edge_0_1") == ["none", "skip", "conv"]
    setup = nas.Supernet(nasbench201((1, 8, 8), 10, width=4), input_shape=(1, 8, 8))
    assert set(setup.space.largest().values()) == {"nor_conv_3x3"} and set(setup.space.smallest().values()) == {"none"}


def test_the_largest_network_of_darts_has_its_largest_convolutions() -> None:
    with torch.device("meta"):
        space = nas.Supernet(darts((3, 32, 32), 10)).space
    operations = [value for name, value in space.largest().items() if "edge" in name]
    assert set(operations) == {"sep_conv_5x5"}
    assert {value for name, value in space.smallest().items() if "edge" in name} == {"none"}


def test_the_order_of_the_listing_changes_no_weight_of_the_teacher() -> None:
    def trained(listing: Sequence[str]) -> dict[str, Tensor]:
        torch.manual_seed(0)
        operations = {name: OPERATIONS[name]() for name in ("k3", "k5", "skip")}
        supernet = nas.Supernet(nn.Sequential(OneOf({name: operations[name] for name in listing})))
        path = nas.sampling.Sandwich(supernet.space, seed=0, random=0).draw(nas.training.Context(0))
        for each in path:
            supernet.activate(each.architecture)
            supernet(torch.ones(1, *SHAPE, requires_grad=True)).sum().backward()
        return {name: parameter.grad for name, parameter in supernet.named_parameters() if parameter.grad is not None}

    first, second = trained(("skip", "k3", "k5")), trained(("k3", "k5", "skip"))
    assert first.keys() == second.keys() == {"model.0.k5.weight"}
    assert all(torch.equal(first[name], second[name]) for name in first)
