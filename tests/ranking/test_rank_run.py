"""Ranking what runs have trained: the supernets here were only initialised, which ranks as well as any."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from nas.errors import UsageError
from nas.evaluation.ranking import agreement, rank, tau
from nas.ranking import scores
from nas.ranking.run import rank_runs
from nas.setup import RunFolder, Setup, resolve
from nas.tasks import BITS_PER_CHARACTER
from nas.training import save_checkpoint

TINY: dict[str, Any] = {
    "space": "chain",
    "space_args": {"layers": [1, 1, 1], "width": 4, "head": 16},
    "data": "digits",
    "limit": 100,
    "training": {"epochs": 1},
    "evaluation": {"calibration_images": 64},
}

DRAWS = 20

FILES = ("ranking.csv", "ranking.html", "ranking.json", "ranking.parquet")


def trained(path: Path, seed: int = 0, epochs: int = 1, **changes: Any) -> tuple[RunFolder, Setup]:
    """A run whose supernet was saved after so many of its epochs."""
    folder, config = RunFolder(path), resolve({**TINY, "seed": seed, **changes}, "test")
    setup = Setup(config)
    folder.create(config)
    save_checkpoint(folder.supernet, setup.searched, history=[{}] * epochs, epochs=config.training.epochs)
    return folder, setup


@pytest.fixture(autouse=True)
def fewer_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intervals that are coarse and quick."""
    monkeypatch.setattr("nas.ranking.scores.rank", partial(rank, samples=DRAWS))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Two runs ``a`` and ``b`` of one space, and a table of two trainings of all its architectures."""
    folder = tmp_path_factory.mktemp("lab")
    (a, setup), (b, _) = trained(folder / "a"), trained(folder / "b", seed=1)
    everything = list(setup.space)
    rng = np.random.default_rng(0)
    quality = np.array([setup.costs(each)["flops"] for each in everything]) / 1e4
    accuracies = 80 + quality[:, None] + rng.normal(0, 0.5, (len(everything), 2))
    table = pd.DataFrame({"architecture": [each.key for each in everything], "one": accuracies[:, 0]})
    table = table.assign(two=accuracies[:, 1], loss=100 - accuracies[:, 0])
    table.to_parquet(folder / "truth.parquet")
    return {
        "a": a,
        "b": b,
        "setup": setup,
        "truth": folder / "truth.parquet",
        "table": table,
        "scores": setup.evaluator(everything)["accuracy"].to_numpy(),
        "everything": everything,
    }


def test_a_run_is_ranked_by_its_own_scores_and_everything_is_written(lab: dict[str, Any]) -> None:
    report = rank_runs([lab["a"]], lab["truth"], ["one", "two"])
    record, costs = report["runs"]["a"], lab["setup"].cost_table(lab["everything"])
    expected = rank(
        lab["scores"], lab["table"][["one", "two"]], costs[["flops", "params"]], threshold=0.1, samples=DRAWS
    )
    assert {name: record[name] for name in expected.record()} == expected.record()
    assert report["agreement"] is None and record["epochs"] is None
    assert (record["metric"], record["columns"], record["maximise"]) == ("accuracy", ["one", "two"], True)
    assert record["notes"] == ["Sparse tau rounds one, two to multiples of 0.1."]
    assert sorted(path.name for path in lab["a"].path.glob("ranking.*")) == sorted(FILES)
    assert json.loads((lab["a"].path / "ranking.json").read_text()) == record
    assert record["verdict"] in (lab["a"].path / "ranking.html").read_text("utf-8")


def test_the_table_has_a_row_for_each_architecture_the_best_scored_first(lab: dict[str, Any]) -> None:
    rank_runs([lab["a"]], lab["truth"], ["one", "two"])
    written = pd.read_csv(lab["a"].path / "ranking.csv")
    pd.testing.assert_frame_equal(written, pd.read_parquet(lab["a"].path / "ranking.parquet"))
    known = dict(zip(lab["table"]["architecture"], lab["scores"], strict=True))
    assert written["score"].tolist() == pytest.approx(sorted(known.values(), reverse=True))
    assert written["score"].tolist() == pytest.approx([known[key] for key in written["architecture"]])
    assert written["truth"].to_numpy() == pytest.approx(written[["truth_1", "truth_2"]].mean(axis=1))
    assert written.loc[written["truth"].idxmax(), "truth_rank"] == 1 and written["truth_rank"].max() == len(written)
    assert (written["score_rank"].diff().dropna() >= 0).all() and written["score_rank"].iloc[0] == 1


def test_of_a_loss_less_is_better(lab: dict[str, Any]) -> None:
    accuracy = rank_runs([lab["a"]], lab["truth"], ["one"], threshold=0)["runs"]["a"]
    best = pd.read_csv(lab["a"].path / "ranking.csv").set_index("truth_rank")["id"][1]
    loss = rank_runs([lab["a"]], lab["truth"], ["loss"], threshold=0, minimise=True)["runs"]["a"]
    assert pd.read_csv(lab["a"].path / "ranking.csv").set_index("truth_rank")["id"][1] == best
    for name in ("tau", "sparse_tau", "weighted_tau", "costs", "precision"):
        assert loss[name] == accuracy[name]
    assert list(loss["regret"].values()) == pytest.approx(list(accuracy["regret"].values()))
    assert rank_runs([lab["a"]], lab["truth"], ["loss"])["runs"]["a"]["tau"]["value"] == -accuracy["tau"]["value"]


def test_scores_of_a_minimised_metric_are_turned(lab: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    before = rank_runs([lab["a"]], lab["truth"], ["loss"], minimise=True)["runs"]["a"]
    shared_weights_of = scores.shared_weights_of

    def in_bits(*what: Any) -> Callable[..., pd.DataFrame]:
        judge = shared_weights_of(*what)
        return lambda *args: judge(*args).assign(bits_per_character=lambda table: 3 - table["accuracy"])

    monkeypatch.setattr(scores, "shared_weights_of", in_bits)
    build = Setup.__init__

    def rebuilt(setup: Setup, *arguments: Any) -> None:
        build(setup, *arguments)
        setup.metric = BITS_PER_CHARACTER

    monkeypatch.setattr(Setup, "__init__", rebuilt)
    after = rank_runs([lab["a"]], lab["truth"], ["loss"])["runs"]["a"]
    assert after["tau"] == before["tau"] and after["maximise"] is False
    assert (after["threshold"], after["percent"]) == (0.001, False), "in bits, not in percent"


@pytest.mark.parametrize(("factor", "threshold"), [(1.0, 0.1), (0.01, 0.001)])
def test_the_threshold_follows_the_units(factor: float, threshold: float, lab: dict[str, Any], tmp_path: Path) -> None:
    lab["table"].assign(one=lab["table"]["one"] * factor).to_csv(tmp_path / "truth.csv", index=False)
    record = rank_runs([lab["a"]], tmp_path / "truth.csv", ["one"])["runs"]["a"]
    assert (record["threshold"], record["percent"]) == (threshold, factor == 1)
    assert record["notes"][0] == f"Sparse tau rounds one to multiples of {threshold:g}."
    assert record["notes"][1].startswith("The truth is of one training, so how well it can judge is not known")


def test_several_runs_are_compared_with_each_other(lab: dict[str, Any]) -> None:
    report = rank_runs([lab["a"], lab["b"]], lab["truth"], ["one"], samples=12, seed=5)
    tables = [pd.read_csv(lab[name].path / "ranking.csv").set_index("id").sort_index() for name in "ab"]
    assert list(report["runs"]) == ["a", "b"] and list(map(len, tables)) == [12, 12]
    assert tables[0].index.equals(tables[1].index)
    assert report["agreement"]["mean"] == pytest.approx(tau(tables[0]["score"], tables[1]["score"]))
    assert report["agreement"]["spread"] is None
    assert "12 of 27 architectures of the table were drawn at random with seed 5." in report["runs"]["a"]["notes"]


def test_kept_epochs_are_ranked_in_their_order(lab: dict[str, Any], tmp_path: Path) -> None:
    folder, setup = trained(tmp_path / "kept", epochs=12)
    taught = []
    for epoch in (9, 10, 11):
        with torch.no_grad():
            for parameter in setup.searched.parameters():
                parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(epoch)))
        save_checkpoint(folder.path / "checkpoints" / f"epoch-{epoch}.safetensors", setup.searched)
        taught.append(setup.evaluator(lab["everything"])["accuracy"].to_numpy())
    record = rank_runs([folder], lab["truth"], ["one"])["runs"]["kept"]
    epochs, found = record["epochs"], agreement(taught)
    assert epochs["epoch"] == [9, 10, 11]
    assert epochs["tau"] == pytest.approx([tau(each, lab["table"]["one"]) for each in taught])
    assert epochs["consecutive"] == pytest.approx([found.taus[0, 1], found.taus[1, 2]])
    assert epochs["agreement"]["mean"] == pytest.approx(found.mean)
    assert epochs["agreement"]["deviation"] == pytest.approx(found.deviation.mean())
    assert record["tau"]["value"] == pytest.approx(tau(lab["scores"], lab["table"]["one"]))


def test_the_epoch_that_the_run_ended_with_is_not_scored_again(
    lab: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, setup = trained(tmp_path / "kept", epochs=2)
    save_checkpoint(folder.path / "checkpoints" / "epoch-1.safetensors", setup.searched)
    with torch.no_grad():
        next(setup.searched.parameters()).mul_(2)
    save_checkpoint(folder.path / "checkpoints" / "epoch-0.safetensors", setup.searched)
    score, scored = scores._score, []

    def counted(setup: Setup, question: Any, title: str, progress: Any) -> np.ndarray:
        scored.append(title)
        return score(setup, question, title, progress)

    monkeypatch.setattr(scores, "_score", counted)
    record = rank_runs([folder], lab["truth"], ["one"])["runs"]["kept"]
    assert scored == ["Scoring architectures with kept", "Scoring architectures with epoch 0"]
    assert record["epochs"]["epoch"] == [0, 1] and record["epochs"]["tau"][1] == record["tau"]["value"]


def test_the_same_question_gets_the_same_answer(lab: dict[str, Any]) -> None:
    first = rank_runs([lab["a"]], lab["truth"], ["one"], samples=10, seed=1)
    pages = [(lab["a"].path / name).read_bytes() for name in FILES]
    assert rank_runs([lab["a"]], lab["truth"], ["one"], samples=10, seed=1) == first
    assert [(lab["a"].path / name).read_bytes() for name in FILES] == pages


def test_runs_that_cannot_be_ranked_are_refused(lab: dict[str, Any], tmp_path: Path) -> None:
    results = lab["a"].path.parent
    untrained, _ = trained(tmp_path / "untrained", epochs=0)
    wider, _ = trained(tmp_path / "wider", space_args={**TINY["space_args"], "layers": [1, 1]})
    profile = RunFolder(tmp_path / "profile")
    profile.create(resolve(TINY, "test"), "profile")
    for folders, sentence in (
        ([RunFolder(results / "c")], r"run 'c' does not exist in .*; known are a, b\."),
        ([untrained], "run 'untrained' has no trained supernet yet; finish it with: nas resume untrained"),
        ([profile], "run 'profile' is a profile, which trains no supernet; name a search"),
        ([lab["a"], lab["a"]], "run 'a' is named twice; name it once"),
        ([lab["a"], wider], "run 'wider' is not of the same space and metric as 'a'; rank it by itself"),
    ):
        with pytest.raises(UsageError, match=sentence):
            rank_runs(folders, lab["truth"], ["one"])
    assert not list(tmp_path.rglob("ranking.*"))
