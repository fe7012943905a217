"""Batches of a split: order, size, normalisation, and what decides them."""

from dataclasses import replace

import pytest
import torch

from nas.data import Augment, ImageSplit, load
from nas.data.images import channel_statistics
from nas.errors import UsageError


def numbered(n: int, dtype: torch.dtype = torch.float32) -> ImageSplit:
    """A split whose every pixel of image i is i, not normalised."""
    images = torch.arange(n, dtype=dtype)[:, None, None, None].expand(n, 1, 4, 4).clone()
    return ImageSplit(images, torch.arange(n) % 3, torch.zeros(1), torch.ones(1))


def order_of(split: ImageSplit, batch_size: int, seed: tuple[int, int]) -> list[int]:
    return [int(i) for x, _ in split.shuffled(batch_size, seed) for i in x[:, 0, 0, 0]]


def test_batches_give_every_image_once_in_order() -> None:
    split = numbered(10)
    batches = list(split.batches(4))
    assert [len(y) for _, y in batches] == [4, 4, 2]
    assert torch.cat([x for x, _ in batches])[:, 0, 0, 0].tolist() == list(range(10))
    assert torch.equal(torch.cat([y for _, y in batches]), split.labels)


def test_shuffled_drops_the_partial_batch_and_keeps_images_with_labels() -> None:
    split = numbered(10)
    batches = list(split.shuffled(4, seed=(0, 0)))
    assert [len(y) for _, y in batches] == [4, 4] and split.steps(4) == 2
    assert len({int(i) for x, _ in batches for i in x[:, 0, 0, 0]}) == 8
    assert all(torch.equal(x[:, 0, 0, 0].long() % 3, y) for x, y in batches)


def test_a_split_smaller_than_a_batch_is_one_batch() -> None:
    assert sorted(order_of(numbered(5), 64, (0, 0))) == [0, 1, 2, 3, 4]


def test_order_and_augmentation_are_a_function_of_the_seed() -> None:
    split = numbered(40)
    augment = Augment(crop=2, flip=True, cutout=2)
    torch.manual_seed(1)
    one = [x for x, _ in split.shuffled(8, (7, 0), augment)]
    state = torch.get_rng_state()
    torch.manual_seed(2)
    two = [x for x, _ in split.shuffled(8, (7, 0), augment)]
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)
    orders = [order_of(split, 8, seed) for seed in [(7, 0), (7, 1), (8, 0), (0, 7)]]
    assert all(a != b for i, a in enumerate(orders) for b in orders[:i])


def test_batches_are_augmented_differently_from_each_other() -> None:
    split = ImageSplit(
        torch.rand(1, 1, 6, 6).repeat(16, 1, 1, 1), torch.zeros(16).long(), torch.zeros(1), torch.ones(1)
    )
    first, second = (x for x, _ in split.shuffled(8, (0, 0), Augment(crop=3)))
    assert not torch.equal(first, second)


def test_crops_bring_in_black_and_cutout_brings_in_the_mean() -> None:
    split = ImageSplit(torch.ones(8, 1, 6, 6), torch.zeros(8).long(), torch.tensor([0.5]), torch.tensor([0.25]))
    cropped = torch.cat([x for x, _ in split.shuffled(8, (0, 0), Augment(crop=3))])
    erased = torch.cat([x for x, _ in split.shuffled(8, (0, 0), Augment(cutout=3))])
    assert set(cropped.flatten().tolist()) == {-2.0, 2.0}
    assert set(erased.flatten().tolist()) == {0.0, 2.0}


