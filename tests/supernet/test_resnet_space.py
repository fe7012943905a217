"""The residual space of TAS has the sizes of the papers, and its costs and gates are those of its architectures."""

import itertools
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
import torch
from shipped import INPUT_SHAPE, images, one_hot_gates, perturbed
from torch import Tensor, nn

import nas
from nas.costs import ExpectedCost, StaticCosts
from nas.errors import UsageError
from nas.hardware import Catalogue, feature_table
from nas.nn import SwitchableBatchNorm2d
from nas.space import Architecture
from nas.supernet import Relaxed
from nas.supernet.relaxations import Concrete, SampledSizes
from search_spaces.resnet import resnet


def small(align: str = "interpolate") -> nn.Module:
    return resnet(INPUT_SHAPE, 5, blocks=2, widths=(4, 6), multipliers=(0.5, 1), align=align)  # type: ignore[arg-type]


def taken(supernet: nas.Supernet, architecture: Mapping[str, Any]) -> dict[str, list[int]]:
    """The position of each choice's candidate; of an inactive choice the first."""
    return {
        name: [candidates.index(architecture.get(name, candidates[0]))] for name, candidates in supernet.options.items()
    }


@cache
def flops_of(align: str) -> tuple[nas.Supernet, ExpectedCost]:
    supernet = nas.Supernet(small(align))
    table = feature_table(Catalogue(supernet, INPUT_SHAPE)).part(["flops"])
    return supernet, ExpectedCost(supernet.space, table, dtype=torch.float64)


@pytest.mark.parametrize(("blocks", "layers"), [(3, 20), (5, 32), (9, 56), (18, 110)])
def test_the_published_depths(blocks: int, layers: int) -> None:
    with torch.device("meta"):
        supernet = nas.Supernet(resnet(blocks=blocks))
    network = supernet.extract(supernet.space.largest())
    weighted = [
        name
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear) and "shortcut" not in name
    ]
    assert len(weighted) == layers
    odd = [*range(1, blocks + 1, 2)]
    assert list(supernet.options["stage2.depth"]) == (odd if blocks % 2 else [*odd, blocks])


def test_the_published_widths() -> None:
    with torch.device("meta"):
        supernet = nas.Supernet(resnet())
    assert supernet.options["stage1.width"] == (4, 6, 8, 9, 11, 12, 14, 16)
    assert supernet.options["stage3.1.width"] == (19, 25, 32, 38, 44, 51, 57, 64)
    network = supernet.extract(supernet.space.largest())
    shortcuts = sum(p.numel() for name, p in network.named_parameters() if "shortcut" in name)
    assert sum(p.numel() for p in network.parameters()) - shortcuts == 269_722
    assert set(supernet.space.choices) == {
        f"stage{stage}.{name}" for stage in (1, 2, 3) for name in ("width", "depth", "0.width", "1.width", "2.width")
    }


@pytest.mark.parametrize("size", [4, 8, 15, 16, 28, 32])
def test_it_fits_every_image_size(size: int) -> None:
    supernet = nas.Supernet(resnet((3, size, size), 7))
    for architecture in (supernet.space.smallest(), supernet.space.largest()):
        supernet.activate(architecture)
        assert supernet(torch.randn(2, 3, size, size)).shape == (2, 7)


def test_alignment_makes_no_difference_to_an_architecture() -> None:
    first, second = (perturbed(small(align)).eval() for align in ("interpolate", "pad"))
    second.load_state_dict(first.state_dict())
    for seed in range(5):
        architecture = first.space.sample(seed)
        outputs = [supernet.extract(architecture)(images()) for supernet in (first, second)]
        assert torch.equal(*outputs)


@pytest.mark.parametrize("align", ["interpolate", "pad"])
def test_deterministic_gates_are_the_discrete_path_bit_for_bit(align: str) -> None:
    supernet = perturbed(small(align)).double()
    x = images().double()
    space = supernet.space
    for architecture in (space.smallest(), space.largest(), *(space.sample(seed) for seed in range(4))):
        gates = one_hot_gates(supernet, architecture)
        results = []
        for soft in (False, True):
            supernet.zero_grad()
            supernet.activate(architecture)
            if soft:
                supernet.mix(gates, taken(supernet, architecture))
            y = supernet(x)
            torch.autograd.backward(y.sin().sum())
            results.append((y, {name: p.grad for name, p in supernet.named_parameters()}))
        (expected, gradients), (mixed, ours) = results
        assert torch.equal(mixed, expected)
        for name, gradient in gradients.items():
            assert (gradient is None) == (ours[name] is None)
            assert gradient is None or torch.equal(ours[name], gradient)  # type: ignore[arg-type]


