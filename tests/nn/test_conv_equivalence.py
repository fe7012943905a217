"""An elastic convolution under an architecture is the convolution that one would have written by hand."""

from operator import itemgetter

import pytest
import torch
from slices import Case, check_extraction, check_one_hot_gates, check_slice
from torch import nn

import nas
from nas.nn import Conv2d
from nas.space import Choice, concatenate

KERNEL = Choice([3, 5, 7], name="kernel")
INPUTS = Choice([2, 4, 6], name="inputs")
OUTPUTS = Choice([4, 8], name="outputs")
FACTOR = Choice([1, 1.5, 2], name="factor")
PARTS = Choice([1, 2, 4], name="groups")
LEFT, RIGHT = Choice([2, 3], name="left"), Choice([1, 4, 5], name="right")
BOTH = [0, 1, 3, 4, 5, 6]

CASES = {
    "kernel 3 of 7": Case(
        lambda: Conv2d(3, 4, KERNEL, padding=KERNEL // 2),
        {"kernel": 3},
        lambda: nn.Conv2d(3, 4, 3, padding=1),
        {"weight": (range(4), range(3), range(2, 5), range(2, 5))},
        (2, 3, 9, 9),
    ),
    "kernel 5 of 7": Case(
        lambda: Conv2d(3, 4, KERNEL, padding="same", bias=False),
        {"kernel": 5},
        lambda: nn.Conv2d(3, 4, 5, padding="same", bias=False),
        {"weight": (range(4), range(3), range(1, 6), range(1, 6))},
        (2, 3, 9, 9),
    ),
    "one side of the kernel": Case(
        lambda: Conv2d(3, 4, (KERNEL, 3), padding=(KERNEL // 2, 1)),
        {"kernel": 3},
        lambda: nn.Conv2d(3, 4, (3, 3), padding=(1, 1)),
        {"weight": (range(4), range(3), range(2, 5), range(3))},
        (2, 3, 9, 9),
    ),
    "kernels that turn": Case(
        lambda: Conv2d(1, 2, (KERNEL, 10 - KERNEL), padding=(KERNEL // 2, (10 - KERNEL) // 2)),
        {"kernel": 3},
        lambda: nn.Conv2d(1, 2, (3, 7), padding=(1, 3)),
        {"weight": (range(2), range(1), range(2, 5), range(7))},
        (2, 1, 9, 9),
    ),
    "kernel without padding": Case(
        lambda: Conv2d(3, 4, KERNEL),
        {"kernel": 5},
        lambda: nn.Conv2d(3, 4, 5),
        {"weight": (range(4), range(3), range(1, 6), range(1, 6))},
        (2, 3, 9, 9),
        mixable=False,
    ),
    "even kernels": Case(
        lambda: Conv2d(3, 4, Choice([2, 4], name="kernel"), padding=1, stride=2),
        {"kernel": 2},
        lambda: nn.Conv2d(3, 4, 2, padding=1, stride=2),
        {"weight": (range(4), range(3), range(1, 3), range(1, 3))},
        (2, 3, 8, 8),
        mixable=False,
    ),
    "output width": Case(
        lambda: Conv2d(3, OUTPUTS, 3),
        {"outputs": 4},
        lambda: nn.Conv2d(3, 4, 3),
        {"weight": (range(4),), "bias": (range(4),)},
        (2, 3, 5, 5),
        outputs=(range(4), 8),
    ),
    "input width": Case(
        lambda: Conv2d(INPUTS, 4, 3, stride=2, padding=1),
        {"inputs": 2},
        lambda: nn.Conv2d(2, 4, 3, stride=2, padding=1),
        {"weight": (range(4), range(2))},
        (2, 2, 5, 5),
        inputs=(range(2), 6),
    ),
    "widths and kernel": Case(
        lambda: Conv2d(INPUTS, 2 * OUTPUTS, KERNEL, padding=KERNEL // 2),
        {"inputs": 4, "outputs": 4, "kernel": 3},
        lambda: nn.Conv2d(4, 8, 3, padding=1),
        {"weight": (range(8), range(4), range(2, 5), range(2, 5)), "bias": (range(8),)},
        (2, 4, 7, 7),
        inputs=(range(4), 6),
        outputs=(range(8), 16),
    ),
    "width from two choices": Case(
        lambda: Conv2d(3, (INPUTS * FACTOR).map(round), 1),
        {"inputs": 4, "factor": 1.5},
        lambda: nn.Conv2d(3, 6, 1),
        {"weight": (range(6),), "bias": (range(6),)},
        (2, 3, 4, 4),
        outputs=(range(6), 12),
    ),
    "concatenated inputs": Case(
        lambda: Conv2d(concatenate(LEFT, RIGHT), 4, 3, padding=1),
        {"left": 2, "right": 4},
        lambda: nn.Conv2d(6, 4, 3, padding=1),
        {"weight": (range(4), BOTH)},
        (2, 6, 5, 5),
        inputs=(BOTH, 8),
    ),
    "concatenation of tied parts": Case(
        lambda: Conv2d(concatenate(INPUTS, 8 - INPUTS), 4, 1),
        {"inputs": 2},
        lambda: nn.Conv2d(8, 4, 1),
        {"weight": (range(4), [0, 1, 6, 7, 8, 9, 10, 11])},
        (2, 8, 5, 5),
        inputs=([0, 1, 6, 7, 8, 9, 10, 11], 12),
    ),
    "concatenated outputs": Case(
        lambda: Conv2d(3, concatenate(LEFT, RIGHT), 3),
        {"left": 2, "right": 4},
        lambda: nn.Conv2d(3, 6, 3),
        {"weight": (BOTH,), "bias": (BOTH,)},
        (2, 3, 5, 5),
        outputs=(BOTH, 8),
    ),
    "depthwise": Case(
        lambda: Conv2d(INPUTS, INPUTS, KERNEL, padding=KERNEL // 2, groups=INPUTS),
        {"inputs": 4, "kernel": 5},
        lambda: nn.Conv2d(4, 4, 5, padding=2, groups=4),
        {"weight": (range(4), range(1), range(1, 6), range(1, 6)), "bias": (range(4),)},
        (2, 4, 7, 7),
        inputs=(range(4), 6),
        outputs=(range(4), 6),
    ),
    "depthwise after a concatenation": Case(
        lambda: Conv2d(concatenate(LEFT, RIGHT), concatenate(LEFT, RIGHT), 3, groups=concatenate(LEFT, RIGHT)),
        {"left": 2, "right": 4},
        lambda: nn.Conv2d(6, 6, 3, groups=6),
        {"weight": (BOTH,), "bias": (BOTH,)},
        (2, 6, 5, 5),
        inputs=(BOTH, 8),
        outputs=(BOTH, 8),
    ),
    "two filters for each input": Case(
        lambda: Conv2d(INPUTS, 2 * INPUTS, 3, groups=INPUTS),
        {"inputs": 4},
        lambda: nn.Conv2d(4, 8, 3, groups=4),
        {"weight": (range(8), range(1)), "bias": (range(8),)},
        (2, 4, 5, 5),
        mixable=False,
    ),
    "two groups of elastic width": Case(
        lambda: Conv2d(INPUTS, OUTPUTS, 3, groups=2),
        {"inputs": 4, "outputs": 4},
        lambda: nn.Conv2d(4, 4, 3, groups=2),
        {"weight": (range(4), range(2)), "bias": (range(4),)},
        (2, 4, 5, 5),
        mixable=False,
    ),
    "number of groups": Case(
        lambda: Conv2d(8, 4, 3, groups=PARTS),
        {"groups": 2},
        lambda: nn.Conv2d(8, 4, 3, groups=2),
        {"weight": (range(4), range(4))},
        (2, 8, 5, 5),
        mixable=False,
    ),
    "stride": Case(
        lambda: Conv2d(3, 4, 3, stride=Choice([1, 2], name="stride"), padding=1),
        {"stride": 2},
        lambda: nn.Conv2d(3, 4, 3, stride=2, padding=1),
        {},
        (2, 3, 7, 7),
        mixable=False,
    ),
    "dilation": Case(
        lambda: Conv2d(3, 4, 3, dilation=PARTS, padding=PARTS),
        {"groups": 2},
        lambda: nn.Conv2d(3, 4, 3, dilation=2, padding=2),
        {},
        (2, 3, 9, 9),
        mixable=False,
    ),
    "dilated kernels": Case(
        lambda: Conv2d(3, 4, KERNEL, dilation=2, padding=KERNEL - 1),
        {"kernel": 3},
        lambda: nn.Conv2d(3, 4, 3, dilation=2, padding=2),
        {"weight": (range(4), range(3), range(2, 5), range(2, 5))},
        (2, 3, 15, 15),
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_slice(case: Case) -> None:
    check_slice(case)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_extraction(case: Case) -> None:
    check_extraction(case)


MIXABLE = {name: case for name, case in CASES.items() if case.mixable}


@pytest.mark.parametrize("case", MIXABLE.values(), ids=MIXABLE)
def test_one_hot_gates(case: Case) -> None:
    check_one_hot_gates(case)


def test_groups_may_follow_a_choice_that_no_largest_width_fits() -> None:
    pair = Choice([[9, 9, 3], [8, 10, 2]], name="pair")
    widths = [pair.map(itemgetter(position)) for position in range(3)]
    supernet = nas.Supernet(nn.Sequential(Conv2d(widths[0], widths[1], 1, groups=widths[2])))
    for inputs, outputs, groups in ([9, 9, 3], [8, 10, 2]):
        supernet.activate({"pair": [inputs, outputs, groups]})
        network = supernet.extract(supernet.architecture)
        assert repr(network.get_submodule("0")) == repr(nn.Conv2d(inputs, outputs, 1, groups=groups))
        x = torch.randn(1, inputs, 2, 2)
        assert torch.equal(network(x), supernet(x))
