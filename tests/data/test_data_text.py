"""Text: where it is cut, which windows come, and the sentences for files that cannot be used."""

import gzip
from pathlib import Path

import pytest
import torch

from nas.data import Augment, TextData, TextSplit, load
from nas.data.text_source import read_text, split_text
from nas.errors import UsageError
from nas.tasks import BITS_PER_CHARACTER

TEXT = "".join(chr(ord("a") + (7 * i * i + i // 3) % 26) for i in range(1000))


def small(length: int = 8, limit: int | None = None, text: str = TEXT) -> TextData:
    return split_text("text", text, length, limit, torch.device("cpu"))


def characters(data: TextData, tokens: torch.Tensor) -> str:
    return "".join(data.task.characters[token] for token in tokens.flatten().tolist())


def numbered(characters: int = 101, length: int = 10) -> TextSplit:
    """Each token is its own position."""
    return TextSplit(torch.arange(characters), length)


def test_splits_are_the_text_cut_at_80_and_90_percent() -> None:
    data = small()
    parts = [characters(data, split.tokens) for split in (data.train, data.validation, data.test)]
    assert parts == [TEXT[:800], TEXT[800:900], TEXT[900:]]
    assert [len(s) for s in (data.train, data.validation, data.test)] == [99, 12, 12]


def test_data_describes_inputs_and_outputs() -> None:
    data = small()
    assert list(data.task.characters) == sorted(set(TEXT))
    assert data.input_shape == (8,) and data.input_dtype == torch.int64
    assert data.output_shape == (len(data.task.characters), 8)
    assert data.task.metric is BITS_PER_CHARACTER and data.augment == Augment()
    inputs = data.inputs("unit")
    assert inputs.describe() == {"form": "ids", "dtype": "int64", "shape": ["batch", 8]}
    assert torch.equal(*(next(each)[0] for each in (inputs.batches(data.test, 5), data.test.batches(5))))
    with pytest.raises(UsageError, match=r"export.input is .bytes., but data set .text. is text"):
        data.inputs("bytes")
    x, y = next(data.train.shuffled(4, 0, data.augment))
    assert x.shape == y.shape == (4, *data.input_shape) and x.dtype == y.dtype == data.input_dtype


def test_batches_are_the_windows_in_order_each_with_its_next_characters() -> None:
    split = numbered()
    batches = list(split.batches(4))
    assert [len(x) for x, _ in batches] == [4, 4, 2]
    x, y = (torch.cat(part) for part in zip(*batches, strict=True))
    assert torch.equal(x, torch.arange(100).view(10, 10))
    assert torch.equal(y, x + 1)


@pytest.mark.parametrize(("count", "windows"), [(100, 9), (101, 10), (110, 10), (111, 11), (11, 1), (10, 0), (0, 0)])
def test_a_split_has_as_many_windows_as_have_a_next_character(count: int, windows: int) -> None:
    split = numbered(count)
    assert len(split) == windows == sum(len(x) for x, _ in split.batches(3))


@pytest.mark.parametrize("count", [101, 105, 110])
def test_an_epoch_is_full_batches_of_windows_that_overlap_only_at_the_end(count: int) -> None:
    split = numbered(count)
    for seed in range(20):
        batches = list(split.shuffled(3, (seed, 1)))
        assert [x.shape for x, _ in batches] == [(3, 10)] * 3 and split.steps(3) == 3
        assert all(torch.equal(y, x + 1) for x, y in batches)
        assert all(torch.equal(x.diff(dim=1), torch.ones_like(x[:, 1:])) for x, _ in batches)
        (whole,) = split.shuffled(100, seed)
        starts = whole[0][:, 0].sort().values
        assert len(starts) == len(split) and (starts.diff()[:-1] == 10).all() and 0 < starts[-1] - starts[-2] <= 10


def test_epochs_are_a_function_of_the_seed_and_cut_the_text_anew() -> None:
    split = numbered()
    first = [torch.cat([x for x, _ in split.shuffled(10, (5, epoch))]) for epoch in range(20)]
    torch.manual_seed(1)
    again = [torch.cat([x for x, _ in split.shuffled(10, (5, epoch))]) for epoch in range(20)]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert len({int(x.min()) for x in first}) > 5
    assert len({tuple(x[:, 0].argsort().tolist()) for x in first}) == 20


def test_training_never_reads_a_character_of_another_split() -> None:
    split = small(text="a" * 800 + "b" * 100 + "c" * 100).train
    for seed in range(30):
        assert all(int(x.max()) == int(y.max()) == 0 for x, y in split.shuffled(7, seed))


def test_a_limit_keeps_the_first_windows_of_training_alone() -> None:
    data, whole = small(limit=5), small()
    assert len(data.train) == 5 and torch.equal(data.train.tokens, whole.train.tokens[:41])
    assert torch.equal(data.validation.tokens, whole.validation.tokens)
    assert data.task.characters == whole.task.characters
    assert len(small(limit=10**6).train) == len(whole.train)


def test_a_fraction_is_a_cut_in_two() -> None:
    first, second = numbered(201).fraction(0.25, seed=3)
    assert torch.equal(torch.cat([first.tokens, second.tokens]), torch.arange(201))
    assert (len(first), len(second)) == (4, 15)
    with pytest.raises(UsageError, match=r"share of 1.5 cannot split a text in two"):
        numbered().fraction(1.5, seed=0)
    with pytest.raises(UsageError, match=r"leaves a part without a window of 10 characters"):
        numbered().fraction(0.01, seed=0)


def test_the_last_part_of_the_validation_text_is_held_back() -> None:
    data = small()
    rest, held_back = data.hold_back(0.25, seed=3)
    assert torch.equal(torch.cat([rest.validation.tokens, held_back.tokens]), data.validation.tokens)
    assert 2 <= len(held_back) < len(rest.validation)
    assert rest.train is data.train and rest.test is data.test
    with pytest.raises(UsageError, match=r"leaves a part with less than two windows of 8"):
        data.hold_back(0.1, seed=0)


def test_large_vocabularies_and_every_code_point_are_kept() -> None:
    text = "".join(chr(0x4E00 + i % 300) for i in range(900)) + "\r\n\t😀" * 25
    data = small(text=text)
    assert list(data.task.characters) == sorted(set(text))
    assert "".join(characters(data, s.tokens) for s in (data.train, data.validation, data.test)) == text
    assert small().train.tokens.dtype == torch.uint8


def test_augmentation_of_images_and_impossible_batches_are_refused() -> None:
    with pytest.raises(UsageError, match=r"cutout=4.* changes images, but the data set is text"):
        numbered().shuffled(4, 0, Augment(cutout=4))
    for call in (numbered().batches, numbered().steps, lambda size: numbered().shuffled(size, 0)):
        with pytest.raises(UsageError, match="batch size of 0 is impossible"):
            call(0)


@pytest.mark.parametrize("name", ["input.txt", "input.txt.gz", "book.txt", "book.txt.gz"])
def test_a_folder_with_one_text_or_the_file_itself_is_read(tmp_path: Path, name: str) -> None:
    path, content = tmp_path / name, TEXT.encode()
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    (tmp_path / "README.md").write_text("not this")
    assert read_text(tmp_path) == read_text(path) == TEXT
    data = load("text", tmp_path, length=8, limit=3)
    assert data.name == "text" and data.input_shape == (8,) and len(data.train) == 3
    assert load("text", path, seed=1, length=8).input_shape == (8,)


def test_input_txt_wins_over_other_texts_and_line_ends_stay(tmp_path: Path) -> None:
    (tmp_path / "input.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo\n")
    (tmp_path / "other.txt").write_text("other")
    assert read_text(tmp_path) == "one\r\ntwo\n"


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Data set 'text' needs a folder; give --data-dir .* with one file of UTF-8"):
        load("text")
    with pytest.raises(UsageError, match=r"Data folder '.*nowhere' does not exist"):
        load("text", tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"holds no text; put there one file of UTF-8 text"):
        load("text", tmp_path)
    path = tmp_path / "a.txt"
    path.write_bytes(b"")
    with pytest.raises(UsageError, match=r"a.txt' is empty; give a file with text"):
        load("text", tmp_path)
    path.write_bytes("naïve".encode("latin-1"))
    with pytest.raises(UsageError, match=r"a.txt' is no UTF-8 text \(byte 2: .*\); save it as UTF-8"):
        load("text", tmp_path)
    path.write_bytes(gzip.compress(TEXT.encode())[:-9])
    with pytest.raises(UsageError, match=r"a.txt' is a damaged gzip file"):
        load("text", tmp_path)
    (tmp_path / "b.txt").write_text(TEXT)
    with pytest.raises(UsageError, match=r"holds several texts: a.txt, b.txt; give one of these files"):
        load("text", tmp_path)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({}, r"has 1000 characters, and the 100 of them for validation are too few for two windows of 64; give a long"),
        ({"length": 50}, r"the 100 of them for validation are too few for two windows of 50"),
        ({"length": 0}, r"length is 0; give an integer of 1 or more"),
        ({"image_size": 16}, r"image_size is 16, but data set 'text' has no images; give length instead"),
        ({"name": "digits", "data_dir": None, "length": 8}, r"length is 8, but data set 'digits' holds images; drop"),
    ],
)
def test_bad_arguments_are_named(tmp_path: Path, arguments: dict[str, object], sentence: str) -> None:
    (tmp_path / "input.txt").write_text(TEXT)
    with pytest.raises(UsageError, match=sentence):
        load(**{"name": "text", "data_dir": tmp_path, **arguments})  # type: ignore[arg-type]


def test_two_windows_of_the_smallest_split_are_enough(tmp_path: Path) -> None:
    (tmp_path / "input.txt").write_text(TEXT)
    assert len(load("text", tmp_path, length=49).validation) == 2
