"""Rows of a benchmark are computed once, whatever way a number is written."""

from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "results/benchmarks"


def test_a_row_that_is_there_is_known_by_its_key(part: Any, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    rows = part("kept_rows").KeptRows(file, ["arm", "budget"], ["arm", "budget", "test", "note"])
    row = {"arm": "engine", "budget": 60.0, "test": 0.123456789}
    assert row not in rows
    rows.add(row)
    assert {"arm": "engine", "budget": 60} in rows
    assert {"arm": "engine", "budget": 61} not in rows
    assert file.read_text() == "arm,budget,test,note\nengine,60,0.123457,\n"


def test_what_made_a_row_is_told(part: Any) -> None:
    found = part("kept_rows").about("torch", "no-such-package")
    assert found["versions"].startswith("torch ") and "no-such" not in found["versions"]
    assert found["commit"] and found["ended"].endswith("Z")
