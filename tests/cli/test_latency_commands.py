"""`nas profile`, `nas device` and what a search makes of them, as a user types them."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from command_line import TINY, Outcome, leftovers, nas, write_config
from latency_tables import DEVICES, board_rows, write_board, write_table

from nas.latency.model import LatencyModel
from nas.predictors import TransferPredictor
from nas.setup import RunFolder, Setup

ERRORS = ["kind", "samples", "within_5pct", "within_10pct", "spearman", "mape", "noise_floor"]
FAST = {"networks": 6, "held_out": 4, "repeats": 2, "samples": 20, "seconds": 0.3}
LATENCY = ["latency_ms <= 80% of largest"]


def profile(folder: Path, *arguments: object, **changes: Any) -> Outcome:
    config = write_config(folder, **{"profile": FAST, "constraints": LATENCY, **changes})
    return nas("profile", "--config", config, "--results", folder / "results", *arguments)


def search(folder: Path, *arguments: object, **changes: Any) -> Outcome:
    config = write_config(folder, **{"profile": FAST, "constraints": LATENCY, **changes})
    return nas("search", "--config", config, "--results", folder / "results", *arguments)


def check_profile(outcome: Outcome, target: str) -> dict[str, Any]:
    """The contract of `nas profile --json`; returns the predictor."""
    assert outcome.code == 0, outcome.err
    assert list(outcome.json) == ["space", "target", "input_shape", "predictor", "feasibility"]
    assert (outcome.json["space"], outcome.json["target"]) == ("chain", target)
    predictor: dict[str, Any] = outcome.json["predictor"]
    assert list(predictor) == ERRORS
    assert 0 <= predictor["within_5pct"] <= predictor["within_10pct"] <= 1 and predictor["mape"] >= 0
    return predictor


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder whose results hold the imported devices ``my-board`` and ``other``, and the table that came back."""
    folder = tmp_path_factory.mktemp("board")
    setup = json.loads(packed(folder)["setup"])
    rows = board_rows(setup)
    table = write_board(folder / "measurements.csv", rows)
    slower = [{**row, "latency_ms": row["latency_ms"] * (1.5 + 0.02 * len(row["architecture"]))} for row in rows]
    for name, file in (("my-board", table), ("other", write_board(folder / "slower.csv", slower))):
        outcome = nas("device", "import", file, "--target", name, "--results", folder / "results", "--json")
        assert outcome.code == 0, outcome.err
    return folder, table


@pytest.fixture(scope="module")
def searched(board: tuple[Path, Path]) -> Outcome:
    """What a search called ``run`` on ``my-board`` printed."""
    outcome = search(board[0], "--target", "my-board", "--name", "run")
    assert outcome.code == 0, outcome.err
    return outcome


def packed(folder: Path) -> dict[str, str]:
    """A row that the script of a real pack wrote, run without this package."""
    config, out = write_config(folder), folder / "pack.zip"
    outcome = nas("device", "pack", "--config", config, "--out", out, "--networks", 6, "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json == {"pack": str(out), "space": "chain", "networks": 6}
    with zipfile.ZipFile(out) as archive:
        archive.extractall(folder)
    script = [sys.executable, str(folder / "pack/run.py"), "--seconds", "0.02"]
    done = subprocess.run(script, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": ""})
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(folder / "pack/measurements.csv", dtype=str)
    assert len(table) == 9 and table["architecture"].nunique() == 6
    return dict(table.iloc[0])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--target", "cpu", "--dtype", "bfloat16", "--batch", 4], "cpu (threads 1, batch 4, bfloat16)"),
        (["--dtype", "int8"], "onnxruntime (threads 1, batch 1, int8)"),
        (["--set", "target_args.provider=CPU"], "onnxruntime (threads 1, batch 1, float32, provider CPU)"),
        (["--predictor", "lookup"], "onnxruntime (threads 1, batch 1, float32)"),
    ],
    ids=["bfloat16", "int8", "provider", "lookup"],
)
def test_a_profile_tells_what_it_was_measured_with(arguments: list[Any], told: str, tmp_path: Path) -> None:
    outcome = profile(tmp_path, "--name", "run", *arguments)
    assert outcome.code == 0, outcome.err
    assert f"; target {told} " in " ".join(outcome.out.split())
    folder = tmp_path / "results/run"
    assert told.partition("(")[2].rstrip(")") in (folder / "report.html").read_text()
    assert not leftovers(tmp_path)
    kind = arguments[1] if arguments[0] == "--predictor" else None
    assert kind in (None, json.loads((folder / "profile.json").read_text())["predictor"]["kind"])


