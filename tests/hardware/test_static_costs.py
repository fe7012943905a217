"""Costs read off the supernet are those of the network that is extracted from it."""

from collections.abc import Callable

import pytest
from torch import Tensor, nn

import nas
from nas.hardware import StaticCosts, parameters, trace
from search_spaces.chain import chain
from search_spaces.mobilenet import mobilenet
from search_spaces.nasbench201 import nasbench201

SHAPE = (3, 16, 16)
MODELS: dict[str, Callable[[], nn.Module]] = {
    "mobilenet": lambda: mobilenet(SHAPE, 10, widths=(8, 16), strides=(1, 2), depths=(1, 2), stem=8, head=16),
    "chain": lambda: chain(SHAPE, 10, layers=(2, 2), width=8, head=16),
    "nasbench201": lambda: nasbench201(SHAPE, 10, width=4, cells=1),
}


def true_costs(network: nn.Module, shape: tuple[int, ...]) -> dict[str, int]:
    traced = trace(network, shape)
    return {"params": parameters(network), "flops": traced.flops, "peak_memory_bytes": traced.peak_memory_bytes}


@pytest.mark.parametrize("name", MODELS)
def test_costs_are_those_of_the_extracted_network(name: str) -> None:
    supernet = nas.Supernet(MODELS[name]())
    costs, space = StaticCosts(supernet, SHAPE), supernet.space
    drawn = [space.largest(), space.smallest(), *(space.sample(number) for number in range(12))]
    for architecture in drawn:
        assert costs(architecture) == true_costs(supernet.extract(architecture), SHAPE)
    assert len({str(costs(architecture)) for architecture in drawn}) > 4


def test_a_block_is_traced_once_for_the_choices_it_reads_and_its_input(monkeypatch: pytest.MonkeyPatch) -> None:
    supernet = nas.Supernet(MODELS["chain"]())
    costs, space = StaticCosts(supernet, SHAPE), supernet.space
    traced: list[object] = []

    def counted(network: nn.Module, shape: tuple[int, ...]) -> object:
        traced.append(network)
        return trace(network, shape)

    monkeypatch.setattr("nas.hardware.costs.trace", counted)
    table = [costs(architecture) for architecture in space]
    assert len(table) == 3**4
    assert len(traced) == 3 + 4 * 3
    assert [costs(architecture) for architecture in space] == table
    assert len(traced) == 3 + 4 * 3


def test_blocks_follow_the_active_sequence_and_add_up() -> None:
    supernet = nas.Supernet(MODELS["mobilenet"]())
    costs = StaticCosts(supernet, SHAPE)
    largest, smallest = costs.blocks(supernet.space.largest()), costs.blocks(supernet.space.smallest())
    assert [block.path for block in smallest] == ["stem", "stage1.0", "stage2.0", "head", "classifier"]
    assert [block.path for block in largest][1:5] == ["stage1.0", "stage1.1", "stage2.0", "stage2.1"]
    assert [block.kind for block in smallest][1] == "InvertedResidual"
    total = costs(supernet.space.largest())
    assert sum(sum(block.parts.values()) for block in largest) == total["params"]
    assert largest[-1].trace.output_shape == (10,)


def test_weights_that_blocks_share_count_once() -> None:
    tied = nn.Linear(5, 5)
    width = nas.Choice([2, 5], name="width")
    elastic = nas.nn.Linear(5, width)
    again = nas.nn.Linear(width, 5)
    supernet = nas.Supernet(nn.Sequential(tied, elastic, again, tied, elastic, again))
    costs = StaticCosts(supernet, (5,))
    for chosen, inner in ((2, 5 * 2 + 2 + 2 * 5 + 5), (5, 5 * 5 + 5 + 5 * 5 + 5)):
        assert costs({"width": chosen})["params"] == 5 * 5 + 5 + inner
        assert costs({"width": chosen}) == true_costs(supernet.extract({"width": chosen}), (5,))


def test_one_parameter_in_two_layers_counts_once() -> None:
    first, second = nn.Linear(5, 5, bias=False), nn.Linear(5, 5, bias=False)
    second.weight = first.weight
    supernet = nas.Supernet(nn.Sequential(first, nas.nn.OneOf({"tied": second, "none": nn.Identity()})))
    costs = StaticCosts(supernet, (5,))
    for architecture in supernet.space:
        assert costs(architecture)["params"] == 25
        assert costs(architecture) == true_costs(supernet.extract(architecture), (5,))


class Summed(nn.Module):
    """A model that is no sequence, so one block."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nas.nn.Linear(4, nas.Choice([3, 6], name="width"))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.hidden(x) + self.hidden(x * 2)
        return y


def test_a_model_that_is_no_sequence() -> None:
    supernet = nas.Supernet(Summed())
    costs = StaticCosts(supernet, (4,))
    for architecture in supernet.space:
        assert [block.path for block in costs.blocks(architecture)] == [""]
        assert costs(architecture) == true_costs(supernet.extract(architecture), (4,))
