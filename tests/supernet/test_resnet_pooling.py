"""The space of pooling placements is ResNet-20 with one choice: where its resolution is halved."""

from importlib.metadata import entry_points
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from shipped import pair_parameters, perturbed
from torch import Tensor, nn

import nas
from nas.costs import StaticCosts
from nas.data import load
from nas.errors import UsageError
from nas.export import check_parity, write_onnx
from nas.setup import Setup, resolve
from nas.tasks import Classification
from search_spaces.resnet_pooling import MaxPool, MaxPoolBlock, PoolingBlock, Subsample, resnet_pooling

TASK = Classification(["cat", "dog"])

SHAPE = (3, 16, 16)


def placed(placement: str) -> dict[str, str]:
    return {"downsampling": placement}


def small(halvings: int = 2, halving: Any = "stride") -> nas.Supernet:
    return perturbed(resnet_pooling(SHAPE, 5, blocks=4, widths=(4, 6), halvings=halvings, halving=halving))


class PublishedBlock(nn.Module):
    """He et al. (2016): where the width doubles, the first convolution and the shortcut have a stride of two."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.stride, self.more = 2 if outputs > inputs else 1, outputs - inputs
        self.conv1 = nn.Conv2d(inputs, outputs, 3, self.stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        if self.stride == 2:
            x = x[:, :, ::2, ::2]
            x = torch.cat([x, x.new_zeros(x.shape[0], self.more, *x.shape[2:])], 1)
        return F.relu(x + y)


def resnet20() -> nn.Module:
    widths = [16, 16, 16, 16, 32, 32, 32, 64, 64, 64]
    blocks = [PublishedBlock(inputs, outputs) for inputs, outputs in pairwise(widths)]
    stem = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def test_the_published_space_has_36_placements_of_10_layers() -> None:
    with torch.device("meta"):
        supernet = nas.Supernet(resnet_pooling())
    placements = supernet.options["downsampling"]
    assert list(supernet.options) == ["downsampling"] and len(set(placements)) == 36
    for placement in placements:
        layers = [int(count) for count in placement.split("-")]
        assert len(layers) == 3 and sum(layers) == 10 and min(layers) >= 1


def test_4_3_3_is_resnet_20() -> None:
    supernet = perturbed(resnet_pooling()).eval()
    published = resnet20().eval()
    tensors = zip(published.state_dict().values(), supernet.model.state_dict().values(), strict=True)
    for theirs, ours in tensors:
        theirs.copy_(ours)
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    supernet.activate(placed("4-3-3"))
    with torch.no_grad():
        torch.testing.assert_close(supernet(x), published(x))
        supernet.activate(placed("4-4-2"))
        assert not torch.allclose(supernet(x), published(x), rtol=1e-2)


class AuthorsNetwork(nn.Module):
    """Javan et al. (2023): 2x2 max-pooling in front of some blocks, convolutions of stride one, learnt shortcuts."""

    WIDTHS = (16, 16, 16, 16, 32, 32, 32, 64, 64, 64)

    def __init__(self, pooled: tuple[int, int], searched: bool) -> None:
        super().__init__()
        self.pooled = pooled

        def norm(channels: int) -> nn.Module:
            return nn.BatchNorm2d(channels, affine=not searched, track_running_stats=not searched)

        self.stem, self.stem_norm = nn.Conv2d(3, 16, 3, padding=1, bias=False), norm(16)
        self.blocks = nn.ModuleList()
        for inputs, outputs in pairwise(self.WIDTHS):
            layers = {
                "conv1": nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
                "norm1": norm(outputs),
                "conv2": nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
                "norm2": norm(outputs),
            }
            if inputs != outputs:
                layers |= {"conv3": nn.Conv2d(inputs, outputs, 1, bias=False), "norm3": norm(outputs)}
            self.blocks.append(nn.ModuleDict(layers))
        self.classifier = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem_norm(self.stem(x)))
        for place, block in enumerate(self.blocks):
            if place in self.pooled:
                x = F.max_pool2d(x, 2)
            y = F.relu(block["norm1"](block["conv1"](x)))
            y = block["norm2"](block["conv2"](y))
            x = F.relu(y + (block["norm3"](block["conv3"](x)) if "conv3" in block else x))
        y: Tensor = self.classifier(x.mean((2, 3)))
        return y


def authors(searched: bool) -> nn.Module:
    return resnet_pooling(halving="max-pool", affine=not searched, track_running_stats=not searched)


@pytest.mark.parametrize("searched", [True, False])
def test_the_network_of_the_authors(searched: bool) -> None:
    """Every placement, in the order of their table, with the same weights in the same order."""
    supernet = perturbed(authors(searched)).eval()
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    tensors = list(supernet.model.state_dict().values())
    placements = []
    for pooled in list(combinations(range(9), 2))[::5]:
        published = AuthorsNetwork(pooled, searched).eval()
        theirs = list(published.state_dict().values())
        assert [each.shape for each in theirs] == [each.shape for each in tensors]
        for each, ours in zip(theirs, tensors, strict=True):
            each.copy_(ours)
        ends = [0, *(place + 1 for place in pooled), 10]
        placements.append("-".join(str(stop - start) for start, stop in pairwise(ends)))
        supernet.activate(placed(placements[-1]))
        with torch.no_grad():
            torch.testing.assert_close(supernet(x), published(x))
    assert len(set(placements)) == 8 and set(placements) <= set(supernet.options["downsampling"])


def test_all_placements_of_the_authors_have_the_same_weights() -> None:
    with torch.device("meta"):
        supernets = {searched: nas.Supernet(authors(searched)) for searched in (True, False)}
    for searched, supernet in supernets.items():
        expected = sum(each.numel() for each in AuthorsNetwork((0, 1), searched).parameters())
        costs = StaticCosts(supernet, (3, 32, 32))
        assert len(supernet.options["downsampling"]) == 36
        for placement in supernet.options["downsampling"]:
            assert costs(placed(placement))["params"] == expected
    assert set(supernets[True].options["downsampling"]) == set(nas.Supernet(resnet_pooling()).options["downsampling"])
    assert expected == 269_722 + 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64


def test_batch_norm_without_statistics_takes_those_of_the_batch() -> None:
    supernet = nas.Supernet(resnet_pooling(SHAPE, 5, 4, (4, 6), halving="max-pool", track_running_stats=False))
    x = torch.randn(8, *SHAPE, generator=torch.Generator().manual_seed(0))
    supernet.activate(supernet.space.largest())
    with torch.no_grad():
        trained = supernet.train()(x)
        assert torch.equal(supernet.eval()(x), trained)
        assert not torch.allclose(supernet(x[:4]), trained[:4])
    assert not list(supernet.buffers())


def test_the_searched_network_alone_goes_by_statistics_of_batches() -> None:
    """What is delivered has the usual batch norm, and what is searched the same choice in the same order."""
    given: dict[str, Any] = {
        "space": "resnet_pooling",
        "space_args": {"blocks": 4, "widths": [4, 6], "halving": "max-pool"},
        "search_args": {"affine": False, "track_running_stats": False},
        "method": "balanced-mixture",
        "data": "digits",
    }
    setup = Setup(resolve(given, "test"))
    assert setup.searched.space.fingerprint == setup.space.fingerprint
    norms = {
        name: [each for each in net.model.modules() if isinstance(each, nn.BatchNorm2d)]
        for name, net in (("searched", setup.searched), ("delivered", setup.supernet))
    }
    assert all(each.weight is None and each.running_mean is None for each in norms["searched"])
    assert all(each.weight is not None and each.running_mean is not None for each in norms["delivered"])


@pytest.mark.parametrize("halving", ["stride", "max-pool"])
def test_layers_see_the_resolutions_that_the_placement_says(halving: Any) -> None:
    supernet = small(halving=halving)
    sizes: list[int] = []
    for module in (
        supernet.model.get_submodule("stem"),
        *(b for b in supernet.modules() if isinstance(b, PoolingBlock | MaxPoolBlock)),
    ):
        module.register_forward_hook(lambda module, inputs, output: sizes.append(output.shape[-1]))
    for placement in supernet.options["downsampling"]:
        sizes.clear()
        supernet.activate(placed(placement))
        supernet(torch.randn(2, *SHAPE))
        assert [sizes.count(side) for side in (16, 8, 4)] == [int(count) for count in placement.split("-")]


@pytest.mark.parametrize("halving", ["stride", "max-pool"])
@pytest.mark.parametrize("halvings", [1, 2, 3])
def test_placements_go_from_the_cheapest_to_the_most_expensive(halvings: int, halving: Any) -> None:
    with torch.device("meta"):
        supernet = nas.Supernet(resnet_pooling(SHAPE, blocks=6, halvings=halvings, halving=halving))
    costs = StaticCosts(supernet, SHAPE)
    found = [costs(placed(placement)) for placement in supernet.options["downsampling"]]
    flops = [cost["flops"] for cost in found]
    assert flops == sorted(flops) and flops[0] < flops[-1]
    assert len({cost["params"] for cost in found}) == 1
    assert costs(supernet.space.largest())["flops"] == max(flops)


def test_every_placement_has_all_the_weights_of_the_published_network() -> None:
    with torch.device("meta"):
        costs = StaticCosts(nas.Supernet(resnet_pooling()), (3, 32, 32))
    assert costs(placed("4-3-3"))["params"] == costs(placed("8-1-1"))["params"] == 269_722


@pytest.mark.parametrize("halving", ["stride", "max-pool"])
@pytest.mark.parametrize("size", [5, 8, 16])
def test_extracted_networks_are_the_active_path_with_its_gradients(size: int, halving: Any) -> None:
    x = torch.randn(4, 3, size, size, generator=torch.Generator().manual_seed(0))
    supernet = small(halving=halving)
    for placement in supernet.options["downsampling"]:
        supernet.zero_grad()
        network = supernet.extract(placed(placement))
        assert not any(isinstance(module, Subsample | MaxPool) for module in network.modules())
        supernet.activate(placed(placement))
        pairs = pair_parameters(supernet, network)
        ours, theirs = supernet(x), network(x)
        assert torch.equal(ours, theirs)
        torch.autograd.backward([ours.sin().sum(), theirs.sin().sum()])
        assert len(pairs) == len(list(supernet.parameters()))
        for whole, _, twin in pairs:
            assert twin.grad is not None and twin.grad.any()
            torch.testing.assert_close(whole.grad, twin.grad)


@pytest.mark.parametrize("halving", ["stride", "max-pool"])
def test_onnx_gives_the_same(halving: Any, tmp_path: Path) -> None:
    network = small(halving=halving).extract(placed("2-1-2")).eval()
    path = write_onnx(network, tmp_path / "network.onnx", SHAPE)
    parity = check_parity(network, path, torch.randn(8, *SHAPE, generator=torch.Generator().manual_seed(0)), TASK)
    assert parity.max_difference < 1e-5 and parity.label_agreement == 1


def test_digits_fit() -> None:
    supernet = nas.Supernet(resnet_pooling((1, 8, 8), 10))
    x, _ = next(load("digits").train.batches(4))
    assert supernet.space.size == 10
    for placement in ("1-1-4", "2-2-2", "4-1-1"):
        supernet.activate(placed(placement))
        assert supernet(x).shape == (4, 10)


def test_it_is_found_by_name() -> None:
    (entry,) = entry_points(group="nas.spaces", name="resnet_pooling")
    assert entry.load() is resnet_pooling


def test_placements_cannot_be_mixed() -> None:
    supernet = small()
    with pytest.raises(UsageError, match="stride cannot follow a soft gate"):
        supernet.mix({"downsampling": torch.full((6,), 1 / 6)})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"halvings": 0}, "halvings=0 of 5 blocks"),
        ({"halvings": 6}, "halvings=6 of 5 blocks"),
        ({"blocks": 2}, "blocks=2 for widths="),
        ({"blocks": 0, "widths": (4,)}, "blocks=0 for widths="),
        ({"widths": (8, 4)}, "let widths grow"),
    ],
)
def test_refusals(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resnet_pooling((1, 8, 8), 10, **arguments)
