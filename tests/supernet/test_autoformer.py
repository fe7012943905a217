"""The vision transformer: what its space is, what it computes and costs, and its file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from shipped import perturbed
from torch import Tensor, nn
from transformer_twin import twin_of

import nas
from nas.costs import StaticCosts, parameters, trace
from nas.errors import UsageError
from nas.export import check_parity, write_onnx
from nas.hardware import Catalogue, feature_table
from nas.nn import initialise
from nas.nn.channel_ranges import select
from nas.tasks import Classification
from search_spaces.autoformer import autoformer

SHAPE, CLASSES, HEAD, PATCH = (3, 8, 12), 5, 4, 4
TOKENS = 2 * 3 + 1
TASK = Classification(list("abcde"))


def small(**options: Any) -> nn.Module:
    given = {"patch": PATCH, "widths": (8, 16), "depths": (1, 2, 3), "heads": (1, 2, 4), "ratios": (1, 2), **options}
    return autoformer(SHAPE, CLASSES, head_dim=HEAD, **given)


def images(batch: int = 4, seed: int = 0) -> Tensor:
    return torch.randn(batch, *SHAPE, generator=torch.Generator().manual_seed(seed))


def some(space: nas.Space, count: int = 4) -> list[nas.Architecture]:
    return [space.smallest(), space.largest(), *(space.sample(seed) for seed in range(count))]


# The space


def test_names_and_size_of_the_space() -> None:
    space = nas.Supernet(small()).space
    each_layer = [f"layers.{layer}.{name}" for layer in range(3) for name in ("heads", "ratio")]
    assert set(space.choices) == {"width", "depth", *each_layer}
    assert space.size == 2 * sum((3 * 2) ** depth for depth in (1, 2, 3))


@pytest.mark.parametrize(
    ("shape", "patch", "tokens", "widest", "depths"),
    [
        ((1, 8, 8), None, 16, 64, (2, 3, 4)),
        ((3, 32, 32), None, 64, 64, (2, 3, 4)),
        ((3, 32, 32), 8, 16, 64, (2, 3, 4)),
        ((3, 224, 224), None, 196, 240, (12, 13, 14)),
    ],
)
def test_it_is_sized_for_the_images(
    shape: tuple[int, int, int], patch: int | None, tokens: int, widest: int, depths: tuple[int, ...]
) -> None:
    with torch.device("meta"):
        model = autoformer(shape, 10, patch)
    space = nas.Supernet(model).space
    assert model.get_parameter("embedding.positions.weight").shape == (1, 1 + tokens, widest)
    assert space.choices["depth"] == depths


def test_the_published_tiny_space() -> None:
    with torch.device("meta"):
        supernet = nas.Supernet(autoformer())
    largest, smallest = (sum(map(_product, _shapes(supernet, each))) for each in ("largest", "smallest"))
    assert supernet.space.choices["width"] == (192, 216, 240) and supernet.space.choices["layers.0.ratio"] == (3.5, 4)
    assert 4.9e6 < smallest < 6e6 and 9e6 < largest < 10.5e6, "from 4.9 to 10.5 million parameters"


def _shapes(supernet: nas.Supernet, which: str) -> list[tuple[int, ...]]:
    supernet.activate(getattr(supernet.space, which)())
    return list(supernet.active_parts().values())


def _product(shape: tuple[int, ...]) -> int:
    return int(torch.Size(shape).numel())


def test_patches_that_do_not_divide_the_images_are_refused() -> None:
    with pytest.raises(UsageError, match="patches of 3 x 3 pixels, which do not divide 8 x 8; give another patch"):
        autoformer((1, 8, 8), 10, patch=3)


# What it computes


@pytest.mark.parametrize(("width", "heads", "ratio"), [(8, 2, 2), (16, 4, 1)])
@torch.no_grad()
def test_a_network_computes_what_layers_of_pytorch_do(width: int, heads: int, ratio: int) -> None:
    supernet = perturbed(small()).double().eval()
    chosen = {"width": width, "depth": 2, "layers.0.heads": heads, "layers.1.heads": heads}
    architecture = {**chosen, "layers.0.ratio": ratio, "layers.1.ratio": ratio}
    network, x = supernet.extract(architecture), images().double()
    own = dict(network.named_parameters())
    y = F.conv2d(x, own["embedding.project.weight"], own["embedding.project.bias"], PATCH).flatten(2).transpose(1, 2)
    y = torch.cat([own["embedding.token"].expand(len(x), 1, width), y], 1) + own["embedding.positions"]
    for layer in range(2):
        y = twin_of(network.get_submodule(f"layers.{layer}"), heads)(y)
    y = F.layer_norm(y, (width,), own["head.0.weight"], own["head.0.bias"])[:, 0]
    y = F.linear(y, own["head.2.weight"], own["head.2.bias"])
    torch.testing.assert_close(network(x), y, rtol=1e-9, atol=1e-9)
    supernet.activate(architecture)
    torch.testing.assert_close(supernet(x), y, rtol=1e-9, atol=1e-9)


def test_smaller_networks_are_the_leading_parts_of_the_largest() -> None:
    """Weight entanglement: every parameter of a network is a slice of the supernet's, classes and tokens whole."""
    supernet = perturbed(small())
    for architecture in some(supernet.space):
        network = supernet.extract(architecture)
        supernet.activate(architecture)
        parts = [select(parameter, region).detach() for parameter, region in supernet.active_regions()]
        own = list(network.parameters())
        assert len(parts) == len(own)
        assert all(any(torch.equal(part, each) for part in parts if part.shape == each.shape) for each in own)


