"""A user's own function, written to a module here."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from nas.data import load
from nas.errors import UsageError

MODULE = """
import torch
from torch.utils.data import Dataset, IterableDataset, TensorDataset

def make(n, start=0, dtype=torch.float32, classes=2, side=8):
    images = (torch.arange(n) + start)[:, None, None, None].expand(n, 3, side, side).to(dtype)
    return TensorDataset(images, torch.arange(n) % classes)

class Named(Dataset):
    classes = ["cat", "owl"]
    def __len__(self): return 20
    def __getitem__(self, i): return torch.full((1, 5, 5), i, dtype=torch.uint8), i % 2

class Stream(IterableDataset):
    def __iter__(self): return iter([])

class Uneven(Dataset):
    def __len__(self): return 10
    def __getitem__(self, i): return torch.rand(1, 5 + i, 5), i % 2

def one(): return make(20)
def two(): return make(20), make(10, 100)
def three(data_dir="nowhere"): return make(20), make(10, 100), make(6, 200)
def named(): return Named()
def needs(data_dir): return make(int((data_dir / "n").read_text()))
def uneven(): return Uneven()
def stream(): return Stream()
def number(): return 3
def four(): return (make(4),) * 4
def bare(): return TensorDataset(torch.zeros(4, 1, 5, 5))
def flat(): return TensorDataset(torch.zeros(4, 25), torch.zeros(4).long())
def whole(): return TensorDataset(torch.zeros(4, 1, 5, 5).long(), torch.zeros(4).long())
def fuzzy(): return TensorDataset(torch.zeros(4, 1, 5, 5), torch.zeros(4))
def negative(): return TensorDataset(torch.zeros(4, 1, 5, 5), torch.zeros(4).long() - 1)
def unknown(): return make(20), make(9, classes=3)
def differ(): return make(20), make(9, dtype=torch.uint8)
def empty(): return make(0)
def nan(): return TensorDataset(torch.full((20, 1, 4, 4), float("nan")), torch.arange(20) % 2)
def huge(): return TensorDataset(torch.zeros(4, 1, 5, 5), torch.tensor([0, 1, 2, 2**40]))
def last(channels): return TensorDataset(torch.rand(20, 6, 7, channels), torch.arange(20) % 2)
def grey_last(): return last(1)
def colour_last(): return last(3)
def maps(): return TensorDataset(torch.rand(20, 16, 4, 4), torch.arange(20) % 2)
def short(): return TensorDataset(torch.zeros(20, 1, 5, 5), torch.zeros(20).long())
def greedy(): raise MemoryError
class Mirrored(Named):
    def __getitem__(self, i):
        image, label = torch.arange(25, dtype=torch.uint8).view(1, 5, 5), i % 2
        return (image.flip(2) if torch.rand(()) < .5 else image), label
