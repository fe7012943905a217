"""A user's data for another task than classification: inputs of any shape, targets as the task has them."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from nas.data import Augment, TaskData, load
from nas.errors import UsageError
from nas.tasks import Regression

MODULE = """
import torch
from torch.utils.data import Dataset, TensorDataset
from nas.data import TaskData
from nas.tasks import Classification, MultiLabel, Regression

X = 3 + 2 * torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
Y = X[:, :2].sin()

class Ragged(Dataset):
    def __len__(self): return 3
    def __getitem__(self, i): return X[i], [0.5] * (i + 1)

class Pairs(Dataset):
    def __init__(self, y): self.y = y
    def __len__(self): return len(self.y)
    def __getitem__(self, i): return X[i], self.y[i]

def vectors(): return TaskData(TensorDataset(X, Y), Regression())
def signals(): return TaskData(TensorDataset(X.reshape(50, 2, 2), Y[:, 0]), Regression(["price"]))
def floats(): return TaskData(Pairs(Y[:, 0].tolist()), Regression())
def named(): return TaskData(Pairs([i % 3 for i in range(50)]), Classification(["cat", "dog", "owl"]))
def parts(): return TaskData(TensorDataset(X[:30], Y[:30]), Regression(), validation=TensorDataset(X[30:35], Y[30:35]),
                             test=TensorDataset(X[35:], Y[35:]))
def ragged(): return TaskData(Ragged(), Regression())
def bare(): return TaskData(TensorDataset(X), Regression())
def whole(): return TaskData(TensorDataset(X.long(), Y), Regression())
def constant(): return TaskData(TensorDataset(X, 0 * Y), Regression())
def words(): return TaskData(Pairs(["a"] * 50), Regression())
def unlearnt(): return TaskData(TensorDataset(X, torch.zeros(50, 2)), MultiLabel())
def stream(): return TaskData(iter([]), Regression())
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "own_task_data.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("own_task_data", None)


def test_vectors_are_normalised_number_by_number_and_targets_left_alone() -> None:
    data = load("own_task_data:vectors")
    assert (data.input_shape, data.output_shape, data.examples) == ((4,), (2,), "examples")
    assert [len(split) for split in (data.train, data.validation, data.test)] == [30, 10, 10]
    x, y = next(data.train.batches(30))
    torch.testing.assert_close(x.mean(0), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(x.std(0, unbiased=False), torch.ones(4))
    raw, _ = next(data.train.pixels(30))  # type: ignore[attr-defined]
    torch.testing.assert_close(y, raw[:, :2].sin())
    shuffled, targets = next(data.train.shuffled(30, 0))
    assert {tuple(row) for row in targets.tolist()} == {tuple(row) for row in y.tolist()} and len(shuffled) == 30


def test_other_shapes_and_types_of_targets_are_read() -> None:
    signals = load("own_task_data:signals")
    assert (signals.input_shape, signals.output_shape) == ((2, 2), (1,))
    assert load("own_task_data:floats").output_shape == (1,)
    named = load("own_task_data:named")
    assert named.task.describe() == {"classes": ["cat", "dog", "owl"]} and named.output_shape == (3,)


def test_own_validation_and_test_sets_stay_whole() -> None:
    data = load("own_task_data:parts")
    assert [len(split) for split in (data.train, data.validation, data.test)] == [30, 5, 15]


def test_a_task_is_asked_for() -> None:
    with pytest.raises(UsageError, match=r"TaskData has task <class .*; give an object of nas.tasks, such as"):
        TaskData([], Regression)  # type: ignore[arg-type]


def test_what_changes_images_is_refused_for_vectors() -> None:
    data = load("own_task_data:vectors")
    with pytest.raises(
        UsageError, match=r"changes images, but inputs have shape \[4\]; set crop, flip and cutout to 0"
    ):
        data.train.shuffled(8, 0, Augment(flip=True))
    with pytest.raises(UsageError, match=r"image_size is 8, but inputs of shape \[4\] are no images \[C, H, W\]; drop"):
        load("own_task_data:vectors", image_size=8)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("ragged", "The train set of 'own_task_data:ragged' has targets of different shapes; make them alike"),
        ("bare", r"has no tensor \[C, ...\] of uint8 or floats with its target at 0; return \(input, target\) pairs"),
        ("whole", r"has no tensor \[C, ...\] of uint8 or floats"),
        ("constant", "Every training target of 'own_task_data:constant' is 0 in number 0"),
        ("words", "The train set of 'own_task_data:words' holds targets of type <U1; give numbers"),
        ("unlearnt", "do not teach label 0, since none of them has it"),
        ("stream", r"returned TaskData of \(list_iterator\); return a torch Dataset with a length"),
    ],
)
def test_what_cannot_be_used_is_named(name: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        load(f"own_task_data:{name}")
