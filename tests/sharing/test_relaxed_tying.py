"""Layers in a loop with a low-rank difference at each depth."""

from collections.abc import Sequence
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

import nas
from nas.sharing import RelaxedTied, Tied
from nas.sharing.bank import Bank
from search_spaces.transformer_lm import transformer_lm

LENGTH, TOKENS, LAYERS, FULL = 8, 7, 4, 16
"""No matrix has more rows and columns than ``FULL``."""


def decoder(widths: Sequence[int] = (12,), heads: Sequence[int] = (2,), ratios: Sequence[float] = (1.5,)) -> nn.Module:
    torch.manual_seed(0)
    model = transformer_lm(
        (LENGTH,), TOKENS, widths=widths, depths=(LAYERS - 1, LAYERS), heads=heads, head_dim=4, ratios=ratios
    )
    for parameter in model.parameters():  # norms and biases differ, too, as after training
        nn.init.normal_(parameter, 0.0, 0.3)
    return model


def texts() -> Tensor:
    return torch.randint(TOKENS, (4, LENGTH), generator=torch.Generator().manual_seed(0))


def ranks(rank: int) -> dict[str, int]:
    return {f"layers.{layer}.rank": rank for layer in range(LAYERS)}


def output(supernet: nas.Supernet, architecture: dict[str, Any]) -> Tensor:
    supernet.eval().activate(supernet.space.complete({**supernet.space.largest(), **architecture}))
    with torch.no_grad():
        result: Tensor = supernet(texts())
    return result


def differences(supernet: nas.Supernet) -> Bank:
    return cast(Bank, supernet.sharing.differences)


@pytest.mark.parametrize("start", ["average", "stepwise", "lower"])
def test_the_full_rank_is_the_trained_model(start: Any) -> None:
    plain, relaxed = nas.Supernet(decoder()), nas.Supernet(decoder(), RelaxedTied(2, (0, FULL), start))
    torch.testing.assert_close(output(relaxed, ranks(FULL)), output(plain, {}), rtol=1e-4, atol=1e-5)
    missing = output(relaxed, ranks(0)) - output(plain, {})
    assert missing.abs().max() > 0.01


