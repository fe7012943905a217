"""Projections of attention as sums of atoms that all layers share."""

from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

import nas
from nas.sharing import AttentionAtoms
from nas.sharing.bank import Bank
from search_spaces.transformer_lm import transformer_lm

LENGTH, TOKENS, LAYERS = 8, 7, 6
KINDS = [f"attention.{name}_weight" for name in ("query", "key", "value", "out")]


def decoder(widths: tuple[int, ...] = (8,), heads: tuple[int, ...] = (2,)) -> nn.Module:
    torch.manual_seed(0)
    model = transformer_lm(
        (LENGTH,), TOKENS, widths=widths, depths=(LAYERS - 1, LAYERS), heads=heads, head_dim=4, ratios=(1,)
    )
    for parameter in model.parameters():
        nn.init.normal_(parameter, 0.0, 0.3)
    return model


def texts() -> Tensor:
    return torch.randint(TOKENS, (4, LENGTH), generator=torch.Generator().manual_seed(0))


def shared(supernet: nas.Supernet) -> Bank:
    return cast(Bank, supernet.sharing.shared)


def coefficients(supernet: nas.Supernet, kind: str) -> Tensor:
    return torch.stack([shared(supernet)[f"layers.{layer}.{kind}.coefficients"] for layer in range(LAYERS)])


def weights(supernet: nas.Supernet, kind: str) -> list[Tensor]:
    with supernet.weights():
        attentions = [supernet.model.get_submodule(f"layers.{layer}.attention") for layer in range(LAYERS)]
        return [cast(Tensor, getattr(each, kind.removeprefix("attention."))).detach() for each in attentions]


def test_an_atom_for_each_layer_is_the_plain_model() -> None:
    plain, supernet = nas.Supernet(decoder()), nas.Supernet(decoder(), AttentionAtoms([LAYERS]))
    with torch.no_grad():
        for kind in KINDS:
            for layer, one in enumerate(torch.eye(LAYERS)):
                shared(supernet)[f"layers.{layer}.{kind}.coefficients"].copy_(one)
    for depth in (LAYERS - 1, LAYERS):
        for each in (plain, supernet):
            each.activate(each.space.complete({"depth": depth}))
        torch.testing.assert_close(supernet(texts()), plain(texts()))


@pytest.mark.parametrize("taken", [1, 2, 4, LAYERS])
def test_trained_atoms_are_the_nearest_to_the_weights(taken: int) -> None:
    """The squares of the smaller singular values are left, less than the best that random atoms can do."""
    model, supernet = decoder(), nas.Supernet(decoder(), AttentionAtoms([1, 2, 4, LAYERS], start="trained"))
    supernet.activate(supernet.space.complete({"atoms": taken}))
    for kind in KINDS:
        own = torch.stack([model.get_parameter(f"layers.{layer}.{kind}").detach() for layer in range(LAYERS)])
        left = (own - torch.stack(weights(supernet, kind))).norm()
        torch.testing.assert_close(left, torch.linalg.svdvals(own.flatten(1))[taken:].norm(), rtol=1e-4, atol=1e-5)
        random = torch.randn(taken, own[0].numel(), generator=torch.Generator().manual_seed(1))
        fitted = torch.linalg.lstsq(random.T, own.flatten(1).T).solution.T @ random
        assert taken == LAYERS or left < (own.flatten(1) - fitted).norm()


def test_the_gradient_of_an_atom_is_that_of_the_layers_by_their_coefficients() -> None:
    supernet = nas.Supernet(decoder(), AttentionAtoms([2, 3]))
    architecture = supernet.space.complete({**supernet.space.largest(), "atoms": 2})
    network = supernet.extract(architecture)
    supernet.activate(architecture)
    for each in (supernet, network):
        each(texts()).square().mean().backward()
    for kind in KINDS:
        plain = kind.removesuffix("_weight") + ".weight"
        grads = [cast(Tensor, network.get_parameter(f"layers.{layer}.{plain}").grad) for layer in range(LAYERS)]
        expected = torch.einsum("ls,loi->soi", coefficients(supernet, kind)[:, :2].detach(), torch.stack(grads))
        grad = cast(Tensor, shared(supernet)[kind].grad)
        torch.testing.assert_close(grad[:2], expected)
        assert not grad[2:].any()


def test_fresh_weights_are_as_large_as_those_of_layers_of_their_own() -> None:
    plain, supernet = decoder(), nas.Supernet(decoder(), AttentionAtoms([3], seed=1))
    for kind in KINDS:
        rows = coefficients(supernet, kind)
        torch.testing.assert_close(rows.T @ rows, torch.eye(3) * LAYERS / 3)
        own = torch.stack([plain.get_parameter(f"layers.{layer}.{kind}") for layer in range(LAYERS)]).detach()
        assert torch.stack(weights(supernet, kind)).std() == pytest.approx(float(own.std()), rel=0.25)
    other = nas.Supernet(decoder(), AttentionAtoms([3], seed=2))
    assert not torch.equal(coefficients(other, KINDS[0]), coefficients(supernet, KINDS[0]))
    assert not torch.equal(coefficients(supernet, KINDS[1]), coefficients(supernet, KINDS[0]))


def test_coefficients_have_no_weight_decay() -> None:
    supernet = nas.Supernet(decoder(), AttentionAtoms())
    (decayed, plain) = nas.training.Recipe(weight_decay=0.1).make_optimizer(supernet).param_groups
    rows = {id(each) for name, each in supernet.sharing.named_parameters() if name.endswith("coefficients")}
    assert len(rows) == LAYERS * len(KINDS)
    assert rows <= {id(each) for each in plain["params"]} and plain["weight_decay"] == 0
    assert decayed["weight_decay"] == 0.1


def test_how_many_atoms_there_are_is_searched() -> None:
    space = nas.Supernet(decoder(), AttentionAtoms()).space
    assert space.choices["atoms"] == (1, 2, 3, LAYERS)
    assert space.largest()["atoms"] == LAYERS and space.smallest()["atoms"] == 1


def test_atoms_are_stored_once_and_cut_to_what_the_largest_layer_needs() -> None:
    supernet = nas.Supernet(decoder((4, 8), (1, 2)), AttentionAtoms([1, 2]))
    heads = {f"layers.{layer}.heads": 1 for layer in range(LAYERS)}

    def stored(**changes: Any) -> tuple[int, int]:
        architecture = supernet.space.complete({**supernet.space.largest(), "width": 4, **heads, **changes})
        supernet.activate(architecture)
        return supernet.stored_parameters(), sum(p.numel() for p in supernet.extract(architecture).parameters())

    one, two = stored(atoms=1), stored(atoms=2)
    assert two[0] - one[0] == 4 * (4 * 4 + LAYERS) and two[1] == one[1]
    assert one[1] - one[0] == 4 * (4 * 4 * LAYERS - 4 * 4 - LAYERS)
    wider = stored(atoms=2, **{"layers.3.heads": 2})
    assert wider[0] - two[0] == 4 * 2 * 4 * 4 + 3 * 4


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"atoms": [0, 2]}, r"atoms=\[0, 2\]; give numbers of 1 or more"),
        ({"atoms": [LAYERS + 1]}, "but there are 6 layers; give fewer"),
        ({"only": "*.mlp.*"}, "match those of 0; name others"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(nas.UsageError, match=sentence):
        nas.Supernet(decoder(), AttentionAtoms(**options))
