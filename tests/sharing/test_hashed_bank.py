"""Weights read at random places of one bank."""

from typing import Any, cast

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import nas
from nas.sharing import HashedBank, Shared, Sharing
from nas.sharing.bank import Bank
from nas.space import Choice
from search_spaces.transformer_lm import transformer_lm

LENGTH, TOKENS, BLOCK = 8, 7, 5


def supernet_of(sharing: Sharing) -> nas.Supernet:
    torch.manual_seed(0)
    model = transformer_lm((LENGTH,), TOKENS, widths=(8, 12), depths=(1, 2), heads=(1, 2), head_dim=4, ratios=(1, 2))
    return nas.Supernet(model, sharing)


def texts(seed: int = 0) -> Tensor:
    return torch.randint(TOKENS, (4, LENGTH), generator=torch.Generator().manual_seed(seed))


def bank_of(supernet: nas.Supernet) -> Bank:
    return cast(Bank, supernet.sharing.bank)


def places(supernet: nas.Supernet) -> Tensor:
    return torch.cat([each for name, each in bank_of(supernet).named_buffers() if name.endswith("places")])


def train_a_little(supernet: nas.Supernet, optimizer: type[torch.optim.Optimizer]) -> None:
    """The largest network, so that no weight is without a gradient."""
    moves = optimizer(supernet.parameters(), lr=0.01)  # type: ignore[call-arg]
    supernet.activate(supernet.space.largest())
    for number in range(3):
        moves.zero_grad()
        F.cross_entropy(supernet(texts(number)), texts(number + 100)).backward()
        moves.step()


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.AdamW])
def test_a_bank_as_large_as_the_weights_trains_as_weights_of_their_own(optimizer: type[torch.optim.Optimizer]) -> None:
    plain, hashed = supernet_of(Shared()), supernet_of(HashedBank(1.0, BLOCK))
    assert len(places(hashed).unique()) == len(places(hashed))
    for each in (plain, hashed):
        train_a_little(each, optimizer)
    for architecture in (plain.space.largest(), plain.space.smallest()):
        expected = plain.extract(architecture).state_dict()
        for name, tensor in hashed.extract(architecture).state_dict().items():
            assert torch.equal(tensor, expected[name])


@pytest.mark.parametrize("share", [0.1, 0.37, 0.5])
def test_the_bank_has_the_size_that_is_asked_for_and_is_read_evenly(share: float) -> None:
    supernet = supernet_of(HashedBank(share, BLOCK))
    reads = torch.bincount(places(supernet))
    numbers = bank_of(supernet)["numbers"]
    assert numbers.shape == (round(share * len(places(supernet))), BLOCK)
    assert len(reads) == len(numbers)
    assert reads.max() - reads.min() <= 1


def test_places_and_signs_are_those_of_the_seed() -> None:
    first, same, other = (supernet_of(HashedBank(0.3, BLOCK, seed=seed)) for seed in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), same.state_dict().values(), strict=True))
    assert not torch.equal(places(first), places(other))


def test_a_gradient_is_the_sum_over_what_reads_a_place() -> None:
    """Two weights of four numbers read the four of the bank, the second with a sign and a scale of its own."""
    model = nn.Sequential(nas.nn.Linear(2, Choice([1, 2]), bias=False), nn.Linear(2, 2, bias=False))
    with torch.no_grad():
        for layer, size in zip(model, (1.0, 3.0), strict=True):
            cast(nn.Linear, layer).weight.copy_(size * torch.tensor([[1.0, -1.0], [1.0, -1.0]]))
    supernet = nas.Supernet(model, HashedBank(0.5, block=4))
    supernet.activate(supernet.space.largest())
    network, x = supernet.extract(supernet.architecture), torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    for each in (supernet, network):
        each(x).square().sum().backward()
    grads = [cast(Tensor, network.get_parameter(f"{layer}.weight").grad).flatten() for layer in (0, 1)]
    factors = [float(bank_of(supernet)[f"{layer}.weight.factors"]) for layer in (0, 1)]
    assert sorted(map(abs, factors)) in ([1.0, 3.0], [pytest.approx(1 / 3), 1.0])
    expected = sum(factor * grad for factor, grad in zip(factors, grads, strict=True))
    torch.testing.assert_close(cast(Tensor, bank_of(supernet)["numbers"].grad).flatten(), expected)


def test_weights_keep_their_spread() -> None:
    """A place that begins with numbers of one tensor is read by others in their own scale."""
    plain, hashed = supernet_of(Shared()), supernet_of(HashedBank(0.2, BLOCK))
    largest = plain.space.largest()
    spreads = [
        [cast(Tensor, each.extract(largest).get_parameter(name)).std().item() for each in (plain, hashed)]
        for name in ("embedding.tokens.weight", "layers.0.feed_forward.expand.weight")
    ]
    assert spreads[0][0] > 3 * spreads[1][0]
    for own, read in spreads:
        assert read == pytest.approx(own, rel=0.25)


def test_the_bank_is_what_is_stored() -> None:
    supernet = supernet_of(HashedBank(0.3, BLOCK))
    vectors = sum(each.numel() for each in supernet.model.parameters() if each.dim() < 2)
    supernet.activate(supernet.space.largest())
    assert supernet.stored_parameters() == vectors + bank_of(supernet)["numbers"].numel()
    assert supernet.sharing.describe()["numbers"] == bank_of(supernet)["numbers"].numel()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"share": 0}, "share=0; give a number above 0 and at most 1"),
        ({"share": 1.5}, "share=1.5"),
        ({"block": 0}, "block=0; give 1 or more"),
        ({"only": "*.mlp.*"}, r"matches only=\['\*.mlp.\*'\]; name others"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(nas.UsageError, match=sentence):
        supernet_of(HashedBank(**options))
