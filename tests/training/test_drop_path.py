"""Operations that are dropped per example: how often, how scaled, where, and that nothing stays behind."""

from collections import OrderedDict

import pytest
import torch
from torch import nn

import nas
from nas.nn import Cell, OneOf, Repeat, Zero
from nas.space import Choice
from nas.training import Context, Recipe
from nas.training.drop_path import DropPath, RisingDropPath, cell_edges
from search_spaces.nasbench201 import nasbench201

ONES = torch.ones(20_000, 2, 1, 1)


def scale() -> nn.Module:
    """Doubles its input."""
    layer = nn.Conv2d(2, 2, 1, groups=2, bias=False)
    nn.init.constant_(layer.weight, 2.0)
    return layer


def test_whole_examples_are_dropped_and_the_rest_is_scaled() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(scale())
    with DropPath(network, ["0"]) as drop:
        drop.rate = 0.2
        output = network(ONES).detach()
    assert torch.equal(output[:, 0], output[:, 1]), "all channels of an example together"
    assert output.unique().tolist() == [0.0, 2.5]
    assert float((output == 0).float().mean()) == pytest.approx(0.2, abs=0.01)
    assert float(output.mean()) == pytest.approx(2, abs=0.03)


def test_a_dropped_operation_learns_nothing_from_that_example() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(scale())
    x = torch.ones(50, 2, 1, 1, requires_grad=True)
    with DropPath(network, ["0"]) as drop:
        drop.rate = 0.5
        output = network(x)
    output.sum().backward()
    assert x.grad is not None and torch.equal(x.grad == 0, output == 0)


@pytest.mark.parametrize("case", ["evaluation", "rate 0", "closed"])
def test_nothing_is_dropped(case: str) -> None:
    network = nn.Sequential(scale()).train(case != "evaluation")
    expected = network(ONES)
    state = torch.get_rng_state()
    with DropPath(network, ["0"]) as drop:
        drop.rate = 0.0 if case == "rate 0" else 0.5
        if case != "closed":
            assert torch.equal(network(ONES), expected)
    assert torch.equal(network(ONES), expected)
    assert torch.equal(torch.get_rng_state(), state), "and no random number is drawn"


def test_identities_stay_and_a_module_at_two_paths_is_dropped_once() -> None:
    twice = scale()
    network = nn.Sequential(OrderedDict(skip=nn.Identity(), one=twice, two=twice))
    with DropPath(network, ["skip", "one", "two"]) as drop:
        assert drop.operations == [twice]
        assert len(twice._forward_hooks) == 1
    assert not any(module._forward_hooks for module in network.modules())


def test_hooks_are_gone_after_an_error() -> None:
    network = nn.Sequential(scale())
    with pytest.raises(KeyboardInterrupt), DropPath(network, ["0"]):
        raise KeyboardInterrupt
    assert not network[0]._forward_hooks


def test_the_rate_rises_epoch_by_epoch() -> None:
    network = nn.Sequential(scale(), nn.Flatten())
    drop = DropPath(network, ["0"])
    rising, rates = RisingDropPath(drop, 0.2), []
    for epoch in range(4):
        rising.before_step(Context(3 * epoch, recipe_epoch=epoch, recipe=Recipe(epochs=4)))
        rates.append(drop.rate)
    assert rates == pytest.approx([0.0, 0.05, 0.1, 0.15])
    assert rising.record() == {"drop_path": drop.rate}


def test_the_edges_of_cells_are_found_in_the_extracted_network() -> None:
    supernet = nas.Supernet(nasbench201((1, 8, 8), 4, width=4, cells=2))
    architecture = supernet.space.architecture(
        {
            "edge_0_1": "nor_conv_3x3",
            "edge_0_2": "none",
            "edge_1_2": "skip_connect",
            "edge_0_3": "nor_conv_1x1",
            "edge_1_3": "none",
            "edge_2_3": "avg_pool_3x3",
        }
    )
    before, network = supernet.architecture, supernet.extract(architecture)
    edges = cell_edges(supernet.model, network)
    cells = [f"cell{stage}_{index}" for stage in range(3) for index in range(2)]
    assert sorted(edges) == sorted(f"{cell}.edge_{edge}" for cell in cells for edge in ("0_1", "1_2", "0_3", "2_3"))
    assert supernet.architecture == before
    drop = DropPath(network, edges)
    assert len(drop.operations) == 3 * len(cells), "the skip connection is never dropped"


def test_cells_inside_choices_are_found_where_extraction_puts_them() -> None:
    inner = Choice([0, 1], name="inner")

    def cell() -> Cell:
        return Cell({(0, 1): OneOf([scale(), Zero()], inner)})

    choice = OneOf({"cell": cell(), "alone": scale()}, Choice(["cell", "alone"], name="outer"))
    supernet = nas.Supernet(nn.Sequential(choice, Repeat([cell(), cell()], Choice([1, 2], name="depth"))))
    a = {"outer": "cell", "inner": 0, "depth": 1}
    assert cell_edges(supernet.model, supernet.extract(a)) == ["0.edge_0_1", "1.0.edge_0_1"]
    assert cell_edges(supernet.model, supernet.extract({**a, "outer": "alone", "depth": 2})) == [
        "1.0.edge_0_1",
        "1.1.edge_0_1",
    ]


def test_what_is_dropped_changes_the_output_of_a_real_cell() -> None:
    supernet = nas.Supernet(nasbench201((1, 8, 8), 4, width=4, cells=1))
    network = supernet.extract(supernet.space.largest())
    x = torch.randn(16, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with DropPath(network, cell_edges(supernet.model, network)) as drop:
        expected = network(x)
        drop.rate = 0.5
        assert not torch.allclose(network(x), expected)
    assert torch.equal(network(x), expected)
