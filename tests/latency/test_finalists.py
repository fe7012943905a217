"""Winners are what the target confirms, whatever was predicted of them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from synthetic_devices import setup_of, write_devices

from nas.delivery.networks import final_network
from nas.errors import UsageError
from nas.hardware import Measurement
from nas.latency import finalists, measuring as session
from nas.latency.finalists import Finalists, measure_finalists
from nas.latency.fitting import fit_latency
from nas.latency.model import LatencyModel
from nas.search import Objective
from nas.setup import RunFolder, Setup, Silent, resolve
from nas.space import Architecture

BOUND = 5.0
LEVEL = 4.0


class Board:
    """Stands for the target: ``factor`` times what was predicted, on a machine that gets slower and slower."""

    def __init__(self, predicted: Mapping[str, float], factor: Callable[[int], float]) -> None:
        self.true = {name: value * factor(place) for place, (name, value) in enumerate(predicted.items())}
        self.asked: list[str] = []

    def __call__(self, where: Any, networks: Mapping[str, Any], *rest: Any, **options: Any) -> dict[str, Measurement]:
        same = {"spread_ms": 0.1, "repeats": 9, "threads": 1, "batch": 1, "dtype": "float32", "target": "board"}
        found = {}
        for key in networks:
            name = Architecture.from_json(key).id
            slower = 1 + len(self.asked) / 100
            self.asked.append(name)
            same |= {"latency_ms": self.true[name] * slower, "reference_ms": LEVEL * slower}
            found[key] = Measurement(device="", versions={}, **same)
        return found


@pytest.fixture(scope="module")
def setup() -> Setup:
    space = {
        "space": "chain",
        "space_args": {"layers": [1, 1, 1], "width": 4, "head": 16},
        "data": "digits",
        "limit": 200,
    }
    return Setup(resolve({**space, "constraints": [f"latency_ms <= {BOUND}"]}, "test"))


def candidates_of(setup: Setup) -> pd.DataFrame:
    """All 27 architectures with a prediction below the bound; the slower, the more accurate."""
    architectures = list(setup.space)
    table = setup.cost_table(architectures)
    table.insert(0, "id", [each.id for each in architectures])
    table.insert(1, "architecture", [each.key for each in architectures])
    table["latency_ms"] = table["flops"].rank(method="first") / len(table) * BOUND * 0.99
    return table.assign(accuracy=table["latency_ms"] / BOUND, feasible=True)


def measured(setup: Setup, folder: Path, board: Board, monkeypatch: pytest.MonkeyPatch) -> Finalists:
    monkeypatch.setattr(session, "measure_networks", board)
    monkeypatch.setattr(finalists, "frozen_level", lambda folder: LEVEL)
    table = candidates_of(setup)
    largest = table[table["id"] == setup.space.largest().id].to_dict("records")[0]
    with Silent().task("", 1) as task:
        return measure_finalists(setup, RunFolder(folder), table, largest, task)


FACTORS: dict[str, Callable[[int], float]] = {
    "as predicted": lambda place: 1.0,
    "every second far slower": lambda place: 3.0 if place % 2 else 1.0,
    "all slower": lambda place: 1.7,
    "all but one far slower": lambda place: 1.0 if place == 13 else 60.0,
}


@pytest.mark.parametrize("factor", FACTORS.values(), ids=FACTORS)
def test_the_front_satisfies_the_bound_as_measured(
    factor: Callable[[int], float], setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predicted = dict(zip(*(candidates_of(setup)[name] for name in ("id", "latency_ms")), strict=True))
    board = Board(predicted, factor)
    result = measured(setup, tmp_path, board, monkeypatch)
    assert result.front
    for row in [*result.front, result.largest]:
        assert row["latency_ms"] == pytest.approx(board.true[row["id"]], rel=1e-12)
        assert row["latency_source"] == "measured"
    assert all(row["latency_ms"] <= BOUND for row in result.front)
    best = [(row["latency_ms"], row["accuracy"]) for row in result.front]
    assert best == sorted(best, reverse=True), "the more accurate ones are slower"
    for name, (latency, _) in result.measured.items():
        assert latency == pytest.approx(board.true[name], rel=1e-12)


def test_the_front_begins_with_the_least_where_less_is_better(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = candidates_of(setup)
    board = Board(dict(zip(table["id"], table["latency_ms"], strict=True)), FACTORS["as predicted"])
    monkeypatch.setattr(session, "measure_networks", board)
    monkeypatch.setattr(finalists, "frozen_level", lambda folder: LEVEL)
    monkeypatch.setattr(setup, "objectives", [Objective("bits", maximise=False), setup.objectives[1]])
    rows = table.assign(bits=2 - table["accuracy"])
    largest = rows[rows["id"] == setup.space.largest().id].to_dict("records")[0]
    with Silent().task("", 1) as task:
        front = measure_finalists(setup, RunFolder(tmp_path), rows, largest, task).front
    bits = [row["bits"] for row in front]
    assert bits == sorted(bits) and bits[0] == rows["bits"].min()
    assert [row["latency_ms"] for row in front] == sorted((row["latency_ms"] for row in front), reverse=True)


def test_where_nothing_satisfies_the_bound_it_says_so(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predicted = dict.fromkeys(candidates_of(setup)["id"], BOUND)
    with pytest.raises(UsageError, match=r"no candidate satisfies latency_ms <= 5.* when measured on onnxruntime"):
        measured(setup, tmp_path, Board(predicted, lambda place: 2.0), monkeypatch)


def test_what_was_measured_before_a_kill_is_not_measured_again(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predicted = dict(zip(*(candidates_of(setup)[name] for name in ("id", "latency_ms")), strict=True))
    first, second = (Board(predicted, lambda place: 1.0) for _ in range(2))
    before = measured(setup, tmp_path, first, monkeypatch)
    lines = (tmp_path / "finalists.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "finalists.jsonl").write_text("".join(lines[:3]) + '{"network": "cut')
    after = measured(setup, tmp_path, second, monkeypatch)
    for one, other in zip([*after.front, after.largest], [*before.front, before.largest], strict=True):
        assert one["id"] == other["id"]
        assert one["latency_ms"] == pytest.approx(other["latency_ms"], rel=1e-12)
    assert 0 < len(second.asked) <= len(first.asked) - 3 + 1


def test_beside_a_table_only_predictions_are_left_and_they_are_no_measurements(tmp_path: Path) -> None:
    lines = write_devices(tmp_path).read_text().splitlines(keepends=True)
    (tmp_path / "some.csv").write_text("".join([lines[0], *lines[1::2]]))
    table_setup = setup_of(tmp_path / "some.csv", networks=30)
    folder = RunFolder(tmp_path / "run")
    model: LatencyModel = fit_latency(table_setup, folder, Silent())
    chosen = list(table_setup.space)[::7]
    rows = model.costs(chosen).assign(
        id=[each.id for each in chosen],
        architecture=[each.key for each in chosen],
        accuracy=[0.5 + place / 1000 for place in range(len(chosen))],
        feasible=True,
    )
    largest = {**rows.iloc[-1].to_dict(), **model.costs([table_setup.space.largest()]).iloc[0].to_dict()}
    largest |= {"id": table_setup.space.largest().id, "architecture": table_setup.space.largest().key}
    with Silent().task("", 1) as task:
        result = measure_finalists(table_setup, folder, rows, largest, task)
    target: Any = table_setup.target
    sources = {row["id"]: row["latency_source"] for row in result.front}
    for row in result.front:
        latency, spread, source = model.recall(table_setup.space.architecture(dict_of(row)))
        assert (row["latency_ms"], row["latency_spread_ms"], row["latency_source"]) == (latency, spread, source)
        assert (source == "recorded") == (row["architecture"] in target.latencies)
        assert (row["id"] in result.measured) == (source == "recorded")
    assert set(sources.values()) == {"recorded", "predicted"}


def dict_of(row: Mapping[str, Any]) -> dict[str, Any]:
    import json

    return dict(json.loads(row["architecture"]))


def test_the_speed_of_the_machine_is_the_median_of_what_the_reference_took() -> None:
    same = {"spread_ms": 0.1, "repeats": 9, "threads": 1, "batch": 1, "dtype": "float32", "target": "", "device": ""}
    references = (1.0, 9.0, 2.0, None)
    assert session.reference_level(Measurement(1.0, **same, versions={}, reference_ms=ms) for ms in references) == 2.0


@pytest.mark.parametrize("retrain", ["inherited", "fresh"])
def test_only_inherited_weights_are_inherited(
    setup: Setup, tmp_path: Path, retrain: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a learning rate of nothing, retraining gives back what it began with."""
    monkeypatch.setattr("nas.delivery.networks.is_better", lambda *_: True)
    still = {"epochs": 1, "learning_rate": 1e-12, "weight_decay": 0.0}
    config = setup.config.model_copy(update={"retrain": retrain})
    own = Setup(resolve({**config.model_dump(), "retraining": still}, "test"))
    architecture = own.space.smallest()
    with torch.no_grad():
        for parameter in own.supernet.parameters():
            parameter.fill_(0.1)
    network = final_network(own, RunFolder(tmp_path), architecture, Silent(), str)
    inherited = own.supernet.extract(architecture)
    same = [
        torch.allclose(mine, theirs, atol=1e-6)
        for mine, theirs in zip(network.parameters(), inherited.parameters(), strict=True)
        if mine.dim() > 1
    ]
    assert all(same) if retrain == "inherited" else not any(same)
