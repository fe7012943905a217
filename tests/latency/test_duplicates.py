"""A predictor is evaluated by other networks than it learnt from, and stand-ins for a table are networks too."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from nas.errors import UsageError
from nas.hardware import Catalogue, NoBlockTableError, Recorded
from nas.latency.duplicates import other_networks
from nas.latency.fitting import fit_latency
from nas.predictors import Encoding
from nas.setup import RunFolder, Setup, Silent, resolve

SPACES = '''
from torch import nn
from nas.nn import OneOf

def model(layer, shape, classes):
    layers = [layer() for _ in range(4)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(shape[0] * shape[1] * shape[2], classes))

def stand_ins(input_shape, classes):
    """Operations of a table whose model nobody has."""
    return model(lambda: OneOf({name: nn.Identity() for name in "abcd"}), input_shape, classes)

def positions(input_shape, classes):
    """Where convolutions stand makes no difference."""
    return model(lambda: OneOf({"skip": nn.Identity(), "conv": nn.Conv2d(1, 1, 3, padding=1)}), input_shape, classes)

def pools(input_shape, classes):
    """Two operations that cost the same in every feature, and the stand-ins "a" and "b"."""
    pools = lambda: OneOf({"max": nn.MaxPool2d(3, 1, 1), "avg": nn.AvgPool2d(3, 1, 1), "a": nn.ReLU(), "b": nn.ReLU()})
    return model(pools, input_shape, classes)
'''
COSTS = {"a": 1.0, "b": 1.3, "c": 1.7, "d": 2.1, "skip": 1.0, "conv": 3.0, "max": 2.0, "avg": 2.5}


@pytest.fixture
def setup_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Setup]:
    """A space with a table of the architectures that are wanted."""
    (tmp_path / "spaces_of_twins.py").write_text(SPACES)
    monkeypatch.syspath_prepend(tmp_path)

    def make(name: str, wanted: Callable[[Mapping[str, Any]], bool] = bool, networks: int = 24) -> Setup:
        config = {"space": f"spaces_of_twins:{name}", "data": "digits", "limit": 200, "profile": {"networks": networks}}
        chosen = [each for each in Setup(resolve(config, "test")).space if wanted(each)]
        latencies = [sum(COSTS[operation] for operation in each.values()) for each in chosen]
        rows = {"architecture": [json.dumps(dict(each)) for each in chosen], "ms": latencies}
        pd.DataFrame(rows).to_csv(tmp_path / "table.csv", index=False)
        target = {"target": str(tmp_path / "table.csv"), "target_args": {"column": "ms"}}
        return Setup(resolve({**config, **target}, "test"))

    return make


def convolutions(architecture: Mapping[str, Any]) -> int:
    return list(architecture.values()).count("conv")


def test_a_table_over_stand_ins_is_judged_by_all_its_other_rows(setup_of: Callable[..., Setup], tmp_path: Path) -> None:
    summary = fit_latency(setup_of("stand_ins"), RunFolder(tmp_path / "run"), Silent()).summary
    assert (summary["samples"], len(summary["held_out"]["ids"])) == (24, 4**4 - 24)
    assert summary["within_10pct"] == 1
    assert summary["mape"] < 0.05


def test_an_architecture_that_writes_a_known_network_in_another_way_judges_nothing(
    setup_of: Callable[..., Setup],
) -> None:
    setup = setup_of("positions")
    every = list(setup.space)
    trained = [next(each for each in every if convolutions(each) == 1), setup.space.largest()]
    rest = [each for each in every if each not in trained]
    kept = other_networks(setup, Encoding(setup.space, setup.features()), trained, rest)
    assert {convolutions(rest[place]) for place in kept} == {0, 2, 3}
    assert len(kept) == 1 + 6 + 4


def test_equal_features_do_not_make_one_network(setup_of: Callable[..., Setup]) -> None:
    """Max and average pooling cost the same; "a" and "b" are alike in all but their name."""
    setup = setup_of("pools")
    trained = [setup.space.architecture(dict.fromkeys(setup.space.choices, name)) for name in ("max", "a")]
    rest = [each for each in setup.space if each not in trained]
    encoding = Encoding(setup.space, setup.features())
    rows = {tuple(row) for row in encoding(trained)[:, encoding.one_hot :]}
    assert sum(tuple(row) in rows for row in encoding(rest)[:, encoding.one_hot :]) == 2 * 2**4 - 2
    assert other_networks(setup, encoding, trained, rest) == list(range(len(rest)))


def test_where_nothing_is_left_to_judge_by_it_is_said(setup_of: Callable[..., Setup], tmp_path: Path) -> None:
    setup = setup_of("positions", wanted=lambda each: convolutions(each) == 2)
    assert isinstance(setup.target, Recorded) and len(setup.target.latencies) == 6
    with pytest.raises(UsageError, match=r"all 2 networks to judge .* measure other networks, or fewer"):
        fit_latency(setup, RunFolder(tmp_path / "run"), Silent())


@pytest.mark.parametrize(("kind", "is_mended"), [(NoBlockTableError, True), (UsageError, False)])
def test_networks_are_traced_one_by_one_only_where_costs_are_no_table(
    kind: type[UsageError],
    is_mended: bool,
    setup_of: Callable[..., Setup],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(setup: Setup) -> Catalogue:
        raise kind("something about blocks.")

    setup = setup_of("stand_ins")
    monkeypatch.setattr(Setup, "catalogue", refuse)
    if is_mended:
        assert setup.features() is setup.traced
        assert fit_latency(setup, RunFolder(tmp_path / "run"), Silent()).summary["samples"] == 24
        return
    with pytest.raises(UsageError, match="something about blocks"):
        setup.features()
    with pytest.raises(UsageError, match="something about blocks"):
        fit_latency(setup, RunFolder(tmp_path / "run"), Silent())
