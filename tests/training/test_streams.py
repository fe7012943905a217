"""Batches by the number of the step: the same whenever and in whatever order they are asked for."""

import pytest
import torch
from tiny import split
from torch import Tensor

from nas.data import Augment
from nas.training import BatchStream

IMAGES, BATCH = 20, 8
PER_EPOCH = IMAGES // BATCH


def stream(seed: tuple[int, ...] = (3, 1), augment: Augment | None = None) -> BatchStream:
    return BatchStream(split(IMAGES), BATCH, seed, augment)


def equal(a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor]) -> bool:
    return torch.equal(a[0], b[0]) and torch.equal(a[1], b[1])


@pytest.mark.parametrize("augment", [None, Augment(crop=1, flip=True)], ids=["plain", "augmented"])
def test_a_batch_is_a_function_of_seed_and_step(augment: Augment | None) -> None:
    in_order = [stream(augment=augment)]
    batches = [in_order[0].at(step) for step in range(3 * PER_EPOCH)]
    jumping = stream(augment=augment)
    for step in (5, 0, 3, 3, 4, 1, 2, 5, 0):
        torch.rand(step)
        assert equal(jumping.at(step), batches[step]), step
    assert all(equal(stream(augment=augment).at(step), batch) for step, batch in enumerate(batches))
    assert not any(equal(stream((3, 2), augment).at(step), batch) for step, batch in enumerate(batches))


def test_an_epoch_holds_every_image_once_and_each_epoch_has_an_order_of_its_own() -> None:
    whole = BatchStream(split(24), BATCH, (0,))
    epochs = [torch.cat([whole.at(3 * epoch + step)[0] for step in range(3)]).flatten(1) for epoch in range(2)]
    for images in epochs:
        assert len({image.numpy().tobytes() for image in images}) == 24
    assert not torch.equal(*epochs)
    assert torch.equal(*(images[images[:, 0].argsort()] for images in epochs))


def test_the_order_is_that_of_the_split_under_the_seed_and_the_epoch() -> None:
    batches = stream()
    for epoch in range(3):
        expected = split(IMAGES).shuffled(BATCH, (3, 1, epoch))
        for number, batch in enumerate(expected):
            assert equal(batches.at(epoch * PER_EPOCH + number), batch)


def test_a_split_smaller_than_a_batch_is_one_batch() -> None:
    small = BatchStream(split(6), BATCH, (0,))
    assert [len(small.at(step)[0]) for step in range(3)] == [6, 6, 6]
    assert not equal(small.at(0), small.at(1))


def test_the_global_generator_is_left_alone() -> None:
    state = torch.get_rng_state()
    stream(augment=Augment(crop=1, flip=True)).at(4)
    assert torch.equal(torch.get_rng_state(), state)
