"""Tools that results/benchmarks/peers compares run the same network, and each says what it has measured."""

import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

FOLDER = Path(__file__).parents[2] / "results/benchmarks/peers"


@pytest.fixture(scope="module")
def tools(part: Any) -> Any:
    engines = part("engines")
    supernet = engines.new_supernet()
    return supernet, engines.installed(supernet)


def test_all_tools_run_the_same_network_and_another_one_is_told(part: Any, tools: Any):
    (supernet, found), peers, x = tools, part("peers"), torch.randn(4, 3, 32, 32)
    architectures = [supernet.space.smallest(), *(supernet.space.sample(seed) for seed in range(3))]
    assert peers.check_equal(found, architectures, x) <= peers.TOLERANCE
    last = found[-1]
    with torch.no_grad():
        *_, bias = last.network(architectures[0]).parameters()
        bias += 1
        with pytest.raises(RuntimeError, match=f"{last.name} differs by"):
            peers.check_equal(found, architectures, x)
        bias -= 1


def test_recalibrated_networks_are_those_of_the_bare_loop(tools: Any):
    supernet, found = tools
    architecture, batches, x = supernet.space.sample(0), torch.randn(2, 8, 3, 32, 32), torch.randn(4, 3, 32, 32)
    for each in found:
        each.network(architecture).eval()
    first, *others = [each.recalibrated(architecture, batches)(x) for each in found if each.recalibrated]
    assert others
    for other in others:
        torch.testing.assert_close(other, first, atol=1e-5, rtol=0)


def test_tools_that_are_not_installed_are_left_out(part: Any, monkeypatch: Any, capsys: pytest.CaptureFixture[str]):
    engines = part("engines")
    monkeypatch.setattr(engines.importlib.util, "find_spec", lambda name: None)
    assert [each.name for each in engines.installed(engines.new_supernet())] == ["bare loop", "nas"]
    assert "skipped: nni is not installed" in capsys.readouterr().out


def test_every_tool_has_a_row_and_a_line_and_none_is_measured_again(part: Any, monkeypatch: Any, tmp_path: Path):
    peers, rows = part("peers"), tmp_path / "rows.csv"
    for name, size in {"BATCH": 2, "IMAGES": 4, "EVALUATED_BATCH": 2}.items():
        monkeypatch.setattr(peers, name, size)
    monkeypatch.setattr(sys, "argv", ["peers.py", "--draws", "1", "--rounds", "1", "--rows", str(rows)])
    peers.main()
    table = pd.read_csv(rows)
    assert {*table["measure"]} == {"training", "evaluation", "recalibrated"}
    assert (table[["milliseconds", "over_bare", "over_nas"]] > 0).all(axis=None)
    assert (table[table["tool"] == "nas"]["over_nas"] == 1).all()
    page = (tmp_path / "README.md").read_text()
    assert all(f"| {tool} |" in page for tool in table["tool"])
    before = rows.read_text()
    peers.main()
    assert rows.read_text() == before
