"""The expected cost under soft gates is exact, and differentiable in every gate that matters."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import nas
from nas.costs import ExpectedCost
from nas.errors import UsageError
from nas.hardware import Catalogue, feature_table
from nas.nn import Cell, OneOf, Repeat, Zero
from nas.predictors import ArchitecturePredictor, BlockTable, BlockValues, Encoding, LookupPredictor
from nas.space import Architecture, Choice, Space
from search_spaces.chain import chain
from search_spaces.mobilenet import mobilenet
from search_spaces.nasbench201 import nasbench201

SHAPE = (1, 8, 8)


def conv(kernel: int) -> nn.Conv2d:
    return nn.Conv2d(1, 1, kernel, padding=kernel // 2)


def small() -> nn.Module:
    """Depth, a nested choice, a tied one, and a cell that is not always run."""
    tie, kernel = Choice([0, 1, 2], name="tie"), Choice([1, 3], name="kernel")
    elastic = nas.nn.Conv2d(1, 1, kernel, padding=kernel // 2)
    either = OneOf([nn.Identity(), elastic, Repeat([conv(3), conv(5)], Choice([0, 2], name="inner"))], tie)
    cell = Cell(
        {(0, 1): OneOf([Zero(), conv(1), conv(3)], tie), (1, 2): OneOf([Zero(), conv(5)], Choice([0, 1], name="out"))}
    )
    return nn.Sequential(conv(3), Repeat([either, cell], Choice([0, 1, 2], name="depth")))


def plain_layers_behind_widths() -> nn.Module:
    """A block's cost is decided by choices of the layers before it."""
    first, second = Choice([2, 4, 8], name="first"), Choice([2, 6], name="second")
    unpadded = OneOf([conv(1), nn.MaxPool2d(2)], Choice([0, 1], name="pool"))
    wide = [nas.nn.Conv2d(1, first, 1), nn.GELU(), nas.nn.Conv2d(first, second, 3), nn.GELU(), nn.AvgPool2d(2)]
    return nn.Sequential(unpadded, *wide)


MODELS: dict[str, Callable[[], nn.Module]] = {
    "mobilenet": lambda: mobilenet(
        SHAPE, 5, widths=(16, 24), strides=(1, 2), depths=(1, 2), expansions=(1, 2), stem=8, head=8
    ),
    "chain": lambda: chain(SHAPE, 5, layers=(2, 2), width=4, head=8),
    "nasbench201": lambda: nasbench201(SHAPE, 5, width=4),
    "small": small,
    "plain": plain_layers_behind_widths,
}


def fitted(supernet: nas.Supernet) -> ArchitecturePredictor:
    """A lookup predictor fitted to invented latencies of the blocks."""
    space, rng = supernet.space, np.random.default_rng(0)
    catalogue = Catalogue(supernet, SHAPE)
    table = feature_table(catalogue, rng.uniform(0.01, 0.1, len(catalogue.blocks)))
    columns = ("ms", "blocks", "live ms", "live blocks", "merges", "constants")
    encoding = Encoding(space, table.part([name for name in columns if name in table.columns]))
    samples = [space.sample(number) for number in range(30)]
    values = 0.3 + encoding(samples)[:, encoding.one_hot] * rng.uniform(0.8, 1.2, len(samples))
    return ArchitecturePredictor("lookup", encoding, LookupPredictor(encoding.one_hot)).fit(samples, values)


def one_hot(space: Space, architecture: Architecture, seed: int | None = None) -> dict[str, Tensor]:
    """Its gates; those of inactive choices are random, or ones where there is no seed."""
    random = torch.Generator().manual_seed(seed or 0)
    gates = {}
    for name, candidates in space.choices.items():
        if name in architecture:
            gates[name] = torch.eye(len(candidates))[space.indices([architecture])[0, list(space.choices).index(name)]]
        else:
            gates[name] = torch.rand(len(candidates), generator=random).softmax(0)
    return gates


