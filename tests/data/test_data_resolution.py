"""Data as the network of an architecture reads them: images of its size, all else as it is."""

import dataclasses
from typing import Any

import pytest
import torch

from nas.data import Augment, ImageData, ImageSplit, TextSplit, load, resized_images
from nas.errors import UsageError

SIX = {"image_size": 6, "kernel": 3}
STRONG = Augment(crop=1, flip=True, cutout=3)


def digits() -> ImageData:
    data = load("noisy_digits", limit=120)
    assert isinstance(data, ImageData)
    return data


def test_every_batch_is_the_stored_one_resized_last() -> None:
    split, small = digits().train, digits().train.at(SIX)
    ways: list[Any] = [
        lambda each: each.batches(50),
        lambda each: each.pixels(50),
        lambda each: each.shuffled(50, (1, 2), STRONG),
    ]
    for way in ways:
        for (x, y), (z, w) in zip(way(split), way(small), strict=True):
            assert z.shape[2:] == (6, 6) and torch.equal(resized_images(x, SIX), z) and torch.equal(y, w)


def test_resizing_and_normalising_change_places() -> None:
    """So a file that reads pixels sees what the network was trained on."""
    split = digits().validation.at(SIX)
    for (normalised, _), (pixels, _) in zip(split.batches(100), split.pixels(100), strict=True):
        torch.testing.assert_close((pixels - split.mean[:, None, None]) / split.std[:, None, None], normalised)


def test_the_task_is_that_of_the_size() -> None:
    data = digits()
    small = data.at(SIX)
    assert data.choices == ("image_size",) and data.input_shape == (1, 8, 8) and small.input_shape == (1, 6, 6)
    assert small.inputs("unit").shape == (1, 6, 6) and small.test.shape == (1, 6, 6)
    about = small.inputs("bytes").describe()
    assert about["shape"] == ["batch", 1, 6, 6] and about["resized_from"] == [8, 8]
    assert "resized_from" not in data.inputs("unit").describe()
    (x, _), (small_x, _) = (next(each.inputs("unit").batches(data.test, 40)) for each in (data, small))
    assert torch.equal(resized_images(x, SIX), small_x)


@pytest.mark.parametrize("values", [{}, {"kernel": 3}, {"image_size": None}])
def test_without_a_size_nothing_changes(values: dict[str, Any]) -> None:
    data = digits()
    assert data.at(values) is data and data.test.at(values) is data.test
    assert data.at(SIX).at(values).input_shape == (1, 8, 8) and data.at(SIX).at(SIX).input_shape == (1, 6, 6)
    x = torch.rand(2, 1, 8, 8)
    assert resized_images(x, values) is x and resized_images(x, {"image_size": 8}) is x


def test_parts_of_a_split_have_its_size() -> None:
    split = digits().train.at(SIX)
    assert all(part.shape == (1, 6, 6) for part in (*split.fraction(0.5, 1), *split.divided(0.5, 1)))


def test_images_that_are_no_squares_become_squares() -> None:
    train = digits().train
    tall = dataclasses.replace(train, images=torch.rand(len(train), 1, 8, 5))
    assert isinstance(tall, ImageSplit) and tall.shape == (1, 8, 5) and tall.at(SIX).shape == (1, 6, 6)


def test_text_is_as_it_is() -> None:
    split = TextSplit(torch.arange(40), 4)
    assert split.at(SIX) is split


@pytest.mark.parametrize("size", [0, -3, 2.5, "6", True, 2**62])
def test_what_is_no_size_is_refused(size: Any) -> None:
    with pytest.raises(
        UsageError, match=r"image_size is .* in an architecture; give whole numbers of pixels, 1 to 100"
    ):
        digits().at({"image_size": size})
