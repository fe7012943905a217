"""The language model: what its space is, what it computes, and that nothing looks ahead."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from shipped import SHIPPED, perturbed
from torch import Tensor, nn
from transformer_twin import twin_of

import nas
from nas.costs import StaticCosts, parameters, trace
from nas.errors import UsageError
from nas.export import check_parity, open_session, static_onnx, write_onnx
from nas.hardware import Catalogue, feature_table
from nas.nn import initialise
from nas.tasks import Classification
from search_spaces.transformer_lm import transformer_lm

TASK = Classification(["cat", "dog"])

LENGTH, TOKENS, HEAD = 6, 7, 4


def small(**options: Any) -> nn.Module:
    return transformer_lm((LENGTH,), TOKENS, (8, 16), (1, 2, 3), (1, 2, 4), HEAD, **options)


def some(space: nas.Space, count: int = 4) -> list[nas.Architecture]:
    return [space.smallest(), space.largest(), *(space.sample(seed) for seed in range(count))]


def text(batch: int = 4, length: int = LENGTH, seed: int = 0) -> Tensor:
    return torch.randint(TOKENS, (batch, length), generator=torch.Generator().manual_seed(seed))


# The space


def test_names_and_size_of_the_space() -> None:
    space = nas.Supernet(transformer_lm()).space
    each_layer = [f"layers.{layer}.{name}" for layer in range(4) for name in ("heads", "ratio")]
    assert set(space.choices) == {"width", "depth", *each_layer}
    assert space.size == 3 * sum((3 * 3) ** depth for depth in (2, 3, 4)) == 22_113
    assert space.choices["width"] == (32, 64, 96)


def test_modules_that_sharing_schemes_ask_for_by_name() -> None:
    paths = {path for path, _ in nas.Supernet(small()).model.named_modules()}
    for layer in range(3):
        for name in ("attention", "feed_forward.expand", "feed_forward.project"):
            assert f"layers.{layer}.{name}" in paths


def test_widths_are_those_of_the_architecture() -> None:
    supernet = nas.Supernet(small(ratios=(1.25, 3)))
    for ratio, hidden in ((1.25, 24), (3, 48)):
        architecture = {**supernet.space.largest(), "width": 16, "layers.1.heads": 2, "layers.1.ratio": ratio}
        layer = supernet.extract(architecture).get_submodule("layers.1")
        shapes = {name: tuple(each.shape) for name, each in layer.named_parameters()}
        assert shapes["attention.query.weight"] == (2 * HEAD, 16)
        assert shapes["attention.out.weight"] == (16, 2 * HEAD)
        assert shapes["feed_forward.expand.weight"] == (hidden, 16)
        assert shapes["feed_forward.project.weight"] == (16, hidden)


def test_images_are_refused() -> None:
    with pytest.raises(UsageError, match=r"takes sequences of tokens, but input_shape is \(1, 8, 8\)"):
        transformer_lm((1, 8, 8), 10)


# What it computes


@pytest.mark.parametrize(("width", "heads", "ratio"), [(8, 2, 2), (16, 4, 3), (16, 4, 1)])
@torch.no_grad()
def test_a_network_computes_what_layers_of_pytorch_do(width: int, heads: int, ratio: int) -> None:
    supernet = perturbed(small()).double().eval()
    chosen = {"width": width, "depth": 2, "layers.0.heads": heads, "layers.1.heads": heads}
    network = supernet.extract({**chosen, "layers.0.ratio": ratio, "layers.1.ratio": ratio})
    own, x = dict(network.named_parameters()), text()
    y = own["embedding.tokens.weight"][x] + own["embedding.positions.weight"]
    for layer in range(2):
        twin = twin_of(network.get_submodule(f"layers.{layer}"), heads)
        y = twin(y, nn.Transformer.generate_square_subsequent_mask(LENGTH, dtype=y.dtype), is_causal=True)
    y = F.layer_norm(y, (width,), own["head.0.weight"], own["head.0.bias"])
    y = F.linear(y, own["head.1.weight"], own["head.1.bias"])
    torch.testing.assert_close(network(x), y.transpose(1, 2), rtol=1e-9, atol=1e-9)
    supernet.activate({**chosen, "layers.0.ratio": ratio, "layers.1.ratio": ratio})
    torch.testing.assert_close(supernet(x), y.transpose(1, 2), rtol=1e-9, atol=1e-9)


@torch.no_grad()
def test_logits_have_classes_before_positions_and_texts_may_be_shorter() -> None:
    supernet = perturbed(small()).eval()
    for architecture in some(supernet.space):
        supernet.activate(architecture)
        x = text()
        assert supernet(x).shape == (4, TOKENS, LENGTH)
        torch.testing.assert_close(supernet(x[:, :3]), supernet(x)[..., :3])


@pytest.mark.parametrize("position", range(1, LENGTH))
@torch.no_grad()
def test_logits_depend_on_the_past_alone(position: int) -> None:
    supernet = perturbed(small()).double().eval()
    for architecture in some(supernet.space):
        x, other = text(), text()
        other[:, position:] = (other[:, position:] + 1) % TOKENS
        supernet.activate(architecture)
        for network in (supernet, supernet.extract(architecture)):
            changed = (network(x) - network(other)).abs().amax((0, 1))
            assert (changed[:position] < 1e-12).all()
            assert (changed[position:] > 1e-6).all()


def test_dropout_acts_in_training_alone() -> None:
    network = perturbed(small(dropout=0.5)).extract(nas.Supernet(small()).space.largest())
    x = text()
    assert not torch.equal(network.train()(x), network(x))
    assert torch.equal(network.eval()(x), network(x))
    still = perturbed(small()).extract(nas.Supernet(small()).space.largest()).train()
    assert torch.equal(still(x), still(x))


def test_it_learns_a_text_that_repeats() -> None:
    torch.manual_seed(0)
    supernet = nas.Supernet(small())
    network = supernet.extract(supernet.space.largest()).train()
    optimizer = torch.optim.Adam(network.parameters(), 2e-2)
    story = torch.tensor([0, 1, 0, 2, 3]).repeat(4)  # what follows 0 depends on what came before it
    windows = torch.stack([story[start : start + LENGTH + 1] for start in range(5)])
    for _ in range(80):
        loss = F.cross_entropy(network(windows[:, :-1])[..., 1:], windows[:, 2:])
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    assert float(loss.detach()) < 0.05


# Fresh weights


def test_fresh_weights_of_supernet_and_network_are_drawn_alike() -> None:
    supernet = nas.Supernet(transformer_lm((16,), 20, (64,), (2,), (4,)))
    model, network = supernet.model, supernet.extract(supernet.space.largest())
    for each in (model, network):
        with torch.no_grad():
            for parameter in each.parameters():
                parameter.fill_(9.0)
        initialise(each, seed=0)
    pairs = {f"layers.0.attention.{name}.{kind}" for name in ("query", "key", "out") for kind in ("weight", "bias")}
    bound = 64**-0.5
    for place in pairs:
        ours = model.get_parameter("_".join(place.rsplit(".", 1)))
        for values in (ours, network.get_parameter(place)):
            assert values.abs().max() <= bound
            assert float(values.detach().std()) == pytest.approx(bound / 3**0.5, rel=0.25)
    assert not any((parameter == 9).any() for parameter in (*model.parameters(), *network.parameters()))


# Costs


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue(nas.Supernet(small()), (LENGTH,), torch.int64)


def expected_costs(a: Mapping[str, Any]) -> dict[str, int]:
    """By hand: a multiply-add is two FLOPs; every query meets every key, also those that the mask hides."""
    width, flops, params = a["width"], 0, (TOKENS + LENGTH) * a["width"]
    for layer in range(a["depth"]):
        inner, hidden = a[f"layers.{layer}.heads"] * HEAD, width * a[f"layers.{layer}.ratio"]
        flops += 2 * LENGTH * (4 * width * inner + 2 * width * hidden) + 2 * 2 * LENGTH * LENGTH * inner
        params += 4 * width * inner + 3 * inner + width + 2 * width * hidden + hidden + width + 4 * width
    flops += 2 * LENGTH * width * TOKENS
    return {"flops": flops, "params": params + 2 * width + width * TOKENS + TOKENS}


def test_costs_are_those_computed_by_hand_and_those_of_the_network(catalogue: Catalogue) -> None:
    supernet = nas.Supernet(small())
    costs = StaticCosts(supernet, (LENGTH,), torch.int64)
    table = feature_table(catalogue).part(["flops", "params"])
    for architecture in some(supernet.space, 8):
        told, network = costs(architecture), supernet.extract(architecture)
        traced = trace(network, (LENGTH,), torch.int64)
        by_hand = expected_costs(architecture)
        assert {name: told[name] for name in by_hand} == by_hand
        assert [by_hand["flops"], by_hand["params"]] == table(supernet.space.indices([architecture]))[0].tolist()
        assert told["flops"] == traced.flops
        assert told["peak_memory_bytes"] == traced.peak_memory_bytes
        assert told["params"] == parameters(network)


def test_only_the_embedding_reads_tokens(catalogue: Catalogue) -> None:
    for block in catalogue.blocks:
        (x,) = block.inputs
        width = block.architecture["width"]
        expected = ((1, LENGTH), torch.int64) if block.path == "embedding" else ((1, LENGTH, width), torch.float32)
        assert (tuple(x.shape), x.dtype) == expected
    assert len(catalogue.blocks) == 2 * (1 + 3 * 3 + 1)


# Export


def test_the_exported_file_answers_as_torch_does_for_every_batch_size(tmp_path: Path) -> None:
    supernet = perturbed(small())
    network = supernet.extract(supernet.space.sample(1))
    path = write_onnx(network, tmp_path / "lm.onnx", (LENGTH,), dtype=torch.int64)
    for batch in (1, 5):
        parity = check_parity(network, path, text(batch), TASK)
        assert parity.max_difference < 1e-5
        assert parity.label_agreement == 1.0
    with torch.no_grad():
        other = check_parity(perturbed(small(), seed=1).extract(supernet.space.sample(1)), path, text(30), TASK)
    assert 0 < other.label_agreement < 1


def test_graphs_that_are_measured_answer_as_torch_does() -> None:
    shipped = SHIPPED["transformer_lm"]
    supernet, x = perturbed(shipped()), shipped.inputs()
    for architecture in some(supernet.space, 2):
        network = supernet.extract(architecture).eval()
        session = open_session(static_onnx(network, shipped.input_shape, batch=4, dtype=shipped.input_dtype))
        (answer,) = session.run(None, {"input": x.numpy()})
        torch.testing.assert_close(torch.from_numpy(answer), network(x), rtol=1e-5, atol=1e-5)
