"""The arms of results/benchmarks/own_model make one network faster, and no row is computed twice."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

import nas
from nas.data import Augment, ImageData, ImageSplit
from nas.tasks import Classification

FOLDER = Path(__file__).parents[2] / "results/benchmarks/own_model"
KEY = {"share": 60, "before": 0.2, "after": 2.0, "limit": 64, "seed": 0}


def noise(count: int, seed: int) -> ImageSplit:
    pixels = torch.randn(count, 1, 14, 14, generator=torch.Generator().manual_seed(seed))
    return ImageSplit(pixels, torch.arange(count) % 10, torch.zeros(1), torch.ones(1))


def contest_of(part: Any, work: Path, arm: str, network: str = "resnet") -> Any:
    """A cell on a little noise instead of pictures."""
    contest = part("contest")
    made = contest.Contest(contest.Cell(network, arm=arm, **KEY), Path("nowhere"), work)
    task = Classification(list("abcdefghij"))
    made.__dict__["data"] = ImageData("noise", task, noise(64, 0), noise(64, 1), noise(64, 2), Augment())
    made.start()
    return made


@pytest.mark.parametrize("network", ["resnet", "vit"])
def test_the_networks_can_become_elastic_and_begin_anew(part: Any, network: str) -> None:
    plain = part("networks").NETWORKS[network]().eval()
    x = torch.randn(2, 1, 14, 14)
    supernet = nas.Supernet(nas.elastic(plain, x, width=[0.5, 1.0]))
    supernet.eval()
    with torch.no_grad():
        assert torch.allclose(supernet(x), plain(x), atol=1e-5)
    smallest = nas.nn.initialise(supernet.extract(supernet.space.smallest()), 0)
    assert smallest(x).shape == (2, 10)


def test_a_network_is_trained_before_once(part: Any, tmp_path: Path) -> None:
    one = contest_of(part, tmp_path, "uniform").pretrained().state_dict()
    written = next(tmp_path.iterdir()).stat().st_mtime_ns
    other = contest_of(part, tmp_path, "fresh").pretrained().state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert next(tmp_path.iterdir()).stat().st_mtime_ns == written


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arm", "network"),
    [("uniform", "resnet"), ("uniform-taught", "resnet"), ("torch-pruning", "resnet"), ("torch-pruning", "vit")],
)
def test_an_arm_keeps_the_bound_and_the_time(part: Any, tmp_path: Path, arm: str, network: str) -> None:
    if arm == "torch-pruning":
        pytest.importorskip("torch_pruning", reason="torch-pruning is not installed")
    contest = contest_of(part, tmp_path, arm, network)
    found = part("arms").ARMS[arm](contest).network
    whole = contest.pretrained()
    assert sum(each.numel() for each in found.parameters()) < sum(each.numel() for each in whole.parameters())
    ms, most = contest.latency(found, whole, 0.3)
    assert ms < 0.75 * most


def test_fresh_weights_take_the_architecture_that_was_found(part: Any, tmp_path: Path) -> None:
    contest, arms = contest_of(part, tmp_path, "fresh"), part("arms")
    with pytest.raises(SystemExit, match="run the arm 'pruning' of this cell first"):
        arms.ARMS["fresh"](contest)
    space = contest.space(contest.pretrained())
    smallest = space.space.smallest()
    contest.cell = dataclasses.replace(contest.cell, after=0.1)
    (tmp_path / f"{contest.checkpoint.stem}-60-0.1.json").write_text(smallest.to_json())
    network = arms.ARMS["fresh"](contest).network
    shapes = [each.shape for each in space.extract(smallest).parameters()]
    assert [each.shape for each in network.parameters()] == shapes


def test_a_row_that_is_there_is_not_computed_again(part: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver, computed = part("own_model"), []

    def row_of(cell: Any, asked: Any) -> dict[str, Any]:
        computed.append(cell.arm)
        figures = dict.fromkeys(driver.COLUMNS, 0.5)
        return {**figures, **dataclasses.asdict(cell), "details": json.dumps({}), "versions": "nas 0.1.0"}

    monkeypatch.setattr(driver, "row_of", row_of)
    rows = tmp_path / "rows.csv"
    words = ["--data-dir", "nowhere", "--rows", str(rows), "--seeds", "0", "--shares", "50", "--networks", "vit"]
    driver.main([*words, "--arms", "uniform"])
    driver.main([*words, "--arms", "uniform", "pruning"])
    assert computed == ["uniform", "pruning"]
    page = part("table").page(pd.read_csv(rows))
    assert "## vit at 50 % of its latency: 60 s before, 60 s after" in page
    assert "| pruning | 50.00 (50.00 to 50.00) | +0.00 | 50.0 % | 0 |" in page
