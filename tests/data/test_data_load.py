"""``load`` on what needs no download: digits and npz folders, and the sentences for bad arguments."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from nas.data import ImageData, available, load
from nas.data.digits import COPIES, corrupted
from nas.errors import UsageError


@pytest.fixture(scope="module")
def digits() -> ImageData:
    return load("digits")


def rows(data: ImageData, *splits: str) -> list[bytes]:
    return [bytes(image.numpy()) for split in splits for image in getattr(data, split).images]


def test_digits_are_split_60_20_20(digits: ImageData) -> None:
    assert [len(s) for s in (digits.train, digits.validation, digits.test)] == [1078, 360, 359]
    assert (
        digits.name == "digits" and list(digits.task.classes) == list("0123456789") and digits.input_shape == (1, 8, 8)
    )
    assert (digits.augment.crop, digits.augment.flip) == (1, False)
    for split in (digits.train, digits.validation, digits.test):
        share = split.labels.bincount() / torch.from_numpy(np.bincount(load_digits().target))
        assert ((share - len(split) / 1797).abs() < 1 / 170).all()


def test_digits_are_all_there_once(digits: ImageData) -> None:
    source = load_digits()
    assert sorted(rows(digits, "train", "validation", "test")) == sorted(
        bytes((image / 16).astype(np.float32)) for image in source.images
    )


def test_normalisation_is_measured_on_train(digits: ImageData) -> None:
    assert digits.mean == pytest.approx([digits.train.images.mean().item()], abs=1e-6)
    assert digits.std == pytest.approx([digits.train.images.std(correction=0).item()], abs=1e-6)
    assert torch.equal(digits.test.mean, digits.train.mean) and torch.equal(digits.validation.std, digits.train.std)


def test_the_seed_decides_the_splits(digits: ImageData) -> None:
    assert rows(load("digits"), "train", "test") == rows(digits, "train", "test")
    assert set(rows(load("digits", seed=1), "test")) != set(rows(digits, "test"))


def test_copies_take_memory_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.data.parts.MEMORY_BUDGET", 2 * 1797 * 64 * 4)
    assert len(load("digits").train) == 1078
    with pytest.raises(UsageError, match=r"\d+ images of 1x8x8 take"):
        load("noisy_digits")


def test_noisy_digits_are_the_same_in_every_run_and_copies_stay_in_one_split() -> None:
    data, again, other = load("noisy_digits"), load("noisy_digits"), load("noisy_digits", seed=1)
    assert [len(split) for split in (data.train, data.validation, data.test)] == [COPIES * n for n in (1078, 360, 359)]
    assert data.train.steps(1078) == 1 and data.train.steps(1079) == 1 and data.train.steps(539) == 2
    assert rows(data, "train", "validation", "test") == rows(again, "train", "validation", "test")
    assert set(rows(other, "test")) != set(rows(data, "test"))
    train, validation, test = (set(split.groups.tolist()) for split in (data.train, data.validation, data.test))
    assert (len(train), len(validation), len(test)) == (1078, 360, 359)
    assert len(train | validation | test) == 1797
    assert len(set(rows(data, "validation"))) == COPIES * 360
    labels = dict(zip(data.test.groups.tolist(), data.test.labels.tolist(), strict=True))
    assert labels == {image: int(load_digits().target[image]) for image in test}


def test_no_image_is_in_two_splits_of_noisy_digits() -> None:
    """Every copy is told back to the image that it was made of, among those of all splits."""
    data = load("noisy_digits")
    everything = corrupted(torch.from_numpy(load_digits().images / 16).float()[:, None], COPIES)
    places = {bytes(image.numpy()): place // COPIES for place, image in enumerate(everything)}
    train, validation, test = ({places[row] for row in rows(data, split)} for split in ("train", "validation", "test"))
    assert not (train & validation or train & test or validation & test)
    assert len(train | validation | test) == 1797


def test_a_limit_thins_only_train(digits: ImageData) -> None:
    small = load("digits", limit=95)
    assert len(small.train) == 95 and set(small.train.labels.bincount().tolist()) <= {9, 10}
    assert set(rows(small, "train")) <= set(rows(digits, "train"))
    assert rows(small, "validation", "test") == rows(digits, "validation", "test")
    assert len(load("digits", limit=10**6).train) == len(digits.train)


def test_image_size_resizes_and_scales_the_crop(digits: ImageData) -> None:
    large = load("digits", image_size=16)
    assert large.input_shape == (1, 16, 16) and large.augment.crop == 2
    assert large.mean[0] == pytest.approx(digits.mean[0], abs=0.01)


def test_available_names_what_load_takes() -> None:
    assert {"digits", "fashion_mnist", "cifar10", "folder", "npz"} < set(available())
    assert all(summary and "\n" not in summary for summary in available().values())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"name": "digit"}, "task 'digit' is not known; did you mean 'digits'\\?"),
        ({"name": "zzz"}, "task 'zzz' is not known; known are cifar10, digits, "),
        ({"name": "cifar10"}, "Data set 'cifar10' needs a folder; give --data-dir .* with the CIFAR-10 batches"),
        ({"name": "folder", "data_dir": "/no/such"}, "Data folder '/no/such' does not exist; give --data-dir"),
        ({"name": "digits", "data_dir": "/tmp"}, "'digits' is built in and reads no folder '/tmp'"),
        ({"name": "digits", "image_size": 0}, "image_size is 0; give an integer of 1 or more"),
        ({"name": "digits", "limit": 0}, "limit is 0; give an integer of 1 or more"),
        ({"name": "digits", "limit": 9}, "limit of 9 images cannot hold 10 classes"),
        ({"name": "digits", "seed": -1}, "seed is -1; give an integer of 0 or more"),
        ({"name": "digits", "device": "gpu7"}, "Device 'gpu7' is not usable here"),
        ({"name": "digits", "image_size": 1000}, "1797 images of 1x1000x1000 take 6.7 GiB of memory where 4 GiB"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, object], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence) as error:
        load(**arguments)  # type: ignore[arg-type]
    assert str(error.value).endswith((".", "?"))


def save(folder: Path, part: str, n: int, *shape: int, dtype: type = np.uint8, classes: int = 2) -> np.ndarray:
    x: np.ndarray = np.random.default_rng(n).integers(0, 256, (n, *shape)).astype(dtype)
    np.savez(folder / f"{part}.npz", x=x, y=np.arange(n) % classes)
    return x


@pytest.mark.parametrize("shape", [(6, 5), (1, 6, 5), (3, 6, 5), (6, 5, 3), (6, 5, 1)])
def test_npz_folders_take_the_usual_layouts(tmp_path: Path, shape: tuple[int, ...]) -> None:
    save(tmp_path, "train", 20, *shape)
    test = save(tmp_path, "test", 4, *shape)
    data = load("npz", tmp_path)
    assert [len(s) for s in (data.train, data.validation, data.test)] == [16, 4, 4]
    assert data.input_shape == (3 if 3 in shape else 1, 6, 5)
    for image, source in zip(data.test.images.numpy(), test, strict=True):
        channels_first = source.transpose(2, 0, 1) if shape[0] == 6 and len(shape) == 3 else source
        assert np.array_equal(image, channels_first.reshape(image.shape))


def test_npz_without_test_is_split_and_validation_is_kept(tmp_path: Path) -> None:
    save(tmp_path, "train", 20, 4, 4, dtype=np.float64)
    alone = load("npz", tmp_path)
    assert [len(s) for s in (alone.train, alone.validation, alone.test)] == [12, 4, 4]
    save(tmp_path, "validation", 6, 4, 4, dtype=np.float64)
    data = load("npz", tmp_path)
    assert len(data.validation) == 6 and data.train.images.dtype == torch.float32


def test_bad_npz_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no file train.npz; put it there"):
        load("npz", tmp_path)
    np.savez(tmp_path / "train.npz", x=np.zeros((4, 4, 4), np.uint8))
    with pytest.raises(UsageError, match=r"train.npz' holds arrays \['x'\]; it must hold x and y"):
        load("npz", tmp_path)
    np.savez(tmp_path / "train.npz", x=np.zeros((4, 4, 4), np.int64), y=np.zeros(4, int))
    with pytest.raises(UsageError, match=r"train.npz' holds images of type int64; give uint8"):
        load("npz", tmp_path)
    np.savez(tmp_path / "train.npz", x=np.zeros((4, 4, 4), np.uint8), y=np.zeros(4, complex))
    with pytest.raises(UsageError, match=r"train.npz' holds labels of type complex128; give integers"):
        load("npz", tmp_path)
    save(tmp_path, "train", 20, 4, 4)
    save(tmp_path, "test", 9, 4, 4, classes=3)
    with pytest.raises(UsageError, match=r"test.npz' holds label 2 at position 2; labels must be from 0 to 1"):
        load("npz", tmp_path)
    np.savez(tmp_path / "train.npz", x=np.zeros((4, 4, 4), np.uint8), y=np.array([0, 1, 1, 2**40]))
    with pytest.raises(UsageError, match=r"train.npz' holds label 1099511627776 for 4 images; number the classes"):
        load("npz", tmp_path)


def test_an_npz_that_lies_about_its_size_takes_no_memory(tmp_path: Path) -> None:
    save(tmp_path, "train", 30, 8, 8)
    small = io.BytesIO()
    np.lib.format.write_array_header_1_0(small, {"descr": "|u1", "fortran_order": False, "shape": (2**40, 8, 8)})
    with zipfile.ZipFile(tmp_path / "test.npz", "w") as archive:
        archive.writestr("x.npy", small.getvalue() + bytes(640))
    with pytest.raises(UsageError, match=r"holds 640 bytes of 'x.npy' where its header \(1099511627776, 8, 8\)"):
        load("npz", tmp_path)
    np.save(tmp_path / "test", np.zeros(4))
    (tmp_path / "test.npy").rename(tmp_path / "test.npz")
    with pytest.raises(UsageError, match=r"test.npz' is no readable npz archive"):
        load("npz", tmp_path)


def test_an_npz_that_unpacks_to_more_than_fits_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, "train", 30, 64, 64)
    monkeypatch.setattr("nas.data.npz.MEMORY_BUDGET", 2**16)
    with pytest.raises(UsageError, match=r"train.npz' unpacks to 0.0 GiB where .* are allowed; store fewer or smaller"):
        load("npz", tmp_path)
