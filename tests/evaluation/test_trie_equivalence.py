"""A population evaluated as a trie gives, bit for bit, what its members give one at a time."""

import random

import pytest
import torch
from tiny_nets import MODELS, blobs, rows, scramble, supernet
from torch import Tensor, nn

import nas
from nas.evaluation import SharedWeights, Trie

every_model = pytest.mark.parametrize("name", MODELS)


def population(space: nas.Space, size: int, seed: int = 0) -> list[nas.Architecture]:
    """Random architectures in random order, some of them twice, the extremes among them."""
    drawn = [space.sample([seed, number]) for number in range(size)]
    drawn += [space.largest(), space.smallest(), drawn[0], drawn[1]]
    random.Random(seed).shuffle(drawn)
    return drawn


@every_model
def test_a_population_equals_its_members_one_by_one(name: str) -> None:
    network, data = supernet(name), blobs()
    architectures = population(network.space, 20)
    together, alone = SharedWeights(network, data, 64, 32), SharedWeights(network, data, 64, 32)
    assert rows(together, architectures) == [rows(alone, [each])[0] for each in architectures]
    assert together.blocks < together.blocks_alone == alone.blocks


@every_model
def test_the_order_of_a_population_does_not_matter(name: str) -> None:
    network, data = supernet(name), blobs()
    architectures = population(network.space, 10)
    forward = rows(SharedWeights(network, data, 64, 32), architectures)
    backward = rows(SharedWeights(network, data, 64, 32), architectures[::-1])
    assert forward == backward[::-1]


def test_different_architectures_differ_and_duplicates_agree() -> None:
    network, data = supernet("mobilenet"), blobs()
    a, b = network.space.smallest(), network.space.largest()
    first, second, third = rows(SharedWeights(network, data, 64, 32), [a, b, a])
    assert first == third != second


def test_a_duplicate_costs_nothing() -> None:
    network = supernet("chain")
    a = network.space.largest()
    assert Trie(network, [a, a, a]).blocks == Trie(network, [a]).blocks == Trie(network, [a]).blocks_alone


@every_model
def test_a_trie_with_statistics_of_its_own_leaves_those_of_the_supernet(name: str) -> None:
    network, data = supernet(name), blobs()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    buffers = {key: value.data_ptr() for key, value in network.named_buffers()}
    SharedWeights(network, data, 64, 32)(population(network.space, 6))
    after = network.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in before.items())
    assert buffers == {key: value.data_ptr() for key, value in network.named_buffers()}


@every_model
def test_what_was_evaluated_before_does_not_matter(name: str) -> None:
    data = blobs()
    network = supernet(name)
    a, b = network.space.sample(1), network.space.sample(2)
    evaluator = SharedWeights(network, data, 64, 32)
    evaluator([a])
    assert rows(evaluator, [b]) == rows(SharedWeights(supernet(name), data, 64, 32), [b])


def test_statistics_are_put_back_when_a_block_fails() -> None:
    network = supernet("chain").eval()
    trie = Trie(network, [network.space.largest()])
    before = {key: value.data_ptr() for key, value in network.named_buffers()}
    with pytest.raises(RuntimeError):
        trie.calibrate([torch.zeros(2, 3, 8, 8)])
    assert before == {key: value.data_ptr() for key, value in network.named_buffers()}
    assert not any(module.training for module in network.modules())


class AddInPlace(nn.Module):
    """A candidate that writes over its input."""

    def __init__(self, amount: float) -> None:
        super().__init__()
        self.amount = amount

    def forward(self, x: Tensor) -> Tensor:
        return x.add_(self.amount)


def test_a_block_that_works_in_place_does_not_corrupt_its_siblings() -> None:
    choices = [nas.nn.OneOf({str(k): AddInPlace(10.0**-level * k) for k in (1, 2, 3)}) for level in range(3)]
    network = nas.Supernet(nn.Sequential(nn.Flatten(), *choices))
    trie = Trie(network, list(network.space))
    outputs = trie.outputs(torch.zeros(1, 1))
    expected = [sum(10.0**-level * int(k) for level, k in enumerate(a.values())) for a in network.space]
    assert [round(float(output), 3) for output in outputs] == [round(value, 3) for value in expected]


def test_a_candidate_that_ends_where_another_goes_on_keeps_its_output() -> None:
    network = nas.Supernet(nn.Sequential(nas.nn.Repeat([AddInPlace(1.0) for _ in range(3)], nas.Choice([1, 2, 3]))))
    outputs = Trie(network, list(network.space)).outputs(torch.zeros(1, 1))
    assert [float(output) for output in outputs] == [1.0, 2.0, 3.0]


class Residual(nn.Module):
    """A model whose forward is no sequence."""

    def __init__(self, norm: bool) -> None:
        super().__init__()
        width = nas.Choice([2, 4, 6], name="width")
        kernel = nas.Choice([1, 3], name="kernel")
        self.stem = nn.Conv2d(1, 6, 3)
        self.wide = nas.nn.Conv2d(6, width, kernel, padding=kernel // 2)
        self.norm = nas.nn.BatchNorm2d(width) if norm else nn.Identity()
        self.back = nas.nn.Conv2d(width, 6, 1)
        self.head = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = x + self.back(self.norm(self.wide(x)).relu())
        y: Tensor = self.head(x.mean((2, 3)))
        return y


@pytest.mark.parametrize("norm", [True, False], ids=["batch norm", "no batch norm"])
def test_a_forward_that_is_a_chain_of_modules_is_shared_up_to_where_candidates_differ(norm: bool) -> None:
    torch.manual_seed(0)
    network, data = scramble(nas.Supernet(Residual(norm), input_shape=(1, 6, 6))), blobs()
    architectures = list(network.space)
    together, alone = SharedWeights(network, data, 64, 32), SharedWeights(network, data, 64, 32)
    found = rows(together, architectures)
    assert found == [rows(alone, [each])[0] for each in architectures]
    stem, apart = 1, 2 * len(architectures)
    assert (together.blocks, together.blocks_alone) == (stem + apart, 3 * len(architectures))
    assert len({str(row) for row in found}) == len(architectures)


def test_a_block_that_is_there_twice_reads_its_choices_in_both_places() -> None:
    torch.manual_seed(0)
    width = nas.Choice([1, 3], name="width")
    block = nn.Sequential(nas.nn.Linear(4, width), nas.nn.Linear(width, 4))
    fixed = nn.Linear(4, 4)
    network = nas.Supernet(nn.Sequential(block, nas.nn.OneOf({"a": fixed, "b": nn.Identity()}), block, fixed))
    x, architectures = torch.randn(5, 4), list(network.space)
    for architecture, output in zip(architectures, Trie(network, architectures).outputs(x), strict=True):
        assert torch.equal(output, network.extract(architecture)(x))
