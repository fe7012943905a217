"""The idx reader on files made here, sound and damaged."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from nas.data import load
from nas.data.idx import read_idx
from nas.errors import UsageError


def idx_bytes(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_set(folder: Path, compress: bool = True, **changed: np.ndarray) -> dict[str, np.ndarray]:
    """A small Fashion-MNIST of 100 + 20 images; ``changed`` replaces arrays by their key."""
    random = np.random.default_rng(0)
    arrays = {}
    for prefix, n in (("train", 100), ("t10k", 20)):
        arrays[f"{prefix}_images"] = random.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        arrays[f"{prefix}_labels"] = (np.arange(n) % 10).astype(np.uint8)
    arrays |= changed
    for key, array in arrays.items():
        prefix, kind = key.split("_")
        path = folder / f"{prefix}-{kind}-idx{3 if kind == 'images' else 1}-ubyte"
        content = idx_bytes(array)
        if compress:
            path.with_name(path.name + ".gz").write_bytes(gzip.compress(content))
        else:
            path.write_bytes(content)
    return arrays


@pytest.mark.parametrize("shape", [(7,), (3, 2, 5)])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_what_was_written_is_read(tmp_path: Path, shape: tuple[int, ...], pack: type[bytes]) -> None:
    array = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    (tmp_path / "a").write_bytes(pack(idx_bytes(array)))
    assert np.array_equal(read_idx(tmp_path / "a", len(shape)), array)


SOUND = idx_bytes(np.arange(6, dtype=np.uint8).reshape(1, 2, 3))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "starts with nothing where an idx file of 3-d bytes starts with 00000803"),
        (b"\0\0\x08\x01" + SOUND[4:], "starts with 00000801 where .* starts with 00000803"),
        (b"\0\0\x0d\x03" + SOUND[4:], "starts with 00000d03"),
        (SOUND[:9], "ends inside its idx header"),
        (SOUND[:-1], r"holds 5 values where its header \(1, 2, 3\) asks for 6"),
        (SOUND + b"x", "holds 7 values"),
        (gzip.compress(SOUND, mtime=0)[:-9], "is a damaged gzip file"),
        (gzip.compress(SOUND, mtime=0)[:-8] + b"12345678", "is a damaged gzip file"),
        (gzip.compress(SOUND, mtime=0)[:12] + b"\xff" * 20, "is a damaged gzip file"),
    ],
)
def test_damage_is_named(tmp_path: Path, content: bytes, sentence: str) -> None:
    (tmp_path / "bad").write_bytes(content)
    with pytest.raises(UsageError, match=f"File '.*bad' {sentence}"):
        read_idx(tmp_path / "bad", 3)


@pytest.mark.parametrize("compress", [True, False])
def test_fashion_mnist_keeps_its_test_set_and_splits_train(tmp_path: Path, compress: bool) -> None:
    arrays = write_set(tmp_path, compress)
    data = load("fashion_mnist", tmp_path)
    assert (len(data.train), len(data.validation), len(data.test)) == (80, 20, 20)
    assert data.input_shape == (1, 28, 28) and data.task.classes[9] == "Ankle boot"
    assert np.array_equal(data.test.images[:, 0].numpy(), arrays["t10k_images"])
    assert (data.augment.crop, data.augment.flip) == (2, True)
    used = np.concatenate([data.train.images[:, 0].numpy(), data.validation.images[:, 0].numpy()])
    assert sorted(map(bytes, used)) == sorted(map(bytes, arrays["train_images"]))


def test_torchvision_layout_is_found(tmp_path: Path) -> None:
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    write_set(raw, compress=False)
    assert len(load("fashion_mnist", tmp_path).test) == 20


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"train_labels": np.zeros(99, np.uint8)}, "train-labels.* holds 99 labels for 100 images"),
        ({"t10k_labels": np.full(20, 10, np.uint8)}, "t10k-labels.* holds label 10 at position 0; .* from 0 to 9"),
        ({"t10k_labels": np.zeros(20, np.uint8)}, "test split of 'fashion_mnist' has no image of class 'Trouser'"),
        ({"t10k_images": np.zeros((20, 27, 28), np.uint8)}, "Training images are 1x28x28 uint8 but others are 1x27x28"),
        ({"t10k_images": np.zeros((0, 28, 28), np.uint8), "t10k_labels": np.zeros(0, np.uint8)}, "holds no image"),
    ],
)
def test_files_that_do_not_fit_are_named(tmp_path: Path, changed: dict[str, np.ndarray], sentence: str) -> None:
    write_set(tmp_path, True, **changed)
    with pytest.raises(UsageError, match=sentence):
        load("fashion_mnist", tmp_path)


def test_a_missing_file_is_named_with_what_was_looked_for(tmp_path: Path) -> None:
    write_set(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(UsageError, match=r"has no file t10k-labels-idx1-ubyte.gz or t10k-labels-idx1-ubyte; put it"):
        load("fashion_mnist", tmp_path)
