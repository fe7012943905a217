"""Images are normalised by what is given, in training, evaluation and the exported network alike."""

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import nas
from nas import UsageError
from nas.data import Augment, Normalisation, load
from nas.data.assembly import assemble
from nas.data.custom import read_custom


def test_all_splits_are_normalised_by_what_is_given() -> None:
    data = load("digits", normalisation=Normalisation((0.25,), (0.5,)))
    for split in (data.train, data.validation, data.test):
        (pixels, _), (normalised, _) = next(split.pixels(8)), next(split.batches(8))
        torch.testing.assert_close(normalised, (pixels - 0.25) / 0.5)


def test_the_exported_network_does_it_itself() -> None:
    data = load("digits", normalisation=Normalisation((0.25,), (0.5,)))
    deployed = nas.export.reading(nn.Flatten(), data.inputs("unit"))
    torch.testing.assert_close(deployed(torch.full((1, 1, 8, 8), 0.75)), torch.ones(1, 64))


def test_three_channels_take_one_number_or_three_but_not_two() -> None:
    images = torch.randint(0, 256, (60, 3, 4, 4), dtype=torch.uint8)
    given = TensorDataset(images, torch.arange(60) % 2)
    raw = read_custom("own:given", lambda: given, None, None)

    def split(*numbers: float) -> torch.Tensor:
        spread = Normalisation(numbers, (0.2,))
        return assemble("own:given", raw, Augment(), 0, None, torch.device("cpu"), spread).train.mean

    assert split(0.5).tolist() == [0.5] * 3
    torch.testing.assert_close(split(0.1, 0.2, 0.3), torch.tensor([0.1, 0.2, 0.3]))
    with pytest.raises(UsageError, match=r"normalisation.mean has 2 numbers, but .* have 3 channels"):
        split(0.1, 0.2)


def test_text_has_none(tmp_path) -> None:
    (tmp_path / "a.txt").write_text("to be or not to be " * 200)
    with pytest.raises(UsageError, match="has no images"):
        load("text", tmp_path / "a.txt", normalisation=Normalisation((0.5,), (0.5,)))