def test_all_kinds_are_compared_on_the_same_held_out_networks(tmp_path: Path) -> None:
    predictor = check_profile(profile(tmp_path, "--name", "run", "--predictor", "all", "--json"), "onnxruntime")
    summary = json.loads((tmp_path / "results/run/latency/summary.json").read_text())
    assert {row["kind"] for row in summary["compared"]} == {"linear", "lookup", "regression"}
    (chosen,) = [row for row in summary["compared"] if row["chosen"]]
    assert chosen["kind"] == predictor["kind"]
    assert chosen["mape"] == predictor["mape"]
    assert chosen["cross_validated"] == min(row["cross_validated"] for row in summary["compared"])
    assert len(summary["held_out"]["measured"]) == FAST["held_out"]


def test_a_table_is_a_target_and_known_columns_are_learnt_from(tmp_path: Path) -> None:
    table = write_table(tmp_path / "measured.csv")
    arguments = ["--table", table, "--column", "delta", "--samples", 8, "--json"]
    alone = check_profile(profile(tmp_path, *arguments), "delta")
    assert alone["samples"] == 8 and alone["noise_floor"] is None
    assert (tmp_path / "results/profile-chain-delta/report.html").exists()
    known = [word for name in DEVICES[:3] for word in ("--known", name)]
    transferred = check_profile(profile(tmp_path, *arguments, *known, "--predictor", "transfer"), "delta")
    assert transferred["kind"] == "transfer"


def test_a_table_in_another_unit_gives_the_same(tmp_path: Path) -> None:
    table = write_table(tmp_path / "measured.csv")
    seconds = tmp_path / "seconds.csv"
    pd.read_csv(table).assign(alpha=lambda rows: rows["alpha"] / 1000).to_csv(seconds, index=False)
    plain = profile(tmp_path, "--table", table, "--column", "alpha", "--json")
    scaled = profile(tmp_path, "--table", seconds, "--column", "alpha", "--unit", "s", "--json")
    assert check_profile(plain, "alpha") == pytest.approx(check_profile(scaled, "alpha"))
    assert plain.json["feasibility"]["costs"]["latency_ms"]["median"] == pytest.approx(
        scaled.json["feasibility"]["costs"]["latency_ms"]["median"]
    )
    alone = profile(tmp_path, "--unit", "s")
    assert alone.code == 2 and "give --table and --column too" in alone.complaint


def test_an_import_judges_what_is_asked_and_says_what_it_left_out(board: tuple[Path, Path], tmp_path: Path) -> None:
    rows = pd.read_csv(board[1], dtype=str)
    rows.loc[4, "latency_ms"] = None
    rows.to_csv(tmp_path / "gaps.csv", index=False)
    arguments = ["device", "import", tmp_path / "gaps.csv", "--results", tmp_path, "--json"]
    outcome = nas(*arguments, "--target", "plain")
    assert outcome.code == 0 and outcome.json["feasibility"]["constraints"] == {}
    assert "Rows with an empty cell were dropped: 1." in outcome.err
    asked = nas(*arguments, "--target", "asked", "--constraint", "latency_ms <= 80% of largest")
    assert list(asked.json["feasibility"]["constraints"]) == ["latency_ms <= 80% of largest"]


def test_a_parquet_table_gives_what_the_csv_table_gives(tmp_path: Path) -> None:
    table = write_table(tmp_path / "measured.csv")
    pd.read_csv(table, converters={"alpha": float}).to_parquet(tmp_path / "measured.parquet")
    reports = []
    for file in (table, tmp_path / "measured.parquet"):
        outcome = profile(tmp_path, "--table", file, "--column", "alpha", "--json")
        reports.append(check_profile(outcome, "alpha"))
    assert reports[0] == reports[1]


def test_an_imported_device_is_listed_with_its_chip(board: tuple[Path, Path]) -> None:
    rows = nas("list", "targets", "--results", board[0] / "results", "--json").json
    (row,) = [row for row in rows if row["name"] == "my-board"]
    assert "Toy Board" in row["summary"] and "float32" in row["summary"]
    assert {"cpu", "onnxruntime", "other"} <= {row["name"] for row in rows}
    assert "my-board" not in nas("list", "targets", "--results", board[0] / "nothing").out


def test_a_search_on_an_imported_device_says_where_latencies_come_from(
    board: tuple[Path, Path], searched: Outcome
) -> None:
    result = json.loads((board[0] / "results/run/best.json").read_text())
    recorded = pd.read_csv(board[1]).query("repeat == 0").set_index("architecture")["latency_ms"]
    measured = {tuple(sorted(json.loads(key).items())): value for key, value in recorded.items()}
    for row in (*result["front"], result["best"], result["largest"]):
        latency = measured.get(tuple(sorted(row["architecture"].items())))
        assert row["latency_source"] == ("predicted" if latency is None else "recorded")
        assert latency is None or row["latency_ms"] == pytest.approx(latency)
        assert row["latency_ms"] <= 0.8 * result["largest"]["latency_ms"] or row == result["largest"]
    sources = {row["latency_source"] for row in (*result["front"], result["largest"])}
    title = searched.out.splitlines()[0]
    assert all(source in title for source in sources) and "measured" not in title
    assert "is a table, so nothing was measured for this page" in (board[0] / "results/run/report.html").read_text()