@pytest.mark.parametrize("align", ["interpolate", "pad"])
def test_every_gate_learns_from_two_options(align: str) -> None:
    supernet = perturbed(small(align)).double()
    gates = {
        name: torch.rand(len(options), dtype=torch.float64).softmax(0).requires_grad_()
        for name, options in supernet.options.items()
    }
    supernet.mix(gates)
    torch.autograd.backward(supernet(images().double()).sin().sum())
    for name, gate in gates.items():
        assert gate.grad is not None and gate.grad.all(), name


@pytest.mark.parametrize("align", ["interpolate", "pad"])
def test_expected_flops_of_one_hot_probabilities_are_those_of_the_architecture(align: str) -> None:
    supernet, cost = flops_of(align)
    costs = StaticCosts(supernet, INPUT_SHAPE)
    for architecture in (supernet.space.largest(), *(supernet.space.sample(seed) for seed in range(20))):
        assert cost(one_hot_gates(supernet, architecture)) == costs(architecture)["flops"]


def test_expected_flops_are_the_mean_over_all_architectures() -> None:
    supernet, cost = flops_of("interpolate")
    costs, options = StaticCosts(supernet, INPUT_SHAPE), supernet.options
    torch.manual_seed(0)
    gates = {name: torch.rand(len(each), dtype=torch.float64).softmax(0) for name, each in options.items()}
    known: dict[Architecture, float] = {}
    total = 0.0
    for positions in itertools.product(*(range(len(each)) for each in options.values())):
        chosen = dict(zip(options, positions, strict=True))
        architecture = supernet.space.complete({name: options[name][index] for name, index in chosen.items()})
        if architecture not in known:
            known[architecture] = costs(architecture)["flops"]
        probability = torch.stack([gates[name][index] for name, index in chosen.items()]).prod()
        total += float(probability) * known[architecture]
    assert float(cost(gates)) == pytest.approx(total, rel=1e-12)


def test_the_first_block_of_a_stage_is_always_paid_for() -> None:
    supernet, cost = flops_of("interpolate")
    places = {place.path: place.choices for place in Catalogue(supernet, INPUT_SHAPE).numbers}
    assert "stage1.depth" not in places["stage1.0"]
    assert "stage1.depth" in places["stage1.1"]

    def sensitivity(block: int, depth: Tensor) -> float:
        """How much the cost changes with the width of a block of the first stage."""
        gates = {name: torch.full((len(o),), 1 / len(o)).double() for name, o in supernet.options.items()}
        gates["stage1.depth"] = depth
        gates[f"stage1.{block}.width"] = gates[f"stage1.{block}.width"].requires_grad_()
        (gradient,) = torch.autograd.grad(cost(gates), gates[f"stage1.{block}.width"])
        return float(gradient[1] - gradient[0])

    one, both = torch.tensor([1.0, 0.0]).double(), torch.tensor([0.0, 1.0]).double()
    assert sensitivity(0, one) == sensitivity(0, both) > 0
    assert sensitivity(1, one) == 0 < sensitivity(1, both)
    assert sensitivity(1, 0.25 * one + 0.75 * both) == pytest.approx(0.75 * sensitivity(1, both))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"blocks": 0}, "blocks=0"),
        ({"multipliers": (0.5, 1.5)}, "1.5 among its multipliers"),
        ({"align": "interpolat"}, "did you mean 'interpolate'"),
    ],
)
def test_refusals(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resnet(INPUT_SHAPE, 5, **arguments)


def test_two_sampled_widths_alone_run() -> None:
    supernet = nas.Supernet(resnet(INPUT_SHAPE, 5, blocks=2, widths=(8, 16), multipliers=(0.25, 0.5, 0.75, 1)))
    relaxed = Relaxed(supernet, SampledSizes(), seed=0, depths=Concrete())
    norms = [module for module in supernet.modules() if isinstance(module, SwitchableBatchNorm2d)]
    for step in range(3):
        relaxed.follow(relaxed.draw(step, 0.5))
        assert norms and all(len(norm.widths.values) <= 2 for norm in norms)
        assert supernet(images()).shape == (4, 5)
