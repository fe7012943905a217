"""The benchmark of gates in regions runs as a whole, no row is computed twice, and its page says what it may."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

FOLDER = Path(__file__).parents[2] / "results/benchmarks/sharing/gates"


@pytest.mark.slow
def test_every_search_runs_once_at_a_tiny_size(part: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On digits, with a table in which all cells are alike."""
    study = part("gates")
    settings = {**study.SETTINGS, "data": "digits", "space_args": {"width": 4, "cells": 1}}
    for name in ("data_dir", "image_size"):
        del settings[name]
    monkeypatch.setattr(study, "SETTINGS", settings)
    monkeypatch.setattr(study, "truth", lambda: defaultdict(lambda: 90.0, {"best": 94.0}))
    rows = tmp_path / "runs.csv"
    words = ["--seeds", "1", "--images", "200", "--epochs", "3", "--rows", str(rows)]
    study.main(words)
    found = pd.read_csv(rows)
    arms = [(base, scheme) for base in study.BASES for scheme in study.SCHEMES]
    assert list(zip(found["base"], found["scheme"], strict=True)) == arms
    assert found["regions"].tolist() == [1, 5, 4, 1, 5, 4] and set(found["truth"]) == {90.0}
    page = (tmp_path / "README.md").read_text()
    assert all(f"| `{base}` | {scheme} |" in page for base, scheme in arms)
    written = rows.read_bytes()
    monkeypatch.setattr(study, "row_of", None)
    study.main(words)
    assert rows.read_bytes() == written


def rows_of(shared: list[float], few_shot: list[float]) -> pd.DataFrame:
    columns = {"base": "darts", "regions": 1, "rank": 7, "cpu_seconds": 1.0}
    return pd.DataFrame(
        [
            {**columns, "scheme": scheme, "seed": seed, "truth": value, "best_region": value + 1}
            for scheme, values in (("shared", shared), ("few-shot", few_shot))
            for seed, value in enumerate(values)
        ]
    )


@pytest.mark.parametrize(
    ("few_shot", "sentence"),
    [
        ([91.0, 93.0], "+1.0, +1.0 points; better with every seed"),
        ([89.0, 91.0], "-1.0, -1.0 points; worse with every seed"),
        ([91.0, 91.0], "+1.0, -1.0 points; seeds contradict each other: nothing is shown"),
        ([91.0], "+1.0 points; one seed shows nothing"),
    ],
)
def test_a_page_says_what_seeds_agree_on(few_shot: list[float], sentence: str, part: Any) -> None:
    page = part("gates_page").page(rows_of([90.0, 92.0], few_shot), [10.0, 90.0, 94.0])
    assert f"- `few-shot:darts` against `darts`: {sentence}." in page
    assert "| `darts` | shared | 2 | 1 | 91.0 ± 1.4 | 90.0, 92.0 | 7 | 92.0 ± 1.4 | 1 |" in page
    assert "the best 94.0 %" in page