def test_candidates_beside_the_table_have_no_measured_latency(board: tuple[Path, Path]) -> None:
    outcome = search(board[0], "--target", "my-board", "--name", "many", candidates=27, constraints=[])
    assert outcome.code == 0, outcome.err
    table = pd.read_csv(board[0] / "results/many/candidates.csv")
    known = set(map(canonical, pd.read_csv(board[1])["architecture"]))
    beside = ~table["architecture"].map(canonical).isin(known)
    assert beside.sum() == 7
    assert table.loc[beside, "measured_latency_ms"].isna().all()
    assert table.loc[~beside, "measured_latency_ms"].notna().any()


def canonical(text: str) -> str:
    return json.dumps(json.loads(text), sort_keys=True)


@pytest.mark.usefixtures("searched")
def test_export_says_where_its_latency_comes_from(board: tuple[Path, Path]) -> None:
    for layers, source in ((["identity"] * 3, "predicted"), (["mb6_k5"] * 3, "recorded")):
        architecture = json.dumps({f"layer{place}": name for place, name in enumerate(layers)})
        arguments = ["export", "run", "--results", board[0] / "results", "--architecture", architecture]
        report = nas(*arguments, "--json").json
        assert report["latency_source"] == source and report["latency_ms"] > 0
    assert " ms recorded\n" in nas(*arguments).out


def test_imported_devices_are_known_to_a_new_one(board: tuple[Path, Path], tmp_path: Path) -> None:
    config = write_config(tmp_path, profile={**FAST, "predictor": "transfer"})
    known = ["--known", "my-board", "--known", "other"]
    outcome = nas("profile", "--config", config, *known, "--results", board[0] / "results", "--json")
    assert check_profile(outcome, "onnxruntime")["kind"] == "transfer"
    out = tmp_path / "few.zip"
    arguments = ["--config", config, "--out", out, "--networks", 8, *known, "--results", board[0] / "results"]
    assert nas("device", "pack", *arguments, "--json").json["networks"] == 8


def test_a_search_on_an_imported_device_uses_the_predictor_that_was_fitted_to_it(
    board: tuple[Path, Path], searched: Outcome, tmp_path: Path
) -> None:
    device, run = board[0] / "results/devices/my-board", board[0] / "results/run"
    assert f"Latency predictor of {device}: " in searched.err
    assert (run / "latency/summary.json").read_bytes() == (device / "latency/summary.json").read_bytes()
    assert profile(board[0], "--target", "my-board", "--name", "own", "--samples", 7).code == 0
    outcome = search(board[0], "--target", "my-board", "--profile", "own", "--name", "by-own")
    assert f"Latency predictor of {board[0] / 'results/own'}: " in outcome.err
    shutil.copytree(board[0] / "results", tmp_path / "moved")
    config = write_config(tmp_path, constraints=LATENCY)
    arguments = ["--target", "my-board", "--batch", 1, "--name", "elsewhere", "--results", tmp_path / "moved"]
    outcome = nas("search", "--config", config, *arguments)
    assert outcome.code == 0, outcome.err
    assert f"Latency predictor of {tmp_path / 'moved/devices/my-board'}: " in outcome.err


def test_a_search_takes_latencies_of_a_table(tmp_path: Path) -> None:
    table = write_table(tmp_path / "measured.csv")
    outcome = search(
        tmp_path, "--table", table, "--column", "alpha", "--name", "run", "--json", "--set", "profile.networks=12"
    )
    assert outcome.code == 0, outcome.err
    assert outcome.json["largest"]["latency_source"] == "recorded"


def test_known_devices_of_one_platform_are_left_out_together(tmp_path: Path) -> None:
    table = write_table(tmp_path / "measured.csv")
    arguments = ["--table", table, "--column", "delta", "--samples", 8, "--predictor", "transfer", "--name", "run"]
    known = [word for name in ("alpha@gpu", "beta@gpu", "gamma") for word in ("--known", name)]
    outcome = profile(tmp_path, *arguments, *known)
    assert outcome.code == 0, outcome.err
    folder = RunFolder(tmp_path / "results/run")
    model = LatencyModel.load(folder.predictor, Setup(folder.load_config())).predictor.model
    assert isinstance(model, TransferPredictor) and model.groups == ["gpu", "gpu", "gamma"]


