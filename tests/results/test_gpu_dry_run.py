"""The script for a GPU does all that it does there at a tiny size on the CPU, since a GPU is lent for minutes."""

import importlib.util
import sys
from pathlib import Path

import pandas as pd
import pytest

SCRIPT = Path(__file__).parents[2] / "results/benchmarks/gpu/gpu.py"


@pytest.mark.slow
def test_every_check_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    specification = importlib.util.spec_from_file_location("gpu", SCRIPT)
    assert specification is not None and specification.loader is not None
    gpu = importlib.util.module_from_spec(specification)
    monkeypatch.setitem(sys.modules, "gpu", gpu)
    specification.loader.exec_module(gpu)
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--dry-run", "--out", str(tmp_path)])
    gpu.main()
    table = pd.read_csv(tmp_path / "gpu.csv")
    assert [*dict.fromkeys(table["check"])] == [*gpu.CHECKS]
    assert table["number"].notna().all(), table["what"].tolist()
    numbers = table.set_index("what")["number"]
    assert numbers["largest difference of a weight"] == 0
    assert numbers["step, nas"] > 0
    assert "| PC-DARTS | test accuracy |" in (tmp_path / "README.md").read_text()