def test_bytes_and_floats_of_the_same_images_give_the_same_batches() -> None:
    pixels = torch.randint(0, 256, (3000, 3, 4, 4), dtype=torch.uint8)
    labels = torch.zeros(3000).long()
    as_bytes = ImageSplit(pixels, labels, *channel_statistics(pixels))
    as_floats = ImageSplit(pixels.float() / 255, labels, *channel_statistics(pixels.float() / 255))
    for (a, _), (b, _) in zip(as_bytes.batches(1000), as_floats.batches(1000), strict=True):
        torch.testing.assert_close(a, b)
    everything = torch.cat([x for x, _ in as_bytes.batches(1000)])
    torch.testing.assert_close(everything.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(everything.std((0, 2, 3)), torch.ones(3), atol=1e-4, rtol=0)


def test_a_constant_channel_is_only_centred() -> None:
    mean, std = channel_statistics(torch.full((5, 1, 2, 2), 0.3))
    assert mean.item() == pytest.approx(0.3) and std.item() == 1.0


def test_fraction_shares_the_images_out() -> None:
    split = numbered(60)
    first, second = split.fraction(0.25, seed=3)
    assert len(first) == 15 and len(second) == 45
    assert torch.bincount(first.labels).tolist() == [5, 5, 5]
    both = torch.cat([first.images, second.images])[:, 0, 0, 0]
    assert sorted(both.tolist()) == list(range(60))
    assert torch.equal(first.images, split.fraction(0.25, seed=3)[0].images)
    assert not torch.equal(first.images, split.fraction(0.25, seed=4)[0].images)


def test_copies_of_one_image_stay_together_however_a_split_is_cut() -> None:
    pixels = torch.arange(120.0)[:, None, None, None]
    groups = torch.arange(120) // 4
    split = ImageSplit(pixels, groups % 3, torch.zeros(1), torch.ones(1), groups)
    for first, second in (split.fraction(0.3, seed=1), split.divided(0.3, seed=1)):
        assert len(first) == 36 and len(second) == 84
        assert not set(first.groups.tolist()) & set(second.groups.tolist())
        assert torch.bincount(first.labels).tolist() == [12, 12, 12]
        both = torch.cat([first.images, second.images])[:, 0, 0, 0]
        assert sorted(both.tolist()) == list(range(120))
        assert torch.equal(first.groups, first.images[:, 0, 0, 0].long() // 4)


def test_an_epoch_sees_one_copy_of_each_image_drawn_anew() -> None:
    pixels = torch.arange(120.0)[:, None, None, None]
    groups = torch.arange(120) % 30
    split = ImageSplit(pixels, groups % 3, torch.zeros(1), torch.ones(1), groups)
    assert split.steps(8) == 3 and split.steps(30) == split.steps(31) == 1
    seen = []
    for epoch in range(40):
        ((x, y),) = split.shuffled(30, (0, epoch))
        numbers = x[:, 0, 0, 0].long()
        assert sorted((numbers % 30).tolist()) == list(range(30)) and torch.equal(y, numbers % 3)
        seen.append(numbers)
    assert len({tuple((numbers % 30).tolist()) for numbers in seen}) == 40, "the order is drawn anew"
    counts = torch.cat(seen).bincount(minlength=120)
    assert counts.min() >= 1 and counts.max() <= 25, "each copy has a chance of a quarter in each of 40 epochs"
    again = next(iter(split.shuffled(30, (0, 3))))[0]
    assert torch.equal(again, next(iter(split.shuffled(30, (0, 3))))[0])


def test_what_only_judges_may_lack_a_rare_class() -> None:
    labels = torch.tensor([0] * 10 + [1])
    split = ImageSplit(torch.zeros(11, 1, 2, 2), labels, torch.zeros(1), torch.ones(1))
    first, second = split.divided(0.5, seed=0)
    assert {len(first), len(second)} == {5, 6}
    with pytest.raises(UsageError, match="Class '1' has 1 image"):
        split.fraction(0.5, seed=0)
    with pytest.raises(UsageError, match="1 image cannot be divided"):
        ImageSplit(torch.zeros(1, 1, 2, 2), labels[:1], torch.zeros(1), torch.ones(1)).divided(0.5, seed=0)


def test_what_is_held_back_is_in_no_other_split() -> None:
    data = load("digits")
    rest, held_back = data.hold_back(0.5, seed=3)
    assert len(rest.validation) == len(held_back) == 180
    both = torch.cat([rest.validation.images, held_back.images]).flatten(1)
    whole = data.validation.images.flatten(1)
    assert sorted(map(tuple, both.tolist())) == sorted(map(tuple, whole.tolist()))
    assert rest.train is data.train and rest.test is data.test
    assert torch.equal(held_back.images, data.hold_back(0.5, seed=3)[1].images)


def test_an_impossible_batch_size_is_refused_at_once() -> None:
    with pytest.raises(UsageError, match="batch size of 0"):
        numbered(4).batches(0)
    with pytest.raises(UsageError, match="batch size of -2"):
        numbered(4).shuffled(-2, seed=0)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("augment", [None, Augment(crop=2, flip=True)])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_batches_lie_in_memory_as_they_are_told_to(
    channels: int, augment: Augment | None, memory_format: torch.memory_format
) -> None:
    draws = torch.Generator().manual_seed(0)
    images = torch.randint(256, (6, channels, 5, 4), generator=draws, dtype=torch.uint8)
    plain = ImageSplit(images, torch.zeros(6, dtype=torch.int64), torch.zeros(channels), torch.ones(channels))
    split = replace(plain, memory_format=memory_format)
    expected = torch.empty(3, channels, 5, 4, memory_format=memory_format).stride()
    for mine, usual in (
        (split.batches(3), plain.batches(3)),
        (split.shuffled(3, 0, augment), plain.shuffled(3, 0, augment)),
    ):
        for (x, _), (y, _) in zip(mine, usual, strict=True):
            assert x.stride() == expected
            assert torch.equal(x, y)
