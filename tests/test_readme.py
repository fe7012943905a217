"""The README's Python runs as it is written."""

import re
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
SHORT = 'limit=100, candidates=5, random_baseline=0, training={"epochs": 1}'


def test_the_python_blocks_run_one_after_the_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(blocks) == 8
    for block in blocks[1:]:  # the first runs the file of a search: tests/runs/test_exported.py
        exec(compile(block.replace("nas.Run(", f"nas.Run({SHORT}, "), str(README), "exec"), names)
    assert (tmp_path / "results/first/best.onnx").exists()
    assert len(names["table"]) == 10
    assert (tmp_path / "smallest.onnx").exists()
