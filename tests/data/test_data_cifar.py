"""The three layouts of CIFAR-10, and a pickle that must not run."""

import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nas.data import load
from nas.data.cifar import decode_delta, read_binary_batch, read_npz_batch, read_python_batch
from nas.data.safe_pickle import read_array_pickle
from nas.errors import UsageError

NAMES = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]


def random_batch(seed: int, n: int = 20) -> tuple[np.ndarray, np.ndarray]:
    images = np.random.default_rng(seed).integers(0, 256, (n, 3, 32, 32), dtype=np.uint8)
    return images, (np.arange(n) % 10).astype(np.uint8)


def encode_delta(images: np.ndarray) -> np.ndarray:
    """[N, 3, H, W] -> difference-coded planes [3, N, H, W], by plain loops over the definition."""
    red, green, blue = images.transpose(1, 0, 2, 3)
    planes = np.stack([green, red - green, blue - green])
    coded = planes.copy()
    coded[:, :, 1:] -= planes[:, :, :-1]
    downward = coded.copy()
    coded[:, :, :, 1:] -= downward[:, :, :, :-1]
    return coded


def write_python(path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    batch = {b"batch_label": b"one", b"labels": labels.tolist(), b"data": images.reshape(len(images), -1)}
    path.write_bytes(pickle.dumps(batch, protocol=2))


def write_binary(path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    records = np.concatenate([labels[:, None], images.reshape(len(images), -1)], axis=1)
    path.with_suffix(".bin").write_bytes(records.tobytes())


def write_delta(path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    np.savez(path.with_suffix(".npz"), delta=encode_delta(images), y=labels, lossy_index=np.zeros(2, np.int32))


def write_npz(path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    np.savez(path.with_suffix(".npz"), x=images, y=labels)


def write_npz_channels_last(path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    write_npz(path, images.transpose(0, 2, 3, 1), labels)


Writer = Callable[[Path, np.ndarray, np.ndarray], None]
WRITERS = [write_python, write_binary, write_delta, write_npz, write_npz_channels_last]


@pytest.mark.parametrize("write", WRITERS)
def test_every_layout_gives_back_the_same_images(tmp_path: Path, write: Writer) -> None:
    for seed, name in enumerate(NAMES):
        write(tmp_path / name, *random_batch(seed))
    data = load("cifar10", tmp_path)
    assert (len(data.train), len(data.validation), len(data.test)) == (80, 20, 20)
    assert data.input_shape == (3, 32, 32) and data.task.classes[8] == "ship"
    assert (data.augment.crop, data.augment.flip) == (4, True)
    test_images, test_labels = random_batch(5)
    assert np.array_equal(data.test.images.numpy(), test_images)
    assert np.array_equal(data.test.labels.numpy(), test_labels)
    trained_on = {
        (bytes(image.numpy()), int(label))
        for split in (data.train, data.validation)
        for image, label in zip(split.images, split.labels, strict=True)
    }
    written = [random_batch(seed) for seed in range(5)]
    assert trained_on == {(bytes(x), int(y)) for images, labels in written for x, y in zip(images, labels, strict=True)}


@pytest.mark.parametrize(
    ("write", "place"), [(write_python, "cifar-10-batches-py"), (write_binary, "cifar-10-batches-bin")]
)
def test_the_folder_of_the_archive_is_found(tmp_path: Path, write: Writer, place: str) -> None:
    (tmp_path / place).mkdir()
    for seed, name in enumerate(NAMES):
        write(tmp_path / place / name, *random_batch(seed))
    assert len(load("cifar10", tmp_path).test) == 20


def test_delta_decoding_by_hand() -> None:
    planes = np.zeros((3, 1, 2, 2), np.uint8)
    planes[0, 0] = [[10, 1], [2, 3]]  # green: 10 11 / 12 16
    planes[1, 0, 0, 0] = 250  # red - green = -6 everywhere
    planes[2, 0, 1, 1] = 5  # blue - green = 5 in the last pixel
    red, green, blue = decode_delta(planes, "it")[0]
    assert green.tolist() == [[10, 11], [12, 16]]
    assert red.tolist() == [[4, 5], [6, 10]]
    assert blue.tolist() == [[10, 11], [12, 21]]


def python2_pickle(images: np.ndarray, labels: list[int]) -> bytes:
    """A batch as Python 2 pickled it: byte strings without a codec, names of old NumPy."""

    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value

    data = images.tobytes()
    shape = b"K" + bytes([len(images)]) + b"M" + struct.pack("<H", 3072) + b"\x86"
    dtype = b"cnumpy\ndtype\n" + text(b"u1") + b"K\x00K\x01\x87R(K\x03" + text(b"|") + b"NNNJ\xff\xff\xff\xff"
    dtype += b"J\xff\xff\xff\xffK\x00tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b") + b"\x87R"
    array += b"(K\x01" + shape + dtype + b"\x89T" + struct.pack("<I", len(data)) + data + b"tb"
    listed = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    return b"\x80\x02}(" + text(b"data") + array + text(b"labels") + listed + b"u."


def test_a_batch_pickled_by_python_2_is_read(tmp_path: Path) -> None:
    images, _ = random_batch(0, 2)
    (tmp_path / "batch").write_bytes(python2_pickle(images, [3, 9]))
    read, labels = read_python_batch(tmp_path / "batch")
    assert np.array_equal(read.numpy(), images) and labels.tolist() == [3, 9]


class Evil:
    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_malicious_pickle_is_refused_and_not_run(tmp_path: Path, protocol: int) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (tmp_path / "batch").write_bytes(pickle.dumps({b"data": Evil(Path.rmdir, victim)}, protocol))
    with pytest.raises(UsageError, match=r"asks to load .*, which no CIFAR batch needs, and was not run"):
        read_array_pickle(tmp_path / "batch")
    assert victim.is_dir()


@pytest.mark.parametrize(
    "content",
    [
        b"cos\nsystem\n(S'true'\ntR.",
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"\x80\x04\x8c\x05numpy\x8c\x0dndarray.dumps\x93.",
        b"cnumpy\nload\n(S'x'\ntR.",
        b"c_codecs\nencode\n(Vabc\nVrot13\ntR.",
    ],
)
def test_no_other_name_is_let_through(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "batch").write_bytes(content)
    with pytest.raises(UsageError, match="asks to load"):
        read_array_pickle(tmp_path / "batch")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is a damaged pickle"),
        (b"\x80\x02}(U", "is a damaged pickle"),
        (pickle.dumps([1, 2]), "has no fields data and labels"),
        (pickle.dumps({b"data": np.zeros((2, 7), np.uint8), b"labels": [0, 1]}, 2), r"uint8 data of shape \(2, 7\)"),
        (pickle.dumps({b"data": np.zeros((2, 3072), np.uint8), b"labels": [0]}, 2), "holds 1 label for 2 images"),
        (pickle.dumps({b"data": np.zeros((1, 3072), np.uint8), b"labels": [10]}, 2), "holds label 10 at position 0"),
        (pickle.dumps({b"data": np.zeros((1, 3072), np.uint8), b"labels": [0.5]}, 2), "labels of type float64"),
    ],
)
def test_damaged_python_batches_are_named(tmp_path: Path, content: bytes, sentence: str) -> None:
    (tmp_path / "batch").write_bytes(content)
    with pytest.raises(UsageError, match=f"File '.*batch' .*{sentence}"):
        read_python_batch(tmp_path / "batch")


def test_damaged_binary_batches_are_named(tmp_path: Path) -> None:
    path = tmp_path / "batch.bin"
    path.write_bytes(bytes(3074))
    with pytest.raises(UsageError, match="has 3074 bytes, no whole number of 3073-byte records"):
        read_binary_batch(path)
    path.write_bytes(bytes([11]) + bytes(3072))
    with pytest.raises(UsageError, match="holds label 11 at position 0; labels must be from 0 to 9"):
        read_binary_batch(path)
    path.write_bytes(b"")
    with pytest.raises(UsageError, match="holds no image"):
        read_binary_batch(path)


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"y": np.zeros(2, np.uint8)}, r"holds arrays \['y'\]; it must hold y, and x or delta"),
        ({"x": np.zeros((1, 3, 28, 28), np.uint8), "y": np.zeros(1, int)}, "expected uint8 \\(3, 32, 32\\)"),
        ({"x": np.zeros((1, 3, 32, 32)), "y": np.zeros(1, int)}, "holds float32 images"),
        ({"x": np.zeros((1, 5, 32, 32), np.uint8), "y": np.zeros(1, int)}, "with 1 or 3 channels"),
        ({"delta": np.zeros((2, 1, 32, 32), np.uint8), "y": np.zeros(1, int)}, "expected uint8 \\[3, N, H, W\\]"),
        ({"x": np.array([None]), "y": np.zeros(1, int)}, "is no readable npz archive of plain arrays"),
    ],
)
def test_damaged_archives_are_named(tmp_path: Path, arrays: dict[str, np.ndarray], sentence: str) -> None:
    np.savez(tmp_path / "batch.npz", allow_pickle=True, **arrays)
    with pytest.raises(UsageError, match=f"File '.*batch.npz' .*{sentence}"):
        read_npz_batch(tmp_path / "batch.npz")


def test_a_truncated_archive_is_named(tmp_path: Path) -> None:
    write_npz(tmp_path / "batch.npz", *random_batch(0))
    whole = (tmp_path / "batch.npz").read_bytes()
    for content in (b"", b"nonsense", whole[: len(whole) // 2], whole[:2000] + bytes(500) + whole[2500:]):
        (tmp_path / "batch.npz").write_bytes(content)
        with pytest.raises(UsageError, match="is no readable npz archive"):
            read_npz_batch(tmp_path / "batch.npz")


def test_missing_batches_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no file data_batch_1 or data_batch_1.bin or data_batch_1.npz"):
        load("cifar10", tmp_path)
    for name in NAMES[:-1]:
        write_binary(tmp_path / name, *random_batch(0))
    with pytest.raises(UsageError, match=r"has no file test_batch.bin"):
        load("cifar10", tmp_path)