def test_it_learns_the_digits() -> None:
    torch.manual_seed(0)
    data = nas.data.load("digits", limit=400)
    supernet = nas.Supernet(autoformer((1, 8, 8), 10, patch=4, widths=(16, 32), depths=(1, 2), ratios=(1, 2)))
    paths = nas.Sandwich(supernet.space, seed=0, random=1)
    step = nas.SupernetStep(supernet, paths, [nas.CrossEntropy()])
    recipe = nas.Recipe(epochs=12, batch_size=32, optimizer="adamw", learning_rate=3e-3)
    history = nas.train(step, data.train, recipe, seed=0)
    table = nas.evaluate(supernet.extract(supernet.space.largest()), data.validation.batches(200), data.task)
    assert history[-1]["loss"] < 0.6 * history[0]["loss"]
    assert table["accuracy"] > 0.6


def test_fresh_weights_of_supernet_and_network() -> None:
    supernet = nas.Supernet(small())
    for each in (supernet.model, supernet.extract(supernet.space.smallest())):
        with torch.no_grad():
            for parameter in each.parameters():
                parameter.fill_(9.0)
        initialise(each, seed=0)
        assert not any((parameter == 9).any() for parameter in each.parameters())
        positions = dict(each.named_parameters())
        found = [value for name, value in positions.items() if "positions" in name]
        assert 0.01 < float(found[0].detach().std()) < 0.03


# Costs


def expected_costs(a: Mapping[str, Any]) -> dict[str, int]:
    """By hand: a multiply-add is two FLOPs."""
    width, patches, pixels = a["width"], TOKENS - 1, SHAPE[0] * PATCH**2
    flops, params = 2 * patches * pixels * width, (pixels + 1) * width + width + TOKENS * width
    for layer in range(a["depth"]):
        inner, hidden = a[f"layers.{layer}.heads"] * HEAD, width * a[f"layers.{layer}.ratio"]
        flops += 2 * TOKENS * (4 * width * inner + 2 * width * hidden) + 2 * 2 * TOKENS * TOKENS * inner
        params += 4 * width * inner + 3 * inner + width + 2 * width * hidden + hidden + width + 4 * width
    return {"flops": flops + 2 * width * CLASSES, "params": params + 2 * width + width * CLASSES + CLASSES}


def test_costs_are_those_computed_by_hand_and_those_of_the_network() -> None:
    supernet = nas.Supernet(small())
    costs, table = StaticCosts(supernet, SHAPE), feature_table(Catalogue(supernet, SHAPE)).part(["flops", "params"])
    for architecture in some(supernet.space, 8):
        told, network = costs(architecture), supernet.extract(architecture)
        traced, by_hand = trace(network, SHAPE), expected_costs(architecture)
        assert {name: told[name] for name in by_hand} == by_hand
        assert [by_hand["flops"], by_hand["params"]] == table(supernet.space.indices([architecture]))[0].tolist()
        assert told["flops"] == traced.flops
        assert told["peak_memory_bytes"] == traced.peak_memory_bytes
        assert told["params"] == parameters(network)


# Export


def test_the_exported_file_answers_as_torch_does_for_every_batch_size(tmp_path: Path) -> None:
    supernet = perturbed(small())
    network = supernet.extract(supernet.space.sample(1))
    path = write_onnx(network, tmp_path / "vit.onnx", SHAPE)
    for batch in (1, 5):
        parity = check_parity(network, path, images(batch), TASK)
        assert parity.max_difference < 1e-5 and parity.label_agreement == 1.0
