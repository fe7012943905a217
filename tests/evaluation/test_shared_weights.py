"""What the evaluator reads, in which order it answers, and what it counts."""

import dataclasses
from typing import Any, cast

import pytest
import torch
from tiny_nets import blobs, rows, supernet

from nas.data import ImageSplit
from nas.evaluation import SharedWeights


class Untouchable:
    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the test split was touched: {name}")

    def __len__(self) -> int:
        raise AssertionError("the test split was counted")


def test_the_test_split_is_never_read() -> None:
    network = supernet("chain")
    data = dataclasses.replace(blobs(), test=cast(ImageSplit, Untouchable()))
    evaluator = SharedWeights(network, data, 64, 32)
    evaluator([network.space.largest()])
    evaluator.network(network.space.largest())
    with pytest.raises(AssertionError, match="was touched"):
        data.test.batches(1)


def test_validation_judges_and_training_images_calibrate() -> None:
    network, data = supernet("chain"), blobs()
    a = [network.space.largest()]
    found = rows(SharedWeights(network, data, 64, 32), a)
    assert rows(SharedWeights(network, dataclasses.replace(data, validation=data.train), 64, 32), a) != found
    assert rows(SharedWeights(network, dataclasses.replace(data, train=data.validation), 48, 16), a) != found


@pytest.mark.parametrize(
    ("images", "batch", "sizes"),
    [(64, 32, [32, 32]), (1000, 256, [96]), (70, 32, [32, 32]), (10, 32, [10]), (96, 40, [40, 40])],
)
def test_calibration_batches_are_full_and_from_the_training_split(images: int, batch: int, sizes: list[int]) -> None:
    data = blobs()
    batches = SharedWeights(supernet("chain"), data, images, batch).calibration_batches()
    assert [len(x) for x in batches] == sizes
    assert torch.equal(torch.cat(batches), data.train.images[: sum(sizes)])


def test_a_table_has_a_row_for_each_architecture_and_exact_columns() -> None:
    network = supernet("chain")
    table = SharedWeights(network, blobs(), 64, 32)([network.space.sample(number) for number in range(5)])
    assert list(table.columns) == ["accuracy", "accuracy_low", "accuracy_high", "loss"]
    assert len(table) == 5
    assert table["accuracy"].between(table["accuracy_low"], table["accuracy_high"]).all()


def test_progress_is_told_and_large_populations_come_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.evaluation.shared_weights._LARGEST_TRIE", 4)
    network, data = supernet("chain"), blobs()
    architectures = [network.space.sample(number) for number in range(10)]
    told: list[int] = []
    parts = SharedWeights(network, data, 64, 32)(architectures, told.append)
    assert told == [4, 8, 10]
    monkeypatch.undo()
    assert parts.equals(SharedWeights(network, data, 64, 32)(architectures))