def mirrored(): return Mirrored()
def fails(): raise RuntimeError("inside")
constant = 5
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "own_test_data.py").write_text(MODULE)
    (tmp_path / "broken_test_data.py").write_text("import there_is_no_such_module\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("own_test_data", None)


def test_one_dataset_is_split_in_three() -> None:
    data = load("own_test_data:one")
    assert [len(s) for s in (data.train, data.validation, data.test)] == [12, 4, 4]
    assert list(data.task.classes) == ["0", "1"] and data.input_shape == (3, 8, 8)
    values = torch.cat([s.images[:, 0, 0, 0] for s in (data.train, data.validation, data.test)])
    assert sorted(values.tolist()) == list(range(20))
    assert (data.augment.crop, data.augment.flip, data.augment.cutout) == (0, False, 0)


def test_two_and_three_keep_their_test_set() -> None:
    two, three = load("own_test_data:two"), load("own_test_data:three")
    assert [len(s) for s in (two.train, two.validation, two.test)] == [16, 4, 10]
    assert [len(s) for s in (three.train, three.validation, three.test)] == [20, 10, 6]
    assert three.test.images[:, 0, 0, 0].tolist() == [200, 201, 202, 203, 204, 205]
    assert sorted(three.validation.images[:, 0, 0, 0].tolist()) == list(range(100, 110))


def test_names_bytes_and_data_dir(tmp_path: Path) -> None:
    data = load("own_test_data:named")
    assert list(data.task.classes) == ["cat", "owl"] and data.train.images.dtype == torch.uint8
    (tmp_path / "n").write_text("30")
    assert len(load("own_test_data:needs", data_dir=tmp_path).test) == 6


def test_images_of_different_sizes_need_an_image_size() -> None:
    assert load("own_test_data:uneven", image_size=6).input_shape == (1, 6, 6)
    with pytest.raises(
        UsageError, match=r"images of \(1, 5, 5\) torch.float32 and, at 1, \(1, 6, 5\) .* give image_size"
    ):
        load("own_test_data:uneven")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "no_such_module_x:f",
            "names no importable module 'no_such_module_x'; install it or put its folder on PYTHONPATH",
        ),
        ("own_test_data.sub:f", "names no importable module 'own_test_data.sub'"),
        ("own_test_data:missing", "module 'own_test_data' has no 'missing'"),
        ("own_test_data:constant", "'own_test_data:constant' is of type int, expected a function"),
        (":f", "is no package.module:object; write it like 'my.module:object'"),
        ("own_test_data:", "is no package.module:object"),
        ("own_test_data:needs", "needs a folder; give --data-dir"),
        ("own_test_data:number", "returned int; return a torch Dataset with a length, a tuple"),
        ("own_test_data:stream", "returned Stream; return"),
        ("own_test_data:four", r"returned a tuple of \(TensorDataset, TensorDataset, "),
        ("own_test_data:bare", "The data set of 'own_test_data:bare' has no image tensor"),
        ("own_test_data:flat", r"has no image tensor \[C, H, W\] of uint8 or floats at 0"),
        ("own_test_data:whole", r"has no image tensor \[C, H, W\] of uint8 or floats at 0"),
        ("own_test_data:fuzzy", "has label 0.0 at 0; return .* with an integer"),
        ("own_test_data:negative", "holds label -1 at position 0"),
        ("own_test_data:unknown", "The test set of .* holds label 2 at position 2; labels must be from 0 to 1"),
        ("own_test_data:differ", "Training images are 3x8x8 float32 but others are 3x8x8 uint8"),
        ("own_test_data:empty", "is empty"),
        ("own_test_data:nan", "hold NaN or infinite pixels"),
    ],
)
def test_what_cannot_be_used_is_named(name: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        load(name)


def test_a_folder_for_a_function_that_takes_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="takes no data_dir; add that argument or drop --data-dir"):
        load("own_test_data:one", data_dir=tmp_path)


def test_errors_inside_the_users_code_are_not_hidden() -> None:
    with pytest.raises(RuntimeError, match="inside"):
        load("own_test_data:fails")
    with pytest.raises(ModuleNotFoundError, match="there_is_no_such_module"):
        load("broken_test_data:f")


@pytest.mark.parametrize(("function", "channels"), [("grey_last", 1), ("colour_last", 3)])
def test_channels_may_come_last(function: str, channels: int) -> None:
    assert load(f"own_test_data:{function}").input_shape == (channels, 6, 7)
    assert load("own_test_data:maps").input_shape == (16, 4, 4)


def test_random_transforms_are_told_and_frozen_alike_in_every_process() -> None:
    data = load("own_test_data:mirrored")
    assert data.notes[0].startswith("The data set of 'own_test_data:mirrored' draws its images at random")
    before = torch.get_rng_state()
    again = load("own_test_data:mirrored")
    assert torch.equal(data.train.images, again.train.images) and len(data.train.images.unique(dim=0)) == 2
    assert torch.equal(torch.get_rng_state(), before)
    assert load("own_test_data:named").notes == ()


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        ("huge", "holds label 1099511627776 for 4 images; number the classes from 0 without gaps"),
        ("short", "has a single class, '0', so there is nothing to learn"),
        ("greedy", "'own_test_data:greedy' does not fit into memory; give a smaller image_size"),
    ],
)
def test_what_cannot_be_learnt_or_held_is_refused(function: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        load(f"own_test_data:{function}")