@pytest.mark.parametrize("name", MODELS)
def test_one_hot_gates_cost_what_the_predictor_says_whatever_inactive_gates_are(name: str) -> None:
    supernet = nas.Supernet(MODELS[name]())
    predictor, space = fitted(supernet), supernet.space
    cost = ExpectedCost(space, *predictor.sums())
    architectures = [space.largest(), space.smallest(), *(space.sample(number) for number in range(60))]
    for architecture, mean in zip(architectures, predictor.predict(architectures)[0], strict=True):
        assert float(cost(one_hot(space, architecture, 1))) == pytest.approx(mean, rel=1e-5)
        assert float(cost(one_hot(space, architecture, 2))) == pytest.approx(mean, rel=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_soft_gates_give_the_expectation_over_the_product_of_their_laws(seed: int) -> None:
    supernet = nas.Supernet(small())
    predictor, space = fitted(supernet), supernet.space
    random = torch.Generator().manual_seed(seed)
    gates = {
        name: (2 * torch.randn(len(each), generator=random, dtype=torch.float64)).softmax(0)
        for name, each in space.choices.items()
    }
    rows = list(itertools.product(*(range(len(each)) for each in space.choices.values())))
    chances = [math.prod(float(gate[i]) for gate, i in zip(gates.values(), row, strict=True)) for row in rows]
    means = predictor.predict(space.from_indices(rows))[0]
    expected = float(np.dot(chances, means))
    assert float(ExpectedCost(space, *predictor.sums(), dtype=torch.float64)(gates)) == pytest.approx(
        expected, rel=1e-12
    )
    assert float(ExpectedCost(space, *predictor.sums())(gates)) == pytest.approx(expected, rel=1e-5)


def test_gradients_are_those_of_finite_differences() -> None:
    supernet = nas.Supernet(small())
    space = supernet.space
    cost = ExpectedCost(space, *fitted(supernet).sums(), dtype=torch.float64)
    logits = [torch.randn(len(each), dtype=torch.float64, requires_grad=True) for each in space.choices.values()]

    def expected(*logits: Tensor) -> Tensor:
        result: Tensor = cost({name: each.softmax(0) for name, each in zip(space.choices, logits, strict=True)})
        return result

    assert torch.autograd.gradcheck(expected, logits)


@pytest.mark.parametrize("name", MODELS)
def test_a_gradient_reaches_every_gate(name: str) -> None:
    supernet = nas.Supernet(MODELS[name]())
    cost = ExpectedCost(supernet.space, *fitted(supernet).sums())
    gates = {
        name: torch.full((len(each),), 1 / len(each)).requires_grad_() for name, each in supernet.space.choices.items()
    }
    cost(gates).backward()
    for choice, gate in gates.items():
        assert gate.grad is not None, choice
        assert gate.grad.std() > 0, f"the candidates of {choice} cost different times"


def test_float64_keeps_all_digits_and_a_state_dict_stays_empty() -> None:
    space = Space({"kernel": [3, 5]})
    table = BlockTable(["ms"], [BlockValues((0,), np.array([[1 / 3], [2 / 3], [0.0]]))])
    cost = ExpectedCost(space, table, 0.1, dtype=torch.float64)
    assert cost({"kernel": torch.tensor([1.0, 0.0])}).item() == 1 / 3 + 0.1
    assert not cost.state_dict()
    assert ExpectedCost(space, table)({"kernel": torch.tensor([1.0, 0.0]).double()}).dtype == torch.float32


def test_mistakes_get_a_sentence() -> None:
    space = Space({"kernel": [3, 5]})
    table = BlockTable(["ms", "mj"], [BlockValues((0,), np.ones((3, 2)))])
    with pytest.raises(UsageError, match="one column, but this one has 2: ms, mj"):
        ExpectedCost(space, table)
    cost = ExpectedCost(space, table.part(["ms"]))
    for gates in ({}, {"kernel": torch.ones(3)}, {"kernel": torch.ones(2, 2)}):
        with pytest.raises(UsageError, match="choice 'kernel' needs a tensor of 2 gate weights"):
            cost(gates)
