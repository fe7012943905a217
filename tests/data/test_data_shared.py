"""The real data sets, where a copy is at hand: NAS_SHARED_DATA is a folder with cifar10/, fashion_mnist/ and so on."""

import os
from pathlib import Path

import pytest

from nas.data import load

SHARED = Path(os.environ.get("NAS_SHARED_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))


def folder(name: str) -> Path:
    if not (SHARED / name).is_dir():
        pytest.skip(f"no copy of {name} in NAS_SHARED_DATA ({SHARED})")
    return SHARED / name


def test_fashion_mnist() -> None:
    data = load("fashion_mnist", folder("fashion_mnist"))
    assert [len(s) for s in (data.train, data.validation, data.test)] == [54_000, 6_000, 10_000]
    assert data.train.labels.bincount().tolist() == [5_400] * 10
    assert data.test.labels[:5].tolist() == [9, 2, 1, 1, 6]
    assert data.mean == pytest.approx([0.2860], abs=1e-3) and data.std == pytest.approx([0.3530], abs=1e-3)


def test_cifar10() -> None:
    data = load("cifar10", folder("cifar10"))
    assert [len(s) for s in (data.train, data.validation, data.test)] == [45_000, 5_000, 10_000]
    assert data.validation.labels.bincount().tolist() == [500] * 10
    assert data.mean == pytest.approx([0.4914, 0.4822, 0.4465], abs=2e-3)
    assert data.std == pytest.approx([0.2470, 0.2435, 0.2616], abs=2e-3)


def test_tinyshakespeare() -> None:
    data = load("text", folder("tinyshakespeare"))
    assert [len(s.tokens) for s in (data.train, data.validation, data.test)] == [892_315, 111_539, 111_540]
    assert (
        len(data.task.characters) == 65 and data.task.characters[:3] == ("\n", " ", "!") and data.input_shape == (64,)
    )
    x, y = next(data.train.batches(1))
    assert "".join(data.task.characters[token] for token in x[0, :14]) == "First Citizen:"
    assert y[0, :-1].tolist() == x[0, 1:].tolist()
