"""What an exported network is given of a data set."""

from dataclasses import replace

import pytest
import torch

from nas.data import Augment, ImageData, ImageSplit, load
from nas.data.images import channel_statistics
from nas.errors import UsageError
from nas.tasks import Classification


def data_of(images: torch.Tensor) -> ImageData:
    split = ImageSplit(images, torch.arange(len(images)) % 2, *channel_statistics(images))
    return ImageData("mine", Classification(["a", "b"]), split, split, split, Augment())


BYTES = torch.randint(256, (7, 3, 4, 5), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def whole(data: ImageData, form: str) -> torch.Tensor:
    inputs = data.inputs(form)
    batches = list(inputs.batches(data.validation, 3))
    assert [len(x) for x, _ in batches] == [3, 3, 1] and {x.dtype for x, _ in batches} == {inputs.dtype}
    assert torch.equal(torch.cat([y for _, y in batches]), data.validation.labels)
    return torch.cat([x for x, _ in batches])


def test_bytes_are_given_as_they_are_as_shares_and_normalised() -> None:
    data = data_of(BYTES)
    assert torch.equal(whole(data, "bytes"), BYTES)
    assert torch.equal(whole(data, "unit"), BYTES.float() / 255)
    normalised = whole(data, "normalised")
    assert normalised.mean((0, 2, 3)).abs().max() < 1e-5
    for form in ("unit", "bytes"):
        inputs = data.inputs(form)
        mean, std = (torch.tensor(part)[:, None, None] for part in (inputs.mean, inputs.std))
        torch.testing.assert_close((whole(data, form).float() - mean) / std, normalised)
    assert data.inputs("normalised").mean is None


def test_they_are_described() -> None:
    data = data_of(BYTES)
    shape = {"shape": ["batch", 3, 4, 5], "colours": "RGB"}
    assert data.inputs("unit").describe() == {"form": "unit", "dtype": "float32", "values": [0, 1], **shape}
    assert data.inputs("bytes").describe() == {"form": "bytes", "dtype": "uint8", "values": [0, 255], **shape}
    about = data.inputs("normalised").describe()
    assert (about["dtype"], about["values"], about["mean"], about["std"]) == (
        "float32",
        [0, 1],
        list(data.mean),
        list(data.std),
    )
    assert load("digits").inputs("unit").describe()["colours"] == "grey"
    assert data_of(BYTES[:, :2]).inputs("unit").describe()["colours"] is None


def test_numbers_of_another_scale_are_taken_as_they_are() -> None:
    images = torch.randn(7, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    data = data_of(images)
    assert torch.equal(whole(data, "unit"), images)
    assert data.inputs("unit").describe()["values"] == [float(images.min()), float(images.max())]
    with pytest.raises(UsageError, match=r"pixels of data set 'mine' reach from -[\d.]+ to [\d.]+, not from 0 to 1"):
        data.inputs("bytes")


def test_the_range_is_that_of_training() -> None:
    images = torch.rand(6, 1, 4, 4)
    data = data_of(images)
    data = replace(data, validation=replace(data.validation, images=images + 5))
    assert data.inputs("unit").describe()["values"] == [0, 1]
