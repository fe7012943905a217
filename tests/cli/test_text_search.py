"""Searches for networks of text, whose metric is the less the better and whose inputs are integers."""

import json
import math
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from command_line import Outcome, nas, search_arguments

from nas.costs import StaticCosts
from nas.data import load

SPACE = {"widths": [8, 16], "depths": [1, 2], "heads": [1, 2], "head_dim": 4, "ratios": [1, 2]}
SETTINGS: dict[str, Any] = {
    "space": "transformer_lm",
    "space_args": SPACE,
    "data": "text",
    "limit": None,
    "profile": {"networks": 4, "held_out": 3, "repeats": 2, "samples": 5, "seconds": 0.2},
}
METRICS = ["bits_per_character", "bits_per_character_low", "bits_per_character_high", "accuracy", "loss"]
SELECTION = [f"selection_{name}" for name in METRICS]
COLUMNS = ["id", "architecture", *SELECTION, *StaticCosts.names, "latency_ms", "feasible", "pareto"]


WORDS = ("a", "search", "finds", "the", "best", "of", "all", "small", "networks", "that", "run", "fast", "enough")


def write_text(folder: Path) -> Path:
    """A text of 8,000 characters in which a word is mostly followed by its next one."""
    rng, text, place = random.Random(0), "", 0
    while len(text) < 8000:
        text += f"{WORDS[place]} "
        place = (place + rng.choice([1, 1, 1, 5])) % len(WORDS)
    path = folder / "input.txt"
    path.write_text(text[:8000])
    return path


def text_arguments(folder: Path, *more: object, **changes: Any) -> list[object]:
    """A tiny search on a text."""
    return search_arguments(folder, "--data-dir", write_text(folder), *more, **{**SETTINGS, **changes})


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """The results folder with the finished run ``text``, and what the search said."""
    folder = tmp_path_factory.mktemp("text")
    changes = {
        "constraints": ["flops <= 90% of largest", "bits_per_character <= 110% of largest", "accuracy >= 0.01"],
        "random_baseline": 3,
        "retrain": "inherited",
        "training": {"epochs": 2, "batch_size": 16},
    }
    outcome = nas(*text_arguments(folder, "--name", "text", **changes))
    assert outcome.code == 0, outcome.err
    return folder / "results", outcome


def test_the_least_bits_per_character_are_chosen(found: tuple[Path, Outcome]) -> None:
    result, folder = found[1].json, found[0] / "text"
    table = pd.read_csv(folder / "candidates.csv")
    assert list(table.columns) == [*COLUMNS, "measured_latency_ms", "measured_spread_ms"]
    best, largest = result["best"], result["largest"]
    feasible = table[table["feasible"]]
    why = result["selection"]
    assert why["best"] == feasible.loc[feasible["selection_bits_per_character"].idxmin(), "id"]
    equals = [row for row in result["front"] if row["id"] in why["equals"]]
    assert best["id"] == min(equals, key=lambda row: row["flops"])["id"]
    assert best["optimism"] == best["shared_bits_per_character"] - best["selection_bits_per_character"]
    bits = [row["selection_bits_per_character"] for row in result["front"]]
    assert bits == sorted(bits) and [row["flops"] for row in result["front"]] == sorted(
        (row["flops"] for row in result["front"]), reverse=True
    )
    for row in (best, largest):
        assert row["bits_per_character_low"] < row["bits_per_character"] < row["bits_per_character_high"]
        assert row["bits_per_character"] == pytest.approx(row["loss"] / math.log(2))
        assert {"test_bits_per_character", "shared_bits_per_character"} <= set(row)
    assert bits[-1] <= 1.1 * largest["selection_bits_per_character"]
    assert result["random"]["draws"] == 3 and "shared_bits_per_character" not in result["random"]


def test_the_file_runs_without_us_and_names_its_characters(found: tuple[Path, Outcome]) -> None:
    file, best = found[0] / "text/best.onnx", found[1].json["best"]
    metadata = {entry.key: json.loads(entry.value) for entry in onnx.load(file).metadata_props}
    data = load("text", found[0].parent / "input.txt")
    assert metadata["classes"] == list(data.task.characters)
    assert metadata["input_shape"] == list(data.input_shape)
    assert metadata["input"] == {"form": "ids", "dtype": "int64", "shape": ["batch", *data.input_shape]}
    assert metadata["metrics"]["test_bits_per_character"] == best["test_bits_per_character"]
    session, losses = onnxruntime.InferenceSession(file), []
    for x, y in data.test.batches(100):
        assert x.dtype == torch.int64
        (logits,) = session.run(None, {"input": x.numpy()})
        losses.append(F.cross_entropy(torch.from_numpy(np.asarray(logits)), y, reduction="none").flatten())
    assert float(torch.cat(losses).mean()) / math.log(2) == pytest.approx(best["test_bits_per_character"], rel=1e-4)


