"""Image folders made here with Pillow."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas.data import load
from nas.errors import UsageError


def write_images(folder: Path, classes: dict[str, int], mode: str = "RGB", size: tuple[int, int] = (16, 16)) -> None:
    """Random PNG images; ``size`` is (width, height)."""
    random = np.random.default_rng(0)
    for name, count in classes.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
            pixels = random.integers(0, 256, shape, dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.png")


def test_one_folder_is_split_in_three(tmp_path: Path) -> None:
    write_images(tmp_path, {"dog": 10, "cat": 20})
    data = load("folder", tmp_path)
    assert list(data.task.classes) == ["cat", "dog"] and data.input_shape == (3, 16, 16)
    assert [len(s) for s in (data.train, data.validation, data.test)] == [18, 6, 6]
    assert data.train.labels.bincount().tolist() == [12, 6]
    assert (data.augment.crop, data.augment.flip) == (2, False)  # nobody knows whether left and right are alike


def test_pixels_and_labels_survive(tmp_path: Path) -> None:
    write_images(tmp_path, {"a": 6, "b": 6})
    data = load("folder", tmp_path)
    read = {
        bytes(image.permute(1, 2, 0).contiguous().numpy()): data.task.classes[int(label)]
        for split in (data.train, data.validation, data.test)
        for image, label in zip(split.images, split.labels, strict=True)
    }
    written = {bytes(np.array(Image.open(path))): path.parent.name for path in tmp_path.glob("*/*.png")}
    assert read == written and len(read) == 12


@pytest.mark.parametrize("validation", ["val", "valid", "validation"])
def test_given_parts_are_kept(tmp_path: Path, validation: str) -> None:
    for part, count in (("train", 6), (validation, 3), ("test", 2)):
        write_images(tmp_path / part, {"a": count, "b": count})
    data = load("folder", tmp_path)
    assert [len(s) for s in (data.train, data.validation, data.test)] == [12, 6, 4]
    assert data.test.labels.tolist() == [0, 0, 1, 1]


def test_train_alone_gives_the_missing_parts(tmp_path: Path) -> None:
    write_images(tmp_path / "train", {"a": 10, "b": 10})
    data = load("folder", tmp_path)
    assert [len(s) for s in (data.train, data.validation, data.test)] == [12, 4, 4]


def test_grey_only_if_all_are_grey(tmp_path: Path) -> None:
    write_images(tmp_path, {"a": 5, "b": 5}, mode="L")
    assert load("folder", tmp_path).input_shape == (1, 16, 16)
    Image.new("RGB", (16, 16), "red").save(tmp_path / "b" / "red.png")
    assert load("folder", tmp_path).input_shape == (3, 16, 16)


def test_images_take_the_size_of_the_first_or_the_size_asked_for(tmp_path: Path) -> None:
    write_images(tmp_path, {"a": 5}, size=(12, 10))
    write_images(tmp_path, {"b": 5}, size=(30, 20))
    assert load("folder", tmp_path).input_shape == (3, 10, 12)
    assert load("folder", tmp_path, image_size=24).input_shape == (3, 24, 24)


def test_a_limit_keeps_the_memory_small(tmp_path: Path) -> None:
    write_images(tmp_path, {"a": 30, "b": 30})
    whole = 60 * 3 * 6000 * 6000 / 2**30
    with pytest.raises(
        UsageError, match=rf"60 images of 3x6000x6000 take {whole:.1f} GiB .* smaller image_size or a limit"
    ):
        load("folder", tmp_path, image_size=6000)
    assert len(load("folder", tmp_path, limit=4).train) == 4


def test_files_that_are_no_images_are_passed_over(tmp_path: Path) -> None:
    write_images(tmp_path, {"a": 5, "b": 5})
    (tmp_path / "a" / "notes.txt").write_text("hello")
    (tmp_path / "README").write_text("hello")
    (tmp_path / ".hidden").mkdir()
    data = load("folder", tmp_path)
    assert len(data.train) + len(data.validation) + len(data.test) == 10


def test_an_unreadable_image_is_named(tmp_path: Path) -> None:
    write_images(tmp_path, {"a": 5, "b": 5}, size=(64, 64))
    damaged = tmp_path / "b" / "3.png"
    whole = damaged.read_bytes()
    for content in (b"", b"no image", whole[: len(whole) // 2]):
        damaged.write_bytes(content)
        with pytest.raises(UsageError, match=r"Image '.*3.png' cannot be read \(.*\); repair or remove it"):
            load("folder", tmp_path)


def test_sixteen_bits_are_refused(tmp_path: Path) -> None:
    write_images(tmp_path, {"a": 5, "b": 5})
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(tmp_path / "a" / "deep.png")
    with pytest.raises(UsageError, match=r"Image '.*deep.png' has pixels of mode I;16; convert it to 8 bits"):
        load("folder", tmp_path)


def test_empty_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no sub-folders; put the images of each class"):
        load("folder", tmp_path)
    write_images(tmp_path, {"a": 5, "b": 5})
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"Class folder '.*empty' holds no image \(.bmp, .*\); add some or remove it"):
        load("folder", tmp_path)


def test_classes_must_agree_between_parts(tmp_path: Path) -> None:
    write_images(tmp_path / "train", {"a": 5, "b": 5})
    write_images(tmp_path / "test", {"a": 10})
    with pytest.raises(UsageError, match="test split of 'folder' has no image of class 'b'"):
        load("folder", tmp_path)
    write_images(tmp_path / "test", {"b": 2, "c": 2})
    with pytest.raises(UsageError, match=r"Folder '.*c' is a class that the training images lack"):
        load("folder", tmp_path)


def test_a_class_too_small_to_split_is_named(tmp_path: Path) -> None:
    write_images(tmp_path, {"a": 9, "rare": 2})
    with pytest.raises(UsageError, match="Class 'rare' has 1 image left where a split in two needs at least 2"):
        load("folder", tmp_path)


def test_a_rare_class_may_be_missing_from_a_small_test_set(tmp_path: Path) -> None:
    write_images(tmp_path / "train", {"common": 40, "rare": 5})
    write_images(tmp_path / "test", {"common": 10})
    data = load("folder", tmp_path)
    assert len(data.test) == 10
    assert data.notes == ("The test split of 'folder' has no image of class 'rare', of which its figures say nothing.",)


@pytest.mark.parametrize(
    ("name", "shown"),
    [("cat\x1b[2J", "cat\\x1b[2J"), ("\u202egod", "\\u202egod"), ("a\nb", "a\\nb"), ("caf\udce9", "caf\\udce9")],
    ids=ascii,
)
def test_a_class_is_called_what_can_be_shown_everywhere(name: str, shown: str, tmp_path: Path) -> None:
    """Class names stand in the metadata of the delivered file, in the report and on terminals."""
    write_images(tmp_path, {name: 6, "z": 6})
    data = load("folder", tmp_path)
    assert sorted(data.task.classes) == sorted([shown, "z"]) and all(each.isprintable() for each in data.task.classes)
    assert list(data.task.classes) == [shown if each == name else each for each in sorted([name, "z"])], (
        "labels stay theirs"
    )


def test_a_single_class_is_refused(tmp_path: Path) -> None:
    write_images(tmp_path, {"cat": 10})
    with pytest.raises(UsageError, match="'folder' has a single class, 'cat', so there is nothing to learn; add"):
        load("folder", tmp_path)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_are_turned_as_a_viewer_turns_them(tmp_path: Path, orientation: int) -> None:
    upright = np.zeros((16, 24, 3), np.uint8)
    upright[:8, :, 0], upright[:, :12, 1] = 255, 255  # red above, green on the left
    turns = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the transposition that undoes each orientation
    stored = Image.fromarray(upright)
    if orientation in turns:
        stored = stored.transpose(Image.Transpose(turns[orientation]))
    exif = Image.Exif()
    exif[274] = orientation
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for i in range(5):
            stored.save(tmp_path / name / f"{i}.jpg", exif=exif.tobytes(), quality=95)
    data = load("folder", tmp_path)
    assert data.input_shape == (3, 16, 24)
    read = data.train.images[0].permute(1, 2, 0).numpy().astype(int)
    assert abs(read - upright).mean() < 12


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    ink = np.zeros((8, 8, 4), np.uint8)
    ink[:4, :, 3], ink[4:6, :, 3] = 255, 128  # black above, half black, and nothing below
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([0, 0, 0])
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for i in range(5):
            Image.fromarray(ink).save(tmp_path / name / f"{i}.png")
    assert load("folder", tmp_path).train.images[0, 0, :, 0].tolist() == [0] * 4 + [127] * 2 + [255] * 2
    for path in tmp_path.glob("*/*.png"):
        palette.save(path, transparency=0)
    assert load("folder", tmp_path).train.images.unique().tolist() == [255]


def test_images_may_lie_deeper_in_their_class(tmp_path: Path) -> None:
    write_images(tmp_path / "cat", {"black": 4, "white": 4, ".thumbnails": 9})
    write_images(tmp_path, {"dog": 8})
    (tmp_path / "cat" / "white" / "round").symlink_to(tmp_path / "cat")  # a circle
    data = load("folder", tmp_path)
    assert list(data.task.classes) == ["cat", "dog"]
    assert sum(len(split) for split in (data.train, data.validation, data.test)) == 16


def test_a_pipe_is_no_image_and_nothing_waits_for_it(tmp_path: Path) -> None:
    write_images(tmp_path, {"a": 5, "b": 5})
    os.mkfifo(tmp_path / "a" / "pipe.jpg")
    with pytest.raises(UsageError, match=r"Image '.*pipe.jpg' is no regular file, or a link to nothing; remove it"):
        load("folder", tmp_path)


def test_photos_need_a_size(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for i in range(5):
            Image.new("RGB", (5000, 5000), "red").save(tmp_path / name / f"{i}.jpg", quality=50)
    with pytest.raises(UsageError, match=r"Image '.*0.jpg' has 5000x5000 pixels.*give --image-size \(image_size\)"):
        load("folder", tmp_path)
    data = load("folder", tmp_path, image_size=16)
    assert data.train.images.shape[1:] == (3, 16, 16) and int(data.train.images[:, 0].min()) > 250
