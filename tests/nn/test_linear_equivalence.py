"""Elastic linear layers and embeddings equal the torch layers of the active size."""

import pytest
from slices import Case, check_extraction, check_one_hot_gates, check_slice
from torch import nn

from nas.nn import Embedding, Linear
from nas.space import Choice, concatenate

INPUTS = Choice([3, 5, 6], name="inputs")
OUTPUTS = Choice([2, 4, 7], name="outputs")
LEFT, RIGHT = Choice([2, 3], name="left"), Choice([1, 4, 5], name="right")
BOTH = [0, 1, 3, 4, 5, 6]

CASES = {
    "output width": Case(
        lambda: Linear(3, OUTPUTS),
        {"outputs": 4},
        lambda: nn.Linear(3, 4),
        {"weight": (range(4),), "bias": (range(4),)},
        (5, 3),
        outputs=(range(4), 7),
    ),
    "input width": Case(
        lambda: Linear(INPUTS, 4),
        {"inputs": 3},
        lambda: nn.Linear(3, 4),
        {"weight": (range(4), range(3))},
        (5, 3),
        inputs=(range(3), 6),
    ),
    "both widths of a sequence": Case(
        lambda: Linear(INPUTS, 2 * OUTPUTS, bias=False),
        {"inputs": 5, "outputs": 2},
        lambda: nn.Linear(5, 4, bias=False),
        {"weight": (range(4), range(5))},
        (2, 3, 5),
        dim=-1,
        inputs=(range(5), 6),
        outputs=(range(4), 14),
    ),
    "one choice for both sides": Case(
        lambda: Linear(INPUTS, INPUTS),
        {"inputs": 5},
        lambda: nn.Linear(5, 5),
        {"weight": (range(5), range(5)), "bias": (range(5),)},
        (4, 5),
        inputs=(range(5), 6),
        outputs=(range(5), 6),
    ),
    "concatenation on both sides": Case(
        lambda: Linear(concatenate(LEFT, RIGHT), concatenate(RIGHT, LEFT)),
        {"left": 2, "right": 4},
        lambda: nn.Linear(6, 6),
        {"weight": ([0, 1, 2, 3, 5, 6], BOTH), "bias": ([0, 1, 2, 3, 5, 6],)},
        (4, 6),
        inputs=(BOTH, 8),
        outputs=([0, 1, 2, 3, 5, 6], 8),
    ),
    "embedding": Case(
        lambda: Embedding(5, OUTPUTS),
        {"outputs": 4},
        lambda: nn.Embedding(5, 4),
        {"weight": (range(5), range(4))},
        (3, 7),
        dim=-1,
        outputs=(range(4), 7),
        tokens=True,
    ),
    "embedding with padding": Case(
        lambda: Embedding(5, OUTPUTS, padding_idx=1, scale_grad_by_freq=True),
        {"outputs": 2},
        lambda: nn.Embedding(5, 2, padding_idx=1, scale_grad_by_freq=True),
        {"weight": (range(5), range(2))},
        (3, 7),
        dim=-1,
        outputs=(range(2), 7),
        tokens=True,
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_slice(case: Case) -> None:
    check_slice(case)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_extraction(case: Case) -> None:
    check_extraction(case)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_one_hot_gates(case: Case) -> None:
    check_one_hot_gates(case)