def test_a_pack_has_as_many_networks_as_are_asked_for_or_says_how_many_there_are(
    board: tuple[Path, Path], tmp_path: Path
) -> None:
    known = ["--known", "my-board", "--known", "other@cloud", "--results", board[0] / "results"]
    arguments = ["device", "pack", "--config", write_config(tmp_path), "--out", tmp_path / "a.zip", "--json"]
    for more in ([], known):
        outcome = nas(*arguments, "--networks", 30, *more)
        assert outcome.json["networks"] == 27
        assert "Space 'chain' gave 27 different networks, fewer than the 30 asked for." in outcome.err
    outcome = nas(*arguments, "--networks", 12, *known, "--set", "profile.samples=4")
    assert outcome.json["networks"] == 12 and "fewer than" not in outcome.err


def test_a_damaged_device_is_listed_beside_the_others(board: tuple[Path, Path], tmp_path: Path) -> None:
    shutil.copytree(board[0] / "results/devices", tmp_path / "devices")
    (tmp_path / "devices/other/measurements.csv").write_text("nothing\n")
    found = {row["name"]: row["summary"] for row in nas("list", "targets", "--results", tmp_path, "--json").json}
    assert found["other"].startswith("damaged: ") and "row 1 misses the column" in found["other"]
    assert "Toy Board" in found["my-board"] and "cpu" in found


AWKWARD = """
import nas
from torch import nn

def conv(*kernels):
    return nas.nn.OneOf([nn.Conv2d(1, 1, kernel, padding=kernel // 2) for kernel in kernels])

class Both(nn.Module):
    def forward(self, x, y):
        return x + y

class Joined(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.both = conv(1, 3, 5), Both()

    def forward(self, x):
        return self.both(self.left(x), x)

def head(classes):
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, classes)]

def two_inputs(classes):
    return nn.Sequential(Joined(), Joined(), Joined(), *head(classes))

class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.inside = conv(1, 3, 5)

    def forward(self, x):
        return self.inside(self.inside(x))

def no_sum(classes):
    return nn.Sequential(Twice(), conv(1, 3, 5), conv(1, 3, 5), *head(classes))
"""


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ("two_inputs", r"Blocks are not measured one by one, since block '0\.both' takes several inputs\."),
        ("no_sum", r"Networks are traced one by one, which is slower than adding up blocks: .* do not add up"),
    ],
)
def test_all_kinds_but_the_lookup_are_compared_where_blocks_make_no_table(
    space: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "awkward_spaces.py").write_text(AWKWARD)
    monkeypatch.syspath_prepend(tmp_path)
    arguments = [f"awkward_spaces:{space}", "--predictor"]
    outcome = profile(tmp_path, *arguments, "all", "--name", "all", space_args={})
    assert outcome.code == 0, outcome.err
    assert len(re.findall(said, outcome.err)) == 1
    summary = json.loads((tmp_path / "results/all/latency/summary.json").read_text())
    assert [row["kind"] for row in summary["compared"]] == ["linear", "regression"]
    outcome = profile(tmp_path, *arguments, "lookup", "--name", "lookup", space_args={})
    assert outcome.code == 2 and "use a predictor without a" in outcome.complaint


def test_an_interrupted_import_goes_on_where_it_is_begun_again(board: tuple[Path, Path], tmp_path: Path) -> None:
    arguments = ["device", "import", board[1], "--target", "new", "--results", tmp_path, "--json"]
    first = nas(*arguments).json
    (tmp_path / "devices/new/profile.json").unlink()
    (tmp_path / "devices/new/latency/summary.json").unlink()
    (tmp_path / "devices/new/measurements.csv").unlink()
    assert nas(*arguments).json == first


def test_a_search_reuses_the_predictor_of_a_profile_even_if_that_is_gone(tmp_path: Path) -> None:
    assert profile(tmp_path, "--name", "before").code == 0
    outcome = search(tmp_path, "--profile", "before", "--name", "run", constraints=TINY["constraints"])
    assert outcome.code == 0, outcome.err
    assert "Latency predictor of " in outcome.err and "Measuring up to" not in outcome.err
    runs = tmp_path / "results"
    assert not (runs / "run/measurements.jsonl").exists()
    predictions = [(runs / name / "latency/summary.json").read_text() for name in ("before", "run")]
    assert predictions[0] == predictions[1]
    (runs / "before").rename(runs / "elsewhere")
    (runs / "run/best.json").unlink()
    assert nas("resume", "run", "--results", runs).code == 0


def test_a_recorded_target_and_a_seed_give_the_same_file_bit_for_bit(tmp_path: Path) -> None:
    table, files = write_table(tmp_path / "measured.csv"), []
    for name, seed in (("one", 3), ("two", 3), ("three", 4)):
        arguments = ["--table", table, "--column", "beta", "--samples", 8, "--seed", seed, "--name", name]
        assert profile(tmp_path, *arguments).code == 0
        files.append((tmp_path / "results" / name / "profile.json").read_bytes())
    assert files[0] == files[1] != files[2]