def test_what_is_printed_names_the_metric(found: tuple[Path, Outcome]) -> None:
    results, outcome = found
    assert "of the validation" not in outcome.err and "validation windows (largest difference" in outcome.err
    printed, best = nas("resume", "text", "--results", results).out, outcome.json["best"]
    bits, low, high = (best[name] for name in METRICS[:3])
    assert "character (95 %)" in printed and f"{bits:.2f} ({low:.2f} to {high:.2f})" in printed
    words = " ".join(printed.split())
    assert f"Chosen: {best['id']} with confirmed bits per character {bits:.3f} ({low:.3f} to {high:.3f})" in words
    assert f"and test bits per character {best['test_bits_per_character']:.3f} (" in words
    assert f"the same rule: test bits per character {outcome.json['random']['test_bits_per_character']:.3f} (" in words
    exported = nas("export", "text", "--results", results).out
    assert f"{best['id']}.onnx: bits per character {bits:.3f}, " in exported


def test_the_report_counts_down(found: tuple[Path, Outcome]) -> None:
    page = (found[0] / "text/report.html").read_text()
    best = pd.read_csv(found[0] / "text/candidates.csv").query("feasible")["selection_bits_per_character"].min()
    assert f"Best feasible selection bits per character after 8 evaluations: {best:.3f}." in page
    assert "Bits per character: less is better." in page and "windows/s in the median" in page


def test_a_profile_and_a_pack_have_integers_as_input(tmp_path: Path) -> None:
    arguments, zipped = text_arguments(tmp_path), tmp_path / "pack.zip"
    config, *data = arguments[2], "--data-dir", tmp_path / "input.txt"
    profile = nas("profile", "--config", config, *data, "--results", tmp_path / "results", "--json")
    assert profile.code == 0, profile.err
    assert profile.json["input_shape"] == [64] and profile.json["feasibility"]["costs"]["latency_ms"]["smallest"] > 0
    pack = nas("device", "pack", "--config", config, *data, "--set", "length=32", "--networks", "6", "--out", zipped)
    assert pack.code == 0, pack.err
    with zipfile.ZipFile(zipped) as archive:
        manifest = json.loads(archive.read("pack/manifest.json"))
    assert (manifest["input_dtype"], manifest["input_shape"]) == ("int64", [32])
    assert manifest["setup"]["config"]["length"] == 32


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("layer-tying", {}),
        ("relaxed-tying", {"unique": 1, "ranks": [0, 2]}),
        ("attention-atoms", {"atoms": [1, 2]}),
        ("hashed-bank", {"share": 0.4, "block": 8}),
    ],
)
def test_what_layers_share_is_delivered(method: str, options: dict[str, Any], tmp_path: Path) -> None:
    changes = {
        "space_args": {**SPACE, "depths": [2, 3]},
        "constraints": ["params <= 95% of largest"],
        "costs": ["stored_params"],
        "training": {"epochs": 1, "batch_size": 16},
    }
    outcome = nas(*text_arguments(tmp_path, "--name", "run", method=method, sharing_args=options, **changes))
    assert outcome.code == 0, outcome.err
    best, folder = outcome.json["best"], tmp_path / "results/run"
    notes = [note for note in outcome.json["notes"] if note.startswith("best.onnx holds full weights")]
    assert len(notes) == (best["stored_params"] < best["params"])
    assert f"{best['stored_params']:,.0f}" in (folder / "report.html").read_text()
    session = onnxruntime.InferenceSession(folder / "best.onnx")
    losses = []
    for x, y in load("text", tmp_path / "input.txt").test.batches(100):
        (logits,) = session.run(None, {"input": x.numpy()})
        losses.append(F.cross_entropy(torch.from_numpy(np.asarray(logits)), y, reduction="none").flatten())
    assert float(torch.cat(losses).mean()) / math.log(2) == pytest.approx(best["test_bits_per_character"], rel=1e-4)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"space": "chain", "space_args": {}}, "space 'chain'"),
        ({"constraints": ["bits_per_char <= 2"]}, "unknown metric 'bits_per_char'; did you mean 'bits_per_character'?"),
    ],
)
def test_what_does_not_fit_a_text_is_refused(changes: dict[str, Any], complaint: str, tmp_path: Path) -> None:
    outcome = nas(*text_arguments(tmp_path, **changes))
    assert outcome.code == 2
    assert complaint in outcome.complaint
