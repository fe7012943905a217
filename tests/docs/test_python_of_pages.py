"""The Python of the documentation runs as it is written."""

import pytest
from pages import PAGES, ROOT, blocks

SHORT = 'limit=100, candidates=5, random_baseline=0, training={"epochs": 1}, finish={"networks": 0}, '
PROFILE = 'profile={"networks": 8, "held_out": 4, "repeats": 2, "seconds": 1.0}, '
CHAIN, TINY = 'space="chain"', 'space_args={"layers": [1, 1, 1], "width": 4, "head": 16}'
EXAMPLES = sorted((ROOT / "docs/examples").glob("*.py"))
WITH_RAY = "ray_cluster"
OF_A_RUN = "onnxruntime.InferenceSession("


def shortened(code: str) -> str:
    """The same with searches that take seconds."""
    return code.replace("nas.Run(", f"nas.Run({SHORT}{PROFILE}").replace(CHAIN, f"{CHAIN}, {TINY}")


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.stem)
def test_the_blocks_of_a_page_run_one_after_the_other(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    if "the space of [Your model]" in page.read_text():
        exec(blocks(ROOT / "docs/own-model.md", "python")[1], names)
    for block in blocks(page, "python"):
        if OF_A_RUN not in block:  # what reads the file of a search: tests/delivery/test_exported.py
            exec(compile(shortened(block), page.name, "exec"), names)


@pytest.mark.parametrize(
    "script",
    [pytest.param(each, marks=pytest.mark.slow if each.stem == WITH_RAY else ()) for each in EXAMPLES],
    ids=lambda script: script.stem,
)
def test_an_example_runs(script, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(script.parent)
    exec(compile(shortened(script.read_text()), str(script), "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out.strip() or list(tmp_path.glob("*.onnx"))


def test_there_are_eight_examples():
    assert len(EXAMPLES) == 8