class Block(nn.Module):
    """Adds to its input what a hidden layer makes of it."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.expand, self.project = nn.LayerNorm(6), nn.Linear(6, 12), nn.Linear(12, 6)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.project(self.expand(self.norm(x)).relu())
        return y


def test_a_model_of_ones_own_is_looped_in_the_same_way() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 6), nn.Sequential(*(Block() for _ in range(4))), nn.Linear(6, 3))
    x = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    supernet = nas.Supernet(nas.elastic(model, x), RelaxedTied(2, (0, 6), "average")).eval()
    torch.testing.assert_close(supernet(x), model(x), rtol=1e-4, atol=1e-5)
    tied = {name: 0 for name in supernet.space.choices if name.endswith(".rank")}
    network = supernet.extract(supernet.space.complete({**supernet.space.largest(), **tied}))
    assert len(tied) == 4
    assert sum(each.numel() for each in network.parameters()) == 36 + 2 * (12 + 72 + 12 + 72 + 6) + 21


def test_rank_zero_is_plain_tying() -> None:
    relaxed, tied = nas.Supernet(decoder(), RelaxedTied(2)), nas.Supernet(decoder(), Tied())
    loops = {"layers.1.weights": 1, "layers.2.weights": 0, "layers.3.weights": 1}
    assert torch.equal(output(relaxed, ranks(0)), output(tied, loops))
    torch.manual_seed(1)
    for each, choices in ((relaxed, ranks(0)), (tied, loops)):
        each.activate(each.space.complete({**each.space.largest(), **choices}))
        each(texts()).square().mean().backward()
    for name, parameter in tied.model.named_parameters():
        ours = relaxed.model.get_parameter(name).grad
        assert (parameter.grad is None) == (ours is None)
        assert parameter.grad is None or torch.equal(parameter.grad, cast(Tensor, ours))
    assert all(each.grad is None for each in relaxed.sharing.parameters())


def test_a_fresh_model_begins_without_differences() -> None:
    relaxed = nas.Supernet(decoder(), RelaxedTied(2))
    assert torch.equal(output(relaxed, ranks(0)), output(relaxed, ranks(16)))
    relaxed.train()(texts()).square().mean().backward()
    grad = differences(relaxed)["layers.2.feed_forward.expand.weight.up"].grad
    assert grad is not None and grad.abs().max() > 0


def test_the_shared_weights_are_those_that_it_says() -> None:
    name, model = "feed_forward.expand.weight", decoder()
    own = [model.get_parameter(f"layers.{layer}.{name}").detach().clone() for layer in range(LAYERS)]
    expected = {
        "average": [(own[0] + own[2]) / 2, (own[1] + own[3]) / 2],
        "stepwise": [own[0], own[3]],
        "lower": own[:2],
        "fresh": own[:2],
    }
    for start, tensors in expected.items():
        supernet = nas.Supernet(decoder(), RelaxedTied(2, start=cast(Any, start)))
        for layer, tensor in enumerate(tensors):
            torch.testing.assert_close(supernet.model.get_parameter(f"layers.{layer}.{name}"), tensor)


def test_a_start_from_the_decomposition_is_the_nearest_of_each_rank() -> None:
    """What is left of the residual are its smaller singular values (Eckart and Young)."""
    key, trained = "layers.2.feed_forward.expand.weight", decoder().get_parameter("layers.2.feed_forward.expand.weight")
    supernet = nas.Supernet(decoder(), RelaxedTied(2, (0, 2, 4, FULL), "average"))
    values = torch.linalg.svdvals(trained - supernet.model.get_parameter(key.replace("2", "0"))).detach()
    for rank in (0, 2, 4, FULL):
        supernet.activate(supernet.space.complete({**supernet.space.largest(), **ranks(rank)}))
        with supernet.weights(), torch.no_grad():
            left = trained - cast(Tensor, supernet.model.get_submodule(key.removesuffix(".weight")).weight)
        torch.testing.assert_close(left.norm(), values[rank:].norm(), rtol=1e-4, atol=1e-5)


def test_parameters_are_those_of_the_loop_and_the_factors() -> None:
    supernet, rank = nas.Supernet(decoder(), RelaxedTied(2, (0, 4))), 4
    layer = list(supernet.model.get_submodule("layers.0").parameters())
    rest = sum(p.numel() for name, p in supernet.model.named_parameters() if not name.startswith("layers."))
    loop = 2 * sum(p.numel() for p in layer)
    factors = sum(rank * sum(p.shape) if p.dim() > 1 else len(p) + 1 for p in layer)
    for chosen, more in ((0, 0), (rank, LAYERS * factors)):
        supernet.activate(supernet.space.complete({**supernet.space.largest(), **ranks(chosen)}))
        assert supernet.stored_parameters() == rest + loop + more
    network = supernet.extract(supernet.space.complete({**supernet.space.largest(), **ranks(0)}))
    assert sum(p.numel() for p in network.parameters()) == rest + loop


def test_layers_of_other_sizes_are_stored_as_the_parts_that_they_read() -> None:
    supernet = nas.Supernet(decoder((8, 12), (1, 2), (1, 2)), RelaxedTied(1, (0, 4)))
    small = {**ranks(4), "width": 8, **{f"layers.{n}.{name}": 1 for n in range(LAYERS) for name in ("heads", "ratio")}}
    supernet.activate(supernet.space.complete({**supernet.space.largest(), **small}))
    inner = [(4, 8)] * 3 + [(8, 4)] + [(8, 8)] * 2
    vectors = [4] * 3 + [8] * 7
    one = sum(a * b for a, b in inner) + sum(vectors)
    factors = sum(4 * (a + b) for a, b in inner) + sum(size + 1 for size in vectors)
    assert supernet.stored_parameters() == (TOKENS + LENGTH) * 8 + one + LAYERS * factors + 16 + 9 * TOKENS
    more = {**small, "layers.2.heads": 2}
    supernet.activate(supernet.space.complete({**supernet.space.largest(), **more}))
    extra = (4 * 4 * 8 + 3 * 4) + (4 * 4 * 4 + 3 * 4)  # of the shared projections, and of one layer's differences
    assert supernet.stored_parameters() == (TOKENS + LENGTH) * 8 + one + LAYERS * factors + 16 + 9 * TOKENS + extra


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"unique": 0}, "unique=0; give 1 or more"),
        ({"ranks": []}, r"ranks=\[\]; give ranks of 0 or more"),
        ({"ranks": [0, -1]}, r"ranks=\[0, -1\]"),
        ({"unique": LAYERS}, "there are 4 equal layers, so none would be used twice; give 3 or less"),
        ({"only": "head"}, "no layers can be tied"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(nas.UsageError, match=sentence):
        nas.Supernet(decoder(), RelaxedTied(**options))
