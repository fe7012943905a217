"""The benchmark of conflicting views runs as a whole, and no row is computed twice."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from nas.data import Augment, ImageData, ImageSplit
from nas.tasks import Classification

FOLDER = Path(__file__).parents[2] / "results/benchmarks/sharing/views"


def noise(count: int, seed: int) -> ImageSplit:
    pixels = torch.randn(count, 1, 14, 14, generator=torch.Generator().manual_seed(seed))
    return ImageSplit(pixels, torch.arange(count) % 10, torch.zeros(1), torch.ones(1))


@pytest.fixture
def study(part: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """On a little noise instead of pictures."""
    found = part("views")
    task = Classification(list("abcdefghij"))
    data = ImageData("noise", task, noise(128, 0), noise(128, 1), noise(128, 2), Augment(flip=True))
    monkeypatch.setattr(found, "load", lambda *_, **__: data)
    monkeypatch.setattr(found, "IMAGES", 128)
    return found


@pytest.mark.slow
def test_everything_runs_once_at_a_tiny_size(
    study: Any, part: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = tmp_path / "runs.csv"
    words = ["--seeds", "1", "--steps", "4", "--alone", "1", "--rows", str(rows)]
    study.main(words)
    found = pd.read_csv(rows)
    assert found["arm"].tolist() == ["truth", "truth", *study.ARMS]
    assert all(len(each.split()) == study.VIEWS for each in found["accuracies"])
    mixtures = found[found["arm"].isin(["published", "table", "paired"])]
    assert mixtures["own_share"].between(0, 1).all() and found["own_share"].count() == 3
    page = tmp_path / "README.md"
    assert all(f"| `{name}` |" in page.read_text() for name in study.ARMS)
    written = rows.read_bytes()
    monkeypatch.setattr(study, "row_of", None)
    study.main(words)
    assert rows.read_bytes() == written


def test_a_page_says_where_there_is_nothing_to_split(part: Any) -> None:
    page = part("views_page").page
    arms = {"shared": 70.0, "oracle": 69.0, "alone": 60.0}
    rows = [{"arm": "truth", "steps": 9, "seed": seed, "accuracies": "70 80 90"} for seed in range(2)]
    columns = ("tau", "gap", "gap_sd", "regret", "own_share", "own_ahead", "cpu_seconds")
    for name, accuracy in arms.items():
        rows.append({"arm": name, "steps": 5, "seed": 0, "accuracy": accuracy, **dict.fromkeys(columns, 0.0)})
    assert "No conflict to split" in page(pd.DataFrame(rows), list(arms))
    rows[3]["accuracy"] = 75.0
    assert "There is a conflict to split: against `shared`, `oracle` +5.0 points" in page(
        pd.DataFrame(rows), list(arms)
    )


def test_views_turn_and_hide_as_they_say(study: Any) -> None:
    picture = torch.rand(14 * 14)
    seen = (picture @ study.matrix(0.0, 6)).reshape(14, 14)
    torch.testing.assert_close(seen[4:10, 4:10], picture.reshape(14, 14)[4:10, 4:10])
    assert int((seen != 0).sum()) == 36
    turned = (picture @ study.matrix(180.0, 14)).reshape(14, 14)
    torch.testing.assert_close(turned, picture.reshape(14, 14).flip(0, 1), atol=1e-5, rtol=1e-5)
