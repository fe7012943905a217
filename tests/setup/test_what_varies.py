"""A user sees what varies before anything is trained, and finds all of it in the folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

import nas
from nas.setup import RunFolder
from nas.setup.what_varies import tell_what_varies


class Saying:
    """Remembers what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, sentence: str) -> None:
        self.said.append(sentence)

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Any]:
        yield None


def supernet(layers: int) -> nas.Supernet:
    convs = [nn.Conv2d(8, 8, 3, padding=1) for _ in range(layers)]
    space = nas.elastic(nn.Sequential(*convs), torch.zeros(1, 8, 4, 4), width=[0.5, 1.0], divisor=1)
    return nas.Supernet(space)


def test_a_long_table_is_cut_where_it_is_said_and_kept_whole(tmp_path: Path) -> None:
    folder, progress, many = RunFolder(tmp_path / "run"), Saying(), supernet(12)
    folder.path.mkdir()
    tell_what_varies(many, folder, progress)
    kept = folder.space_table.read_text().splitlines()
    assert kept == str(many.summary).splitlines() and len(kept) > 20
    assert progress.said[:-1] == kept[:20]
    assert progress.said[-1] == f"… {len(kept) - 20} more lines in {folder.space_table}"


def test_it_is_told_once(tmp_path: Path) -> None:
    folder, progress, few = RunFolder(tmp_path / "run"), Saying(), supernet(2)
    folder.path.mkdir()
    tell_what_varies(few, folder, progress)
    first = list(progress.said)
    tell_what_varies(few, folder, progress)
    assert progress.said == first == str(few.summary).splitlines()


def test_of_other_models_nothing_is_told(tmp_path: Path) -> None:
    folder, progress = RunFolder(tmp_path / "run"), Saying()
    tell_what_varies(nas.Supernet(nn.Sequential(nas.nn.Linear(4, nas.Choice([2, 4])))), folder, progress)
    assert progress.said == [] and not folder.space_table.exists()
