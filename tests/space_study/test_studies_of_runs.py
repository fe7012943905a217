"""Populations of finished searches, judged by the evaluators of these."""

import pickle
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from nas.errors import UsageError
from nas.setup import RunFolder, Setup, resolve
from nas.space import Architecture
from nas.space_study import compare_populations, read_population
from nas.training import save_checkpoint

TINY: dict[str, Any] = {
    "space": "chain",
    "space_args": {"layers": [1, 1, 1], "width": 4, "head": 16},
    "data": "digits",
    "limit": 100,
    "training": {"epochs": 1},
    "evaluation": {"calibration_images": 64},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, Setup]:
    """One whose supernet was saved as it was initialised."""
    folder, config = RunFolder(tmp_path_factory.mktemp("runs") / "a"), resolve(TINY, "test")
    setup = Setup(config)
    folder.create(config)
    save_checkpoint(folder.supernet, setup.searched, history=[{}], epochs=1)
    return folder, setup


def test_its_supernet_tells_how_good_random_architectures_are(run: tuple[RunFolder, Setup], tmp_path: Path) -> None:
    folder, setup = run
    bound = setup.costs(setup.space.largest())["flops"] * 0.6
    label = f"a where flops <= {bound:.0f}"
    some = [read_population(each, run=folder.path) for each in ("a", label)]
    found = compare_populations(some, tmp_path / "s", samples=10)
    assert found["metric"] == "accuracy" and found["samples"] == {"a": 10, label: 10}
    table = pd.read_csv(tmp_path / "s/samples.csv")
    architectures = list(map(Architecture.from_json, table["architecture"]))
    assert table["value"].tolist() == pytest.approx(setup.evaluator(architectures)["accuracy"].tolist())
    costs = [setup.costs(each)["flops"] for each in architectures]
    assert max(costs[10:]) <= bound < max(costs[:10])
    judge = pickle.loads(pickle.dumps(some[0])).judge
    assert judge.metrics(architectures[0])["accuracy"] == pytest.approx(table["value"][0])


def test_bounds_on_what_nobody_tells_are_refused(run: tuple[RunFolder, Setup]) -> None:
    with pytest.raises(UsageError, match="latency_ms"):
        read_population("a where latency_ms <= 2", run=run[0].path)
    with pytest.raises(UsageError, match="is a share of the largest, which a study does not know"):
        read_population("a where flops <= 50% of largest", run=run[0].path)
