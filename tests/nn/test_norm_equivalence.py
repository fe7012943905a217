"""Elastic normalisation equals the torch layers of the active size, running statistics included."""

import pytest
import torch
from slices import Case, check_extraction, check_one_hot_gates, check_slice, randomise
from torch import nn

import nas
from nas.nn import BatchNorm2d, GroupNorm, LayerNorm
from nas.space import Choice, concatenate

WIDTH = Choice([4, 6, 8], name="width")
PARTS = Choice([1, 2, 4], name="groups")
LEFT, RIGHT = Choice([2, 3], name="left"), Choice([1, 4, 5], name="right")
BOTH = [0, 1, 3, 4, 5, 6]


def per_channel(indices: "range | list[int]") -> "dict[str, tuple[range | list[int]]]":
    return dict.fromkeys(("weight", "bias", "running_mean", "running_var"), (indices,))


CASES = {
    "batch norm": Case(
        lambda: BatchNorm2d(WIDTH),
        {"width": 6},
        lambda: nn.BatchNorm2d(6),
        per_channel(range(6)),
        (3, 6, 4, 4),
        outputs=(range(6), 8),
        inputs=(range(6), 8),
    ),
    "batch norm of a concatenation": Case(
        lambda: BatchNorm2d(concatenate(LEFT, RIGHT), eps=1e-3, momentum=0.3),
        {"left": 2, "right": 4},
        lambda: nn.BatchNorm2d(6, eps=1e-3, momentum=0.3),
        per_channel(BOTH),
        (3, 6, 4, 4),
        outputs=(BOTH, 8),
        inputs=(BOTH, 8),
    ),
    "batch norm with a cumulative average": Case(
        lambda: BatchNorm2d(WIDTH, momentum=None, affine=False),
        {"width": 4},
        lambda: nn.BatchNorm2d(4, momentum=None, affine=False),
        per_channel(range(4)),
        (3, 4, 4, 4),
        outputs=(range(4), 8),
        inputs=(range(4), 8),
    ),
    "batch norm without statistics": Case(
        lambda: BatchNorm2d(WIDTH, track_running_stats=False),
        {"width": 4},
        lambda: nn.BatchNorm2d(4, track_running_stats=False),
        per_channel(range(4)),
        (3, 4, 4, 4),
        outputs=(range(4), 8),
        inputs=(range(4), 8),
    ),
    "layer norm": Case(
        lambda: LayerNorm(WIDTH),
        {"width": 6},
        lambda: nn.LayerNorm(6),
        per_channel(range(6)),
        (3, 5, 6),
        dim=-1,
        outputs=(range(6), 8),
        inputs=(range(6), 8),
    ),
    "layer norm of a concatenation": Case(
        lambda: LayerNorm([concatenate(LEFT, RIGHT)], eps=1e-2, bias=False),
        {"left": 2, "right": 4},
        lambda: nn.LayerNorm(6, eps=1e-2, bias=False),
        per_channel(BOTH),
        (3, 6),
        dim=-1,
        outputs=(BOTH, 8),
        inputs=(BOTH, 8),
    ),
    "layer norm without parameters": Case(
        lambda: LayerNorm(WIDTH, elementwise_affine=False),
        {"width": 4},
        lambda: nn.LayerNorm(4, elementwise_affine=False),
        {},
        (3, 4),
        dim=-1,
        outputs=(range(4), 8),
        inputs=(range(4), 8),
    ),
    "group norm": Case(
        lambda: GroupNorm(2, WIDTH),
        {"width": 6},
        lambda: nn.GroupNorm(2, 6),
        per_channel(range(6)),
        (3, 6, 4, 4),
        outputs=(range(6), 8),
        inputs=(range(6), 8),
    ),
    "number of groups": Case(
        lambda: GroupNorm(PARTS, 8), {"groups": 2}, lambda: nn.GroupNorm(2, 8), {}, (3, 8, 4), mixable=False
    ),
    "groups that follow the width": Case(
        lambda: GroupNorm(WIDTH // 2, WIDTH, eps=1e-2, affine=False),
        {"width": 6},
        lambda: nn.GroupNorm(3, 6, eps=1e-2, affine=False),
        {},
        (3, 6, 4),
        mixable=False,
    ),
    "group norm of a concatenation": Case(
        lambda: GroupNorm(1, concatenate(LEFT, RIGHT)),
        {"left": 2, "right": 4},
        lambda: nn.GroupNorm(1, 6),
        per_channel(BOTH),
        (3, 6, 4),
        mixable=False,
    ),
}
MIXABLE = {name: case for name, case in CASES.items() if case.mixable}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_slice(case: Case) -> None:
    check_slice(case)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_extraction(case: Case) -> None:
    check_extraction(case)


@pytest.mark.parametrize("case", MIXABLE.values(), ids=MIXABLE)
def test_one_hot_gates(case: Case) -> None:
    check_one_hot_gates(case)


def test_batch_norm_counts_batches_and_leaves_other_channels_alone() -> None:
    torch.manual_seed(0)
    layer = BatchNorm2d(WIDTH)
    randomise(layer)
    supernet = nas.Supernet(nn.Sequential(layer))
    mean = layer.get_buffer("running_mean")
    before = mean.clone()
    for step, width in enumerate((4, 6, 4), start=1):
        supernet.activate({"width": width})
        supernet(torch.randn(2, width, 3, 3))
        assert layer.num_batches_tracked == step
    assert torch.equal(mean[6:], before[6:])
    assert (mean[:6] != before[:6]).all()
    supernet.eval()
    supernet(torch.randn(2, 4, 3, 3))
    assert layer.num_batches_tracked == 3
