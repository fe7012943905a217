"""Channels of a model in a run are ordered by training images, which the seed draws; the full network stays."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

import nas
from nas.data import Augment, ImageData, ImageSplit
from nas.data.protocols import Batch
from nas.errors import UsageError
from nas.setup import build_space, resolve
from nas.setup.supernets import build_supernet
from nas.tasks import Classification

SHAPE = (1, 6, 6)
ORDERS = ("l1", "l2", "taylor", "activation")


class Noting(ImageSplit):
    """A split that notes which images were drawn of it."""

    read: list[list[int]]

    def drawn(self, positions: Tensor, *rest: Any) -> Iterator[Batch]:
        self.read.append(positions.tolist())
        return super().drawn(positions, *rest)


class Unread:
    """A split of which nothing may be known."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} of a split that is not for training is read")


def noise() -> Noting:
    pixels = torch.randn(64, *SHAPE, generator=torch.Generator().manual_seed(0))
    split = Noting(pixels, torch.arange(64) % 3, torch.zeros(1), torch.ones(1))
    vars(split)["read"] = []
    return split


def ordered(order: str | None, split: Noting | None = None, **settings: Any) -> nas.Supernet:
    """At its largest network."""
    arguments = {"model": "own_models:build", "width": [0.5, 1.0], "divisor": 1, "order": order}
    config = resolve({"space": "elastic", "space_args": arguments, **settings}, "test")
    unread: Any = Unread()
    data = ImageData("noise", Classification(["a", "b", "c"]), split or noise(), unread, unread, Augment())
    supernet = build_supernet(config, data, config.space_args).eval()
    supernet.activate(supernet.space.largest())
    return supernet


def same_weights(one: nas.Supernet, other: nas.Supernet) -> bool:
    state = other.model.state_dict()
    return all(torch.equal(tensor, state[name]) for name, tensor in one.model.state_dict().items())


@pytest.mark.parametrize("order", ORDERS)
def test_the_full_network_computes_the_same(order: str) -> None:
    plain, now = ordered(None), ordered(order)
    x, _ = next(noise().batches(16))
    with torch.no_grad():
        torch.testing.assert_close(now(x), plain(x))
    assert not same_weights(plain, now)


@pytest.mark.parametrize("order", ORDERS)
def test_training_images_are_drawn_by_the_seed_where_they_are_needed(order: str) -> None:
    few: dict[str, Any] = {"evaluation": {"calibration_images": 12, "batch_size": 5}}
    splits = [noise() for _ in range(3)]
    one, again, _ = (ordered(order, split, seed=seed, **few) for split, seed in zip(splits, (1, 1, 2), strict=True))
    assert same_weights(one, again)
    if order in ("l1", "l2"):
        assert not any(split.read for split in splits)
    else:
        first, same, other = (split.read for split in splits)
        assert first == same and sorted(first[0]) != sorted(other[0])


def test_an_order_by_data_needs_data() -> None:
    arguments = {"model": "own_models:build", "order": "taylor"}
    with pytest.raises(UsageError, match=r"space_args.order is 'taylor', which needs training data, but .*=l1\.$"):
        build_space("elastic", arguments, SHAPE, torch.float32, 3)
    with pytest.raises(UsageError, match="no option 'calibration'"):
        build_space("elastic", {**arguments, "calibration": 3}, SHAPE, torch.float32, 3)
