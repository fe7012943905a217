"""What elastic recurrent layers are slices of, and how they may be called."""

import copy

import pytest
import torch
from slices import randomise
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

import nas
from nas.space import Choice

HIDDEN, INPUTS = Choice([3, 5], name="hidden"), Choice([2, 4], name="inputs")


def supernet_of(kind: str, inputs: Choice | int = INPUTS) -> nas.Supernet:
    torch.manual_seed(0)
    supernet = nas.Supernet(nn.Sequential(getattr(nas.nn, kind)(inputs, HIDDEN, 2, bidirectional=True)))
    randomise(supernet)
    return supernet


@pytest.mark.parametrize(("kind", "gates"), [("GRU", 3), ("LSTM", 4)])
def test_a_smaller_state_is_the_leading_units_of_each_gate(kind: str, gates: int) -> None:
    supernet = supernet_of(kind)
    layer, plain = supernet.model[0], supernet.extract({"hidden": 3, "inputs": 2})[0]
    rows = [5 * gate + unit for gate in range(gates) for unit in range(3)]
    assert type(plain) is getattr(nn, kind)
    assert repr(plain) == f"{kind}(2, 3, num_layers=2, bidirectional=True)"
    for name, parameter in plain.named_parameters():
        whole = layer.get_parameter(name)[rows]
        columns = {"weight_ih_l0": [0, 1], "weight_ih_l1": [0, 1, 2, 5, 6, 7], "weight_hh_l0": range(3)}
        taken = columns.get(name.removesuffix("_reverse"), range(3))
        assert torch.equal(parameter, whole[:, list(taken)] if whole.dim() > 1 else whole), name


@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_sequences_may_be_packed_or_alone(kind: str) -> None:
    supernet = supernet_of(kind, 4)
    supernet.activate({"hidden": 3})
    network, x = supernet.extract(supernet.architecture), torch.randn(5, 2, 4)
    packed = pack_padded_sequence(x, torch.tensor([5, 3]))
    assert torch.equal(supernet.model(packed)[0].data, network(packed)[0].data)
    assert torch.equal(supernet(x[:, 0])[0], network(x[:, 0])[0])
    before: Tensor = supernet(x)[0]
    assert torch.equal(copy.deepcopy(supernet)(x)[0], before)


def test_a_state_to_begin_with_has_the_active_size() -> None:
    supernet = supernet_of("GRU", 4)
    supernet.activate({"hidden": 3})
    x, state = torch.randn(5, 2, 4), torch.randn(4, 2, 3)
    assert torch.equal(supernet.model[0](x, state)[0], supernet.extract(supernet.architecture)[0](x, state)[0])
